//! `spanwire report`: why it is laggy, as one file.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::SystemTime;

use spanwire::history::report::{Report, ReportOptions};

use crate::Outcome;
use crate::history::{Failure, file, moment::moment, told};
use crate::text::shown;

/// What is asked for, on the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The history's file [default: SPANWIRE_HISTORY]
    history: Option<PathBuf>,

    /// The file to write, which must not exist
    #[arg(long, value_name = "FILE", default_value = "report.zip")]
    out: PathBuf,

    /// From this time on: 30s, 15m, 2h, 7d, 4w ago, or 2026-11-29T18:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<SystemTime>,

    /// Until this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<SystemTime>,

    /// Includes error texts and fields that the app added to its operations, which may be private
    #[arg(long)]
    with_error_texts: bool,
}

pub(super) fn run(out: &mut impl Write, options: &Options) -> io::Result<Outcome> {
    let mut report = ReportOptions::new();
    if let Some(since) = options.since {
        report = report.since(since);
    }
    if let Some(until) = options.until {
        report = report.until(until);
    }
    if options.with_error_texts {
        report = report.with_error_texts();
    }
    let written = report.write(file(options.history.as_ref()), &options.out);
    told(match written {
        Ok(report) => say(out, &report).map_err(Failure::from),
        Err(error) => Err(Failure::of(error)),
    })
}

fn say(out: &mut impl Write, report: &Report) -> io::Result<Outcome> {
    // A verdict names events, whose names a page may have chosen.
    writeln!(out, "{}", shown(&report.verdict))?;
    for advice in &report.advice {
        writeln!(
            out,
            "{:9} {:22} {}",
            advice.severity,
            advice.id,
            shown(&advice.subject)
        )?;
        writeln!(out, "          evidence  {}", shown(&advice.evidence))?;
        writeln!(out, "          remedy    {}", advice.remedy)?;
        if let Some(id) = &advice.optimization {
            writeln!(out, "          apply     {}", shown(id))?;
        }
        if let Some(runbook) = &advice.runbook {
            writeln!(out, "          runbook   {runbook}")?;
        }
        if let Some(trace) = &advice.trace_id {
            writeln!(out, "          trace     {}", shown(trace))?;
        }
    }
    for missing in &report.missing {
        writeln!(out, "missing   {}", shown(missing))?;
    }
    match report.profile_hint() {
        Some(hint) => writeln!(out, "{hint}")?,
        None => writeln!(
            out,
            "CPU profile of {} samples: profile.speedscope.json opens in speedscope",
            report.profile_samples
        )?,
    }
    writeln!(
        out,
        "Wrote {} ({} KiB): open its report.html",
        report.path.display(),
        report.bytes.div_ceil(1_024)
    )?;
    // What is wrong with the app is no failure of the command.
    Ok(Outcome::Good)
}
