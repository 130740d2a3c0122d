//! `spanwire slow`: the slowest records.

use std::io::Write;

use serde_json::json;
use spanwire::history::query::{Record, Stages};

use super::args::Slow;
use super::table::Table;
use super::{figures, json, moment, with_reader};
use crate::Outcome;
use crate::text::shown;

pub(super) fn run(out: &mut impl Write, options: &Slow) -> std::io::Result<Outcome> {
    with_reader(options.what.file.as_ref(), |history| {
        let mut filter = options.what.filter_up_to(LIMIT);
        if options.failed {
            filter = filter.failed_only();
        }
        let records = history.slow(&filter)?;
        if options.json {
            let records: Vec<_> = records.iter().map(json::record).collect();
            writeln!(out, "{:#}", json!({ "records": records }))?;
        } else if records.is_empty() {
            writeln!(out, "nothing matches that was slow")?;
        } else {
            table(&records).write(out)?;
        }
        Ok(Outcome::Good)
    })
}

fn table(records: &[Record]) -> Table {
    let mut table = Table::new(&[
        "started",
        ">duration",
        "kind",
        "name",
        "webview",
        "outcome",
        "slow by",
        "longest stage",
        "trace",
    ]);
    for record in records {
        let outcome = match &record.error_type {
            Some(error) => format!("{} ({})", shown(&record.outcome), shown(error)),
            None => shown(&record.outcome),
        };
        table.row([
            moment::shown(record.started_at),
            figures::time(record.duration),
            shown(&record.series.kind),
            shown(&record.series.name),
            shown(&record.series.webview),
            outcome,
            shown(record.slow.as_deref().unwrap_or_default()),
            longest(&record.stages),
            record.trace_id.clone().unwrap_or_default(),
        ]);
    }
    table
}

/// The stage that took the most, which is where to look.
fn longest(stages: &Stages) -> String {
    let stages = [
        ("page wait", stages.page_wait),
        ("transit", stages.transit),
        ("queue wait", stages.queue_wait),
        ("handler", stages.handler),
        ("response", stages.response),
    ];
    let known = stages
        .into_iter()
        .filter_map(|(name, took)| Some((took?, name)));
    // Of pairs: the time decides, since it comes first.
    known.max().map_or_else(String::new, |(took, name)| {
        format!("{name} {}", figures::time(took))
    })
}

/// What fits on a screen.
const LIMIT: usize = 20;
