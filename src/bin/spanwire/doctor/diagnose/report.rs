//! The diagnosis, for people and for programs.

use std::io::{self, Write};

use serde::Serialize;

use super::case::{Case, Labels};
use super::catalogue::{Severity, Unit};
use super::traces::Example;
use crate::doctor::window::Window;
use crate::text::count;

/// Everything that was found, the worst first.
#[derive(Debug, Serialize)]
pub(super) struct Diagnosis {
    version: &'static str,
    /// Whether there was something to judge, and nothing is wrong.
    pub(super) ok: bool,
    job: String,
    window: String,
    verdict: String,
    notes: Vec<String>,
    findings: Vec<Found>,
}

/// A finding, its evidence, and what it brings about.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    id: String,
    question: String,
    stage: String,
    severity: Severity,
    says: String,
    value: f64,
    unit: Unit,
    labels: Labels,
    culprits: Vec<Blamed>,
    remedy: String,
    alerts: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runbook: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<Example>,
    consequences: Vec<Consequence>,
}

#[derive(Debug, Serialize)]
struct Blamed {
    says: String,
    value: f64,
    labels: Labels,
}

#[derive(Debug, Serialize)]
struct Consequence {
    id: String,
    says: String,
}

impl Found {
    pub(super) fn new(case: &Case, consequences: &[Case], trace: Option<Example>) -> Self {
        let culprits = case.culprits_say().into_iter().zip(&case.culprits);
        let consequences = consequences.iter().map(|one| Consequence {
            id: one.of.id.clone(),
            says: one.says(),
        });
        Self {
            id: case.of.id.clone(),
            question: case.of.question.clone(),
            stage: case.of.stage.clone(),
            severity: case.of.severity,
            says: case.says(),
            value: case.value,
            unit: case.of.unit,
            labels: case.labels.clone(),
            culprits: culprits
                .map(|(says, series)| Blamed {
                    says,
                    value: series.value,
                    labels: series.labels.clone(),
                })
                .collect(),
            remedy: case.of.remedy.clone(),
            alerts: case.of.alerts.clone(),
            runbook: case.of.runbook.clone(),
            trace,
            consequences: consequences.collect(),
        }
    }

    /// With the one that takes the most.
    fn verdict(&self) -> String {
        match self.culprits.first() {
            Some(culprit) => format!("{}: {}; {}", self.id, self.says, culprit.says),
            None => format!("{}: {}", self.id, self.says),
        }
    }

    fn text(&self, out: &mut impl Write) -> io::Result<()> {
        let severity = self.severity.as_str();
        writeln!(out, "{severity:<8}  {:<20}  {}", self.id, self.question)?;
        let mut line = |word: &str, text: &str| writeln!(out, "          {word:<9} {text}");
        line("evidence", &self.says)?;
        line("stage", &self.stage)?;
        for culprit in &self.culprits {
            line("culprit", &culprit.says)?;
        }
        if let Some(instance) = self.labels.get("instance") {
            // A label is text of a server, so it is made safe to print.
            line("instance", &crate::text::shown(instance))?;
        }
        for one in &self.consequences {
            line("so also", &format!("{}: {}", one.id, one.says))?;
        }
        line("remedy", &self.remedy)?;
        if let Some(runbook) = &self.runbook {
            line("runbook", runbook)?;
        }
        if let Some(trace) = &self.trace {
            line("trace", &trace.url)?;
        }
        Ok(())
    }
}

impl Diagnosis {
    pub(super) fn of(job: &str, window: Window, findings: Vec<Found>) -> Self {
        let verdict = match findings.as_slice() {
            [] => format!("nothing is wrong, by the last {window}"),
            [only] => only.verdict(),
            [first, others @ ..] => {
                let more = count(others.len(), "more finding");
                format!("{}; and {more}", first.verdict())
            }
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            ok: findings.is_empty(),
            job: job.to_owned(),
            window: window.to_string(),
            verdict,
            notes: Vec::new(),
            findings,
        }
    }

    pub(super) fn without_data(job: &str, window: Window, problem: String) -> Self {
        Self {
            // Without data nothing is known to be well: a script must not take it for good news.
            ok: false,
            verdict: format!("no diagnosis: {problem}"),
            ..Self::of(job, window, Vec::new())
        }
    }

    pub(super) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    pub(super) fn text(&self, out: &mut impl Write) -> io::Result<()> {
        for found in &self.findings {
            found.text(out)?;
            writeln!(out)?;
        }
        for note in &self.notes {
            writeln!(out, "note      {note}")?;
        }
        writeln!(out, "{}", self.verdict)
    }

    pub(super) fn json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }
}
