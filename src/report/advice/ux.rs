//! Suggestions from the web vitals that pages measured. Thresholds are those of
//! <https://web.dev/articles/vitals>, as in the page's script.

use super::{Advice, Recommendation, Severity, UxImprovement};
use crate::report::facts::{Facts, VitalFact};

struct Vital {
    name: &'static str,
    good_s: f64,
    fair_s: f64,
    suggestion: &'static str,
}

const VITALS: &[Vital] = &[
    Vital {
        name: "ttfb",
        good_s: 0.8,
        fair_s: 1.8,
        suggestion: "serve the page from within the app, and do no work before its first byte",
    },
    Vital {
        name: "fcp",
        good_s: 1.8,
        fair_s: 3.0,
        suggestion: "show something before the scripts have run: less script, and styles inline",
    },
    Vital {
        name: "lcp",
        good_s: 2.5,
        fair_s: 4.0,
        suggestion: "load the largest image or text first, in the size in which it is shown",
    },
    Vital {
        name: "inp",
        good_s: 0.2,
        fair_s: 0.5,
        suggestion: "answer input before the long work: split it up, or give it to the host",
    },
];

/// What is not good, the gravest first.
pub(in crate::report) fn improvements(vitals: &[VitalFact]) -> Vec<UxImprovement> {
    let mut improvements: Vec<_> = vitals.iter().filter_map(improvement).collect();
    improvements.sort_by_key(|of| std::cmp::Reverse(of.severity));
    improvements
}

fn improvement(fact: &VitalFact) -> Option<UxImprovement> {
    let vital = VITALS.iter().find(|vital| vital.name == fact.name)?;
    // web.dev calls these good, needs improvement and poor.
    let severity = match fact.seconds {
        seconds if seconds <= vital.good_s => return None,
        seconds if seconds <= vital.fair_s => Severity::Warning,
        _ => Severity::Critical,
    };
    Some(UxImprovement {
        id: format!("page.{}", vital.name),
        webview: fact.webview.clone(),
        vital: vital.name,
        seconds: fact.seconds,
        good_seconds: vital.good_s,
        severity,
        suggestion: vital.suggestion.to_owned(),
    })
}

/// The same as recommendations of a report.
pub(super) struct PageVitals;

impl Advice for PageVitals {
    fn id(&self) -> &str {
        "page.vitals"
    }

    fn assess(&self, facts: &Facts) -> Vec<Recommendation> {
        let improvements = improvements(&facts.vitals).into_iter();
        improvements
            .map(|of| {
                let UxImprovement {
                    webview,
                    vital,
                    seconds,
                    good_seconds,
                    ..
                } = &of;
                let evidence =
                    format!("{vital} of {webview} was {seconds:.2} s, good is {good_seconds} s");
                Recommendation::new(&*of.id, of.severity, evidence, of.suggestion)
            })
            .collect()
    }
}
