//! Rules over what the process knows of itself, and what they recommend.

mod rules;
mod ux;

use std::fmt;

use serde::Serialize;

use super::facts::Facts;

pub(super) use rules::built_in;
pub(super) use ux::improvements;

/// A rule: it looks at the facts and recommends something, or nothing.
///
/// ```
/// use spanwire::report::{Advice, Facts, Recommendation, Severity};
///
/// struct NoWire;
///
/// impl Advice for NoWire {
///     fn id(&self) -> &str {
///         "app.no_wire"
///     }
///
///     fn assess(&self, facts: &Facts) -> Vec<Recommendation> {
///         if !facts.wires.is_empty() {
///             return Vec::new();
///         }
///         let evidence = "the client was given no wire";
///         vec![Recommendation::new(self.id(), Severity::Info, evidence, "call `with_ipc`")]
///     }
/// }
/// ```
pub trait Advice: Send + Sync {
    /// Tells the rule apart: dotted lowercase, the part of the app first.
    fn id(&self) -> &str;

    /// What it recommends. Where the facts have no data for it, it recommends nothing. A panic is
    /// caught, and then there is none.
    fn assess(&self, facts: &Facts) -> Vec<Recommendation>;
}

/// What could be better, why that is thought, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Recommendation {
    /// The rule's.
    pub id: String,
    /// How grave it is.
    pub severity: Severity,
    /// What was measured.
    pub evidence: String,
    /// What to do.
    pub remedy: String,
    /// The id of the optimisation that does it, if there is one.
    pub optimization: Option<String>,
    /// The finding of the catalogue that says the same from Prometheus' data, if there is one:
    /// `spanwire doctor --diagnose` looks for it, with what explains it.
    pub finding: Option<String>,
}

impl Recommendation {
    /// One without an optimisation.
    #[must_use]
    pub fn new(
        id: impl Into<String>,
        severity: Severity,
        evidence: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            severity,
            evidence: evidence.into(),
            remedy: remedy.into(),
            optimization: None,
            finding: None,
        }
    }

    /// The same with the finding of the catalogue that says so from Prometheus' data.
    #[must_use]
    pub fn with_finding(mut self, id: impl Into<String>) -> Self {
        self.finding = Some(id.into());
        self
    }

    /// The same with the optimisation that does it.
    #[must_use]
    pub fn with_optimization(mut self, id: impl Into<String>) -> Self {
        self.optimization = Some(id.into());
        self
    }
}

impl fmt::Display for Recommendation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, severity, .. } = self;
        let (evidence, remedy) = (&self.evidence, &self.remedy);
        write!(f, "{} {id}: {evidence}; {remedy}", severity.as_str())
    }
}

/// How grave something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// Good to know.
    Info,
    /// A user may notice.
    Warning,
    /// A user notices.
    Critical,
}

impl Severity {
    /// `info`, `warning` or `critical`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What would make a page feel faster, from a vital that it measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UxImprovement {
    /// The rule's.
    pub id: String,
    /// The wire of the page.
    pub webview: String,
    /// `ttfb`, `fcp`, `lcp` or `inp`.
    pub vital: &'static str,
    /// What was measured, in seconds.
    pub seconds: f64,
    /// Up to how many seconds users find it good.
    pub good_seconds: f64,
    /// How grave it is.
    pub severity: Severity,
    /// What to do.
    pub suggestion: String,
}
