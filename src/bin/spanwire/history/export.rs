//! `spanwire export`: records as CSV or JSON lines.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use spanwire::history::query::{Filter, HistoryReader, Record};

use super::args::{Export, Format};
use super::{Failure, figures, json, moment, with_reader};
use crate::Outcome;

pub(super) fn run(out: &mut impl Write, options: &Export) -> io::Result<Outcome> {
    with_reader(options.what.file.as_ref(), |history| {
        let filter = options.only.narrow(options.what.filter());
        match &options.output {
            None => {
                export(
                    // Standard output flushes at each line: a million records would be a million
                    // writes.
                    &mut BufWriter::new(&mut *out),
                    history,
                    &filter,
                    options.format,
                    // Where records themselves are shown, their number would be in between.
                    !io::stdout().is_terminal(),
                )?;
            }
            Some(path) => {
                let exported = to_file(path, history, &filter, options.format)?;
                writeln!(
                    out,
                    "{} records in {}",
                    figures::whole(exported),
                    path.display()
                )?;
            }
        }
        Ok(Outcome::Good)
    })
}

fn to_file(
    path: &Path,
    history: &HistoryReader,
    filter: &Filter,
    format: Format,
) -> Result<u64, Failure> {
    let named = |error: io::Error| {
        let text = format!("{} cannot be written: {error}", path.display());
        Failure::of(io::Error::new(error.kind(), text))
    };
    // An existing file is never overwritten: it may be the history itself.
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = BufWriter::new(file.map_err(named)?);
    let exported = match export(&mut file, history, filter, format, true) {
        // `main` would call it the answer, and name no file.
        Err(Failure::Output(error)) => Err(named(error)),
        done => done,
    };
    if exported.is_err() {
        // Half of the records would pass for all of them. What waits in the buffer has no place.
        drop(file.into_parts());
        let _ = std::fs::remove_file(path);
    }
    exported
}

fn export(
    out: &mut impl Write,
    history: &HistoryReader,
    filter: &Filter,
    format: Format,
    told: bool,
) -> Result<u64, Failure> {
    let progress = told && io::stderr().is_terminal();
    if format == Format::Csv {
        out.write_all(COLUMNS.join(",").as_bytes())?;
        // RFC 4180's line end, whatever the system's is.
        out.write_all(b"\r\n")?;
    }
    let mut exported = 0;
    // One at a time: a history may be larger than the memory.
    for record in history.records(filter)? {
        let record = record?;
        match format {
            Format::Csv => csv_line(out, &record)?,
            Format::Jsonl => writeln!(out, "{}", json::record(&record))?,
        }
        exported += 1;
        if progress && exported % PROGRESS_EVERY == 0 {
            let _ = write!(io::stderr(), "\r{} records", figures::whole(exported));
        }
    }
    // `BufWriter` ignores errors when it is dropped.
    out.flush()?;
    if progress && exported >= PROGRESS_EVERY {
        let _ = writeln!(io::stderr(), "\r{} records", figures::whole(exported));
    }
    Ok(exported)
}

/// A line as RFC 4180 has it.
fn csv_line(out: &mut impl Write, record: &Record) -> io::Result<()> {
    let text = |value: &Option<String>| quoted(value.as_deref().unwrap_or_default());
    let stage = |stage: Option<Duration>| stage.map(millis).unwrap_or_default();
    // The length ties the cells to the headings: one without the other does not compile.
    let cells: [String; COLUMNS.len()] = [
        record.id.to_string(),
        quoted(&record.series.kind),
        quoted(&record.series.name),
        quoted(&record.series.webview),
        quoted(&record.service),
        quoted(record.version.as_deref().unwrap_or_default()),
        moment::shown(record.started_at),
        millis(record.duration),
        quoted(&record.outcome),
        text(&record.error_type),
        text(&record.slow),
        stage(record.stages.page_wait),
        stage(record.stages.transit),
        stage(record.stages.queue_wait),
        stage(record.stages.handler),
        stage(record.stages.response),
        record.size.map(|size| size.to_string()).unwrap_or_default(),
        text(&record.thread),
        text(&record.trace_id),
        text(&record.context),
        record.weight.to_string(),
    ];
    out.write_all(cells.join(",").as_bytes())?;
    out.write_all(b"\r\n")
}

fn millis(duration: Duration) -> String {
    (duration.as_nanos() as f64 / 1e6).to_string()
}

/// A cell with text of the app's or the page's. A spreadsheet takes one that begins with `=` and
/// the like for a formula, and runs it; an apostrophe before it makes it a text.
fn quoted(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let escape = if formula { "'" } else { "" };
    if formula || text.contains([',', '"', '\r', '\n']) {
        format!("\"{escape}{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

const COLUMNS: [&str; 21] = [
    "id",
    "kind",
    "name",
    "webview",
    "service",
    "version",
    "timestamp",
    "duration_ms",
    "outcome",
    "error_type",
    "slow",
    "page_wait_ms",
    "transit_ms",
    "queue_wait_ms",
    "handler_ms",
    "response_ms",
    "size",
    "thread",
    "trace_id",
    "context",
    "weight",
];
const PROGRESS_EVERY: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cell_is_quoted_where_it_must_be_and_never_a_formula() {
        for (text, cell) in [
            ("save", "save"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("a\nb", "\"a\nb\""),
            ("=1+1", "\"'=1+1\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("a=b", "a=b"),
        ] {
            assert_eq!(quoted(text), cell);
        }
    }
}
