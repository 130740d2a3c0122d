//! The findings, for people and for programs.

use std::io::{self, Write};

use serde::Serialize;

use super::finding::{Finding, Status};
use crate::text::{count, few};

/// All findings, and whether one of them is a problem.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    version: &'static str,
    pub(super) ok: bool,
    /// The alerts that fire. They are no finding: the telemetry works, and the app has a problem.
    firing: Vec<String>,
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(findings: Vec<Finding>, firing: Vec<String>) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            // A warning does not fail the command: what it is about may be as the user wants it.
            ok: findings.iter().all(|found| found.status != Status::Fail),
            firing,
            findings,
        }
    }

    pub(super) fn text(&self, out: &mut impl Write) -> io::Result<()> {
        for found in &self.findings {
            let status = found.status.as_str();
            writeln!(out, "{status:<4}  {:<13}  {}", found.what, found.detail)?;
            if let Some(remedy) = &found.remedy {
                // What need not be there needs no remedy.
                let word = match found.status {
                    Status::Ok | Status::Skip => "note",
                    Status::Warn | Status::Fail => "remedy",
                };
                writeln!(out, "      {word}: {remedy}")?;
            }
        }
        writeln!(out, "\n{}", self.summary())
    }

    pub(super) fn json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }

    fn summary(&self) -> String {
        let many = |status| {
            let findings = self.findings.iter();
            findings.filter(|found| found.status == status).count()
        };
        let (failed, warned) = (many(Status::Fail), many(Status::Warn));
        let summary = match (failed, warned) {
            (0, 0) if self.firing.is_empty() => return "all is well".to_owned(),
            (0, 0) => "all is well with the telemetry".to_owned(),
            (0, _) => count(warned, "warning"),
            (_, 0) => count(failed, "problem"),
            _ => format!("{}, {}", count(failed, "problem"), count(warned, "warning")),
        };
        let alerts = count(self.firing.len(), "alert");
        match self.firing.len() {
            0 => summary,
            1 => format!("{summary}; {alerts} fires: {}", few(&self.firing)),
            _ => format!("{summary}; {alerts} fire: {}", few(&self.firing)),
        }
    }
}
