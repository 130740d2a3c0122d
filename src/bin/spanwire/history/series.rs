//! `spanwire stats`: each series in numbers.

use std::io::Write;

use serde_json::json;
use spanwire::history::query::SeriesStats;

use super::args::Stats;
use super::table::Table;
use super::{figures, json, moment, with_reader};
use crate::Outcome;
use crate::text::shown;

pub(super) fn run(out: &mut impl Write, options: &Stats) -> std::io::Result<Outcome> {
    with_reader(options.what.file.as_ref(), |history| {
        let filter = options.only.narrow(options.what.filter());
        // With a bucket each line also says when it begins.
        let mut lines = Vec::new();
        match options.bucket {
            None => lines.extend(history.stats(&filter)?.into_iter().map(|it| (None, it))),
            Some(bucket) => {
                let points = history.trend(&filter, bucket)?;
                lines.extend(points.into_iter().map(|it| (Some(it.start), it.stats)));
            }
        }
        if options.json {
            let lines = lines.iter().map(|(start, stats)| {
                let mut object = json::stats(stats);
                if let Some(start) = start {
                    object["start"] = json::time(*start);
                }
                object
            });
            let lines: Vec<_> = lines.collect();
            writeln!(out, "{:#}", json!({ "series": lines }))?;
        } else if lines.is_empty() {
            writeln!(out, "nothing matches")?;
        } else {
            let mut table = Table::new(HEADINGS);
            for (start, stats) in &lines {
                table.row(row(start.map(moment::shown).unwrap_or_default(), stats));
            }
            table.write(out)?;
        }
        Ok(Outcome::Good)
    })
}

fn row(start: String, stats: &SeriesStats) -> Vec<String> {
    vec![
        start,
        shown(&stats.series.kind),
        shown(&stats.series.name),
        shown(&stats.series.webview),
        figures::whole(stats.count),
        figures::number(stats.per_second),
        figures::whole(stats.errors),
        figures::percent(stats.error_rate),
        figures::whole(stats.slow),
        figures::time(stats.average),
        figures::time(stats.min),
        figures::time(stats.p50),
        figures::time(stats.p95),
        figures::time(stats.p99),
        figures::time(stats.max),
    ]
}

const HEADINGS: &[&str] = &[
    "start",
    "kind",
    "name",
    "webview",
    ">count",
    ">per s",
    ">errors",
    ">error rate",
    ">slow",
    ">average",
    ">min",
    ">p50",
    ">p95",
    ">p99",
    ">max",
];
