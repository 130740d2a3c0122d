//! The findings, for people and for programs.

use std::io::{self, Write};

use serde::Serialize;

use super::super::text::count;
use super::finding::{Finding, Status};

pub(super) fn text(out: &mut impl Write, findings: &[Finding]) -> io::Result<()> {
    for found in findings {
        let status = found.status.as_str();
        writeln!(out, "{status:<4}  {:<13}  {}", found.what, found.detail)?;
        if let Some(mend) = &found.mend {
            // What need not be there need not be mended.
            let word = match found.status {
                Status::Ok | Status::Skip => "note",
                Status::Warn | Status::Fail => "mend",
            };
            writeln!(out, "      {word}: {mend}")?;
        }
    }
    let many = |status| {
        findings
            .iter()
            .filter(|found| found.status == status)
            .count()
    };
    let (failed, warned) = (many(Status::Fail), many(Status::Warn));
    let summary = match (failed, warned) {
        (0, 0) => "all is well".to_owned(),
        (0, _) => count(warned, "warning"),
        (_, 0) => count(failed, "problem"),
        _ => format!("{}, {}", count(failed, "problem"), count(warned, "warning")),
    };
    writeln!(out, "\n{summary}")
}

#[derive(Serialize)]
struct Report<'a> {
    version: &'static str,
    ok: bool,
    findings: &'a [Finding],
}

pub(super) fn json(out: &mut impl Write, findings: &[Finding]) -> io::Result<()> {
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        ok: findings.iter().all(|found| found.status != Status::Fail),
        findings,
    };
    serde_json::to_writer_pretty(&mut *out, &report)?;
    writeln!(out)
}
