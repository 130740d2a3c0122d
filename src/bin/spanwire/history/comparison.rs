//! `spanwire compare`: what changed.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use serde_json::{Value, json};
use spanwire::history::query::{
    Certainty, Change, Comparison, Filter, HistoryReader, SeriesChange, compare,
};

use super::args::Compare;
use super::moment::{Period, today};
use super::table::Table;
use super::{Failure, figures, file, json, misused, told};
use crate::Outcome;
use crate::text::shown;

pub(super) fn run(out: &mut impl Write, options: &Compare) -> io::Result<Outcome> {
    let (before, after) = sides(options);
    let first = file(options.files.first());
    told(compared(out, options, &first, &before, &after))
}

fn compared(
    out: &mut impl Write,
    options: &Compare,
    first: &PathBuf,
    before: &Filter,
    after: &Filter,
) -> Result<Outcome, Failure> {
    let old = HistoryReader::open(first).map_err(Failure::of)?;
    let second = match options.files.get(1) {
        Some(path) => Some(HistoryReader::open(path).map_err(Failure::of)?),
        None => None,
    };
    let new = second.as_ref().unwrap_or(&old);
    let comparison = compare((&old, before), (new, after))?;
    if options.json {
        writeln!(out, "{:#}", as_json(&comparison))?;
    } else {
        as_text(out, &comparison)?;
    }
    Ok(Outcome::Good)
}

/// What is on either side.
fn sides(options: &Compare) -> (Filter, Filter) {
    let said = options.at.is_some()
        || options.before.is_some()
        || options.after.is_some()
        || options.before_version.is_some()
        || options.after_version.is_some();
    // One file without sides would be compared with itself. clap cannot express this condition.
    if options.files.len() < 2 && !said {
        misused(
            ErrorKind::MissingRequiredArgument,
            "compare what? Name two files, or the sides by --at, by --before and --after, or by \
             --before-version and --after-version",
        );
    }
    let (mut before, mut after) = (options.which.filter(), options.which.filter());
    if let Some(at) = options.at {
        let now = today();
        let Ok(since) = now.duration_since(at) else {
            misused(ErrorKind::ValueValidation, "--at lies in the future");
        };
        // Where the system's time does not reach back so far, the side has no start.
        if let Some(start) = at.checked_sub(since) {
            before = before.since(start);
        }
        before = before.until(at);
        after = after.since(at);
    }
    if let Some(version) = &options.before_version {
        before = before.version(version);
    }
    if let Some(version) = &options.after_version {
        after = after.version(version);
    }
    (within(before, options.before), within(after, options.after))
}

fn within(mut filter: Filter, period: Option<Period>) -> Filter {
    let Some(period) = period else {
        return filter;
    };
    if let Some(since) = period.since {
        filter = filter.since(since);
    }
    if let Some(until) = period.until {
        filter = filter.until(until);
    }
    filter
}

fn as_text(out: &mut impl Write, comparison: &Comparison) -> io::Result<()> {
    if comparison.series.is_empty() {
        return writeln!(out, "nothing matches on either side");
    }
    let mut table = Table::new(&[
        "kind",
        "name",
        "webview",
        ">count",
        "p50",
        "p95",
        "error rate",
        "per s",
    ]);
    for change in &comparison.series {
        table.row(row(change));
    }
    table.write(out)?;
    writeln!(
        out,
        "\n!! certain   ! likely   ~ may be chance   ? too few to say\n\
         before: {} of data, after: {}",
        figures::time(Duration::try_from_secs_f64(comparison.seconds_before).unwrap_or_default()),
        figures::time(Duration::try_from_secs_f64(comparison.seconds_after).unwrap_or_default()),
    )
}

fn row(change: &SeriesChange) -> Vec<String> {
    let count = |stats: &Option<_>, missing: &str| match stats {
        None => missing.to_owned(),
        Some(stats) => {
            let stats: &spanwire::history::query::SeriesStats = stats;
            figures::whole(stats.count)
        }
    };
    // A quantile of a side without data would be 0, and look like a change.
    let both = change.before.is_some() && change.after.is_some();
    let seconds =
        |value: f64| figures::time(Duration::try_from_secs_f64(value).unwrap_or_default());
    let figure = |change: &Change, text: &dyn Fn(f64) -> String, relative: bool| {
        if both {
            cell(change, text, relative)
        } else {
            String::new()
        }
    };
    vec![
        shown(&change.series.kind),
        shown(&change.series.name),
        shown(&change.series.webview),
        format!(
            "{} → {}",
            count(&change.before, "new"),
            count(&change.after, "gone")
        ),
        figure(&change.p50, &seconds, true),
        figure(&change.p95, &seconds, true),
        figure(&change.error_rate, &figures::percent, false),
        cell(&change.per_second, &figures::number, true),
    ]
}

fn cell(change: &Change, text: &dyn Fn(f64) -> String, relative: bool) -> String {
    let mark = match change.certainty {
        Certainty::Certain => "!!",
        Certainty::Likely => "!",
        Certainty::Unclear => "~",
        // The enum is `#[non_exhaustive]`.
        _ => "?",
    };
    let by = match change.ratio().filter(|_| relative) {
        // From there on a percentage is hard to read.
        Some(ratio) if ratio >= 10.0 => format!(" ×{ratio:.0}"),
        Some(ratio) => format!(" {:+.0} %", (ratio - 1.0) * 100.0),
        None => String::new(),
    };
    format!(
        "{} → {}{by} {mark}",
        text(change.before),
        text(change.after)
    )
}

fn as_json(comparison: &Comparison) -> Value {
    let series = comparison.series.iter().map(|change| {
        json!({
            "kind": change.series.kind,
            "name": change.series.name,
            "webview": change.series.webview,
            "importance": change.importance,
            "per_second": json::change(&change.per_second, 1.0),
            "error_rate": json::change(&change.error_rate, 1.0),
            "p50_ms": json::change(&change.p50, 1e3),
            "p95_ms": json::change(&change.p95, 1e3),
            "before": change.before.as_ref().map(json::stats),
            "after": change.after.as_ref().map(json::stats),
        })
    });
    json!({
        "seconds_before": comparison.seconds_before,
        "seconds_after": comparison.seconds_after,
        "series": series.collect::<Vec<_>>(),
    })
}
