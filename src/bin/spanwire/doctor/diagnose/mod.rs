//! Diagnoses the app by what Prometheus and Jaeger have of it: which finding of the catalogue holds,
//! by which evidence, whose fault it is and what to do.
//!
//! A finding that another brings about is told with that one, as its consequence: a blocked UI thread
//! makes everything late.

mod case;
mod catalogue;
mod report;
mod traces;

use std::io::{self, Write};
use std::time::Duration;

use spanwire::clock::now;
use spanwire::semconv::ERROR_RATE_THRESHOLD;
use spanwire::telemetry::Telemetry;

use super::client::HttpClient;
use super::probe_error::ProbeError;
use super::prometheus::{Series, query};
use super::targets::{Target, Targets};
use crate::Outcome;
use crate::doctor::args::Doctor;
use crate::doctor::window::Window;
use crate::text::{few, shown};
use case::{Case, by_cause};
use catalogue::{CatalogueEntry, every_finding};
use report::{Diagnosis, Found};

/// Asks, judges and reports.
pub(super) fn run(out: &mut impl Write, options: &Doctor) -> io::Result<Outcome> {
    let diagnosis = diagnose(options)?;
    if options.json {
        diagnosis.json(out)?;
    } else {
        diagnosis.text(out)?;
    }
    Ok(match diagnosis.ok {
        true => Outcome::Good,
        false => Outcome::Bad,
    })
}

fn diagnose(options: &Doctor) -> io::Result<Diagnosis> {
    let config = Telemetry::builder(super::UNKNOWN_SERVICE).resolve();
    let targets = Targets::new(options, &config);
    let asked = Asked {
        // A window of a day over thousands of series takes Prometheus longer than the doctor's
        // probes.
        client: HttpClient::new(&targets.prometheus, now().plus(TIME_MAX)).patient(),
        job: &options.job,
        window: options.window,
    };
    match asked.presence() {
        Ok(Presence::Scraped { samples }) => {
            let cases = asked.cases(&every_finding()?);
            let cases = match cases {
                Ok(cases) => cases,
                Err(error) => return Ok(unanswered(options, &targets.prometheus, &error)),
            };
            let found = asked.with_traces(&targets.jaeger, by_cause(cases));
            let mut diagnosis = Diagnosis::of(&options.job, options.window, found);
            // A note and no failure: findings about states need one sample.
            if samples < SAMPLES_MIN {
                diagnosis.note(format!(
                    "Prometheus has {samples} samples of the last {}, which is too few to judge \
                     rates: wait, or give a longer --window",
                    options.window
                ));
            }
            Ok(diagnosis)
        }
        Ok(Presence::Unknown { others }) => {
            let others = match others.is_empty() {
                true => "no app of Spanwire's sends it any: is the app running, and scraped? spanwire doctor says what is missing".to_owned(),
                false => format!("it has data of {}: --job NAME", few(&others)),
            };
            let place = targets.prometheus.redacted();
            let problem = format!(
                "{place} has no data of the job {}; {others}",
                shown(&options.job)
            );
            Ok(Diagnosis::without_data(
                &options.job,
                options.window,
                problem,
            ))
        }
        Err(error) => Ok(unanswered(options, &targets.prometheus, &error)),
    }
}

fn unanswered(options: &Doctor, prometheus: &Target, error: &ProbeError) -> Diagnosis {
    let place = prometheus.redacted();
    let problem = format!("{place}: {error}; --prometheus URL, if it runs elsewhere");
    Diagnosis::without_data(&options.job, options.window, problem)
}

/// Prometheus, and what it is asked about.
struct Asked<'a> {
    client: HttpClient,
    job: &'a str,
    window: Window,
}

enum Presence {
    /// The job is known, by so many samples in the window at the most.
    Scraped { samples: u64 },
    /// It is not; these are.
    Unknown { others: Vec<String> },
}

impl Asked<'_> {
    fn query(&self, expression: &str) -> Result<Vec<Series>, ProbeError> {
        let mut series = query(&self.client, &self.window.fill_in(expression, self.job))?;
        // A quantile of nothing is NaN, which says nothing.
        series.retain(|one| one.value.is_finite());
        Ok(series)
    }

    /// Whether there is anything to ask.
    fn presence(&self) -> Result<Presence, ProbeError> {
        // Every app has it from its start; an app that has gone has a scrape that fails.
        let threshold = ERROR_RATE_THRESHOLD.prometheus_name();
        let here = format!(
            r#"max(count_over_time({threshold}{{job="$job"}}[$window]) or count_over_time(up{{job="$job"}}[$window]))"#
        );
        if let Some(found) = self.query(&here)?.first() {
            return Ok(Presence::Scraped {
                // `as` is sound here: a float that does not fit becomes the nearest bound.
                samples: found.value as u64,
            });
        }
        // The usual slip is another job name, so the names that exist are told.
        let others = self.query(&format!("count by (job) ({threshold})"))?;
        let name = |series: &Series| series.labels.get("job").cloned();
        Ok(Presence::Unknown {
            others: others.iter().filter_map(name).collect(),
        })
    }

    /// Every case in which a finding holds.
    fn cases(&self, findings: &[CatalogueEntry]) -> Result<Vec<Case>, ProbeError> {
        let mut cases = Vec::new();
        for of in findings {
            let mut series = self.query(&of.evidence)?;
            // The worst first, which the report keeps within a severity.
            series.sort_by(|one, other| other.value.total_cmp(&one.value));
            let blamed = match &of.culprit {
                // Most findings do not hold, so most culprits are never asked for.
                Some(culprit) if !series.is_empty() => self.query(&culprit.evidence)?,
                _ => Vec::new(),
            };
            cases.extend(series.into_iter().map(|Series { labels, value }| {
                let mut case = Case {
                    of: of.clone(),
                    labels,
                    value,
                    culprits: Vec::new(),
                };
                case.blame(&blamed);
                case
            }));
        }
        Ok(cases)
    }

    /// Adds an example of each from Jaeger, where that is reachable.
    fn with_traces(&self, jaeger: &Target, cases: Vec<(Case, Vec<Case>)>) -> Vec<Found> {
        let client = HttpClient::new(jaeger, now().plus(JAEGER_TIME_MAX));
        // The doctor asks once: a Jaeger that is not there would take its time limit for each
        // example.
        let is_there = !cases.is_empty() && client.json("/api/services").is_ok();
        let services = match is_there {
            true => self.query(r#"target_info{job="$job"}"#).unwrap_or_default(),
            false => Vec::new(),
        };
        cases
            .into_iter()
            .enumerate()
            .map(|(place, (case, consequences))| {
                let service = services
                    .iter()
                    .find(|one| {
                        one.labels.get("instance").map(String::as_str) == Some(case.instance())
                    })
                    .and_then(|one| one.labels.get("service_name"))
                    // Over OTLP, Prometheus makes the service's name the job.
                    .map_or(self.job, String::as_str);
                let example = match is_there && place < EXAMPLES_MAX {
                    true => traces::example(&client, jaeger, &case, service, self.window),
                    false => None,
                };
                Found::new(&case, &consequences, example)
            })
            .collect()
    }
}

/// For all questions to Prometheus.
const TIME_MAX: Duration = Duration::from_secs(60);
/// For all questions to Jaeger.
const JAEGER_TIME_MAX: Duration = Duration::from_secs(10);
/// A rate needs two samples, and one of them may be missing at an end of the window.
const SAMPLES_MIN: u64 = 4;
/// Of so many findings an example is looked for.
const EXAMPLES_MAX: usize = 10;
