//! Rules of the app's own, beside those of the catalogue.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::advice::Advice;
use crate::history::query::{Filter, HistoryReader, QueryError, Record, SeriesStats};
use crate::history::time::nanos_since_epoch;
use crate::instrument::caught_panic::catch_panic;

/// A rule of the app's own: a question to the history, and what to do when the answer is bad.
///
/// [`TelemetryBuilder::report_rule`](crate::telemetry::TelemetryBuilder::report_rule) adds one to the
/// app's reports, [`ReportOptions::rule`](super::ReportOptions::rule) to one report. What it returns
/// is [`Advice`] like the catalogue's. A rule that panics or cannot read the history is named in
/// [`Report::missing`](super::Report::missing), and the rest of the report is there.
///
/// ```
/// use spanwire::history::query::{Filter, QueryError};
/// use spanwire::history::report::{Evidence, Period, Rule};
/// use std::time::Duration;
///
/// /// A scene with its textures loads within half a second.
/// struct SceneBudget;
///
/// impl Rule for SceneBudget {
///     fn name(&self) -> &str {
///         "paint-tool.scene-budget"
///     }
///
///     fn question(&self) -> &str {
///         "Does a scene load within 500 ms?"
///     }
///
///     fn evidence(&self, period: &Period<'_>) -> Result<Vec<Evidence>, QueryError> {
///         let budget = Duration::from_millis(500);
///         let mut evidence = Vec::new();
///         for stats in period.stats() {
///             if stats.series.name == "load_scene" && stats.p95 > budget {
///                 let text = format!("one of 20 scenes takes {:?} or longer", stats.p95);
///                 let mut of = Evidence::new("operation load_scene", text);
///                 let slowest = period.filter().exact_name("load_scene").limit(1);
///                 if let Some(record) = period.reader().slow(&slowest)?.first() {
///                     of = of.example(record);
///                 }
///                 evidence.push(of);
///             }
///         }
///         Ok(evidence)
///     }
///
///     fn remedy(&self) -> &str {
///         "load textures after the first frame"
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("spanwire-rule-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let telemetry = spanwire::Telemetry::builder("paint-tool")
///     .history(folder.join("history.db"))
///     .report_rule(SceneBudget)
/// #   .environment(|_| None).prometheus_port(0)
///     .install()?;
/// spanwire::monitor("load_scene").time(|| { /* … */ });
/// let report = telemetry.report(folder.join("report.zip"))?;
/// assert!(report.advice.is_empty());
/// # drop(telemetry);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
pub trait Rule: Send + Sync {
    /// The [`Advice::id`] of what it finds. Begin it with the app's name, which no id of the
    /// catalogue does.
    fn name(&self) -> &str;

    /// What it asks, as one sentence for the reader of the report.
    fn question(&self) -> &str;

    /// What speaks for trouble in this period: one for each operation, event or process; empty when
    /// all is well. The report shows the first 20.
    ///
    /// The report holds the texts as they are: leave out what is private.
    ///
    /// # Errors
    ///
    /// What the history answered, when it cannot be read.
    fn evidence(&self, period: &Period<'_>) -> Result<Vec<Evidence>, QueryError>;

    /// What to do about it.
    fn remedy(&self) -> &str;
}

/// The part of a history that a report is of.
#[derive(Debug)]
pub struct Period<'a> {
    pub(super) reader: &'a HistoryReader,
    pub(super) since: SystemTime,
    pub(super) until: SystemTime,
    pub(super) stats: &'a [SeriesStats],
}

impl Period<'_> {
    /// The numbers of each operation and message in the period: first what took the most time in
    /// all. The report has read them already.
    #[must_use]
    pub fn stats(&self) -> &[SeriesStats] {
        self.stats
    }

    /// A filter that lets through what is of the period. A question without a limit reads all of
    /// that, which may be millions of records.
    #[must_use]
    pub fn filter(&self) -> Filter {
        Filter::new().since(self.since).until(self.until)
    }

    /// The history itself, for further questions.
    #[must_use]
    pub fn reader(&self) -> &HistoryReader {
        self.reader
    }
}

/// What a [`Rule`] found.
#[derive(Clone, Debug)]
#[must_use = "return it from `Rule::evidence`"]
pub struct Evidence {
    subject: String,
    text: String,
    severity: &'static str,
    trace_id: Option<String>,
    example_at: Option<i64>,
}

impl Evidence {
    /// A warning about `subject`, an operation, event or process, with what was measured.
    pub fn new(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            text: text.into(),
            severity: "warning",
            trace_id: None,
            example_at: None,
        }
    }

    /// Something that comes before all warnings.
    pub fn critical(mut self) -> Self {
        self.severity = "critical";
        self
    }

    /// With a record that shows it: the report names its time and its trace.
    pub fn example(mut self, record: &Record) -> Self {
        self.trace_id.clone_from(&record.trace_id);
        self.example_at = Some(nanos_since_epoch(record.started_at));
        self
    }
}

/// The rules of an app, which its builder and its reports share.
#[derive(Clone, Default)]
pub(crate) struct Rules(Vec<Arc<dyn Rule>>);

impl Rules {
    pub(crate) fn add(&mut self, rule: impl Rule + 'static) {
        self.0.push(Arc::new(rule));
    }

    /// What they find, and the names of those that cannot say, with the reason.
    pub(super) fn ask(&self, period: &Period<'_>) -> (Vec<Advice>, Vec<String>) {
        let (mut advice, mut missing) = (Vec::new(), Vec::new());
        for (place, rule) in self.0.iter().enumerate() {
            // Each method is the app's code.
            match catch_panic(|| answers(&**rule, period)) {
                Ok(Ok(found)) => advice.extend(found),
                Ok(Err((name, error))) => missing.push(format!("the rule {name}: {error}")),
                Err(_panic) => {
                    // The name is the app's code, too, and may be what panicked.
                    let name = catch_panic(|| rule.name().to_owned());
                    let name = name.unwrap_or_else(|_| format!("number {}", place + 1));
                    missing.push(format!("the rule {name}: it panicked"));
                }
            }
        }
        (advice, missing)
    }
}

fn answers(rule: &dyn Rule, period: &Period<'_>) -> Result<Vec<Advice>, (String, QueryError)> {
    let evidence = rule.evidence(period);
    let evidence = evidence.map_err(|error| (rule.name().to_owned(), error))?;
    // A rule may return any number, and each of them is a card on the page.
    let found = evidence.into_iter().take(EVIDENCE_MAX);
    Ok(found
        .map(|of| Advice {
            id: rule.name().to_owned(),
            severity: of.severity.to_owned(),
            // Spanwire does not know where in the app such a rule looks.
            stage: "app".to_owned(),
            subject: of.subject,
            evidence: of.text,
            remedy: rule.remedy().to_owned(),
            question: Some(rule.question().to_owned()),
            optimization: None,
            runbook: None,
            trace_id: of.trace_id,
            example_at: of.example_at,
        })
        .collect())
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rules({})", self.0.len())
    }
}

/// Of one rule.
const EVIDENCE_MAX: usize = 20;
