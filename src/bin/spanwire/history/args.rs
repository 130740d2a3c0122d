//! What is asked of a history, on the command line.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand, ValueEnum};
use spanwire::history::query::Filter;

use super::moment::{Period, ago, duration, moment};

/// `spanwire history …`
#[derive(Debug, Subcommand)]
pub(crate) enum History {
    #[command(flatten)]
    Query(Query),
    /// Makes a history of an old system's metrics.db, which stays as it is
    #[command(after_help = "Examples:
  spanwire history import metrics.db history.db")]
    Import(Import),
}

/// The questions, which need not have `history` before them.
#[derive(Debug, Subcommand)]
pub(crate) enum Query {
    /// The slowest of a history's slow records: when, why, and their longest stage
    #[command(after_help = "Examples:
  spanwire slow history.db --since 1h
  spanwire slow history.db --name 'save*' --limit 5 --json")]
    Slow(Slow),
    /// Each operation, call and event of a history in numbers: rate, errors, quantiles
    #[command(after_help = "Examples:
  spanwire stats history.db --since 1d
  spanwire stats history.db --name save --bucket 1h
  SPANWIRE_HISTORY=history.db spanwire stats --failed --json")]
    Stats(Stats),
    /// What changed from one period, version or file to another, and how surely
    #[command(after_help = "Examples:
  spanwire compare history.db --at 2h                          the two hours until now with the two before
  spanwire compare history.db --before 2d..1d --after 1d..
  spanwire compare history.db --before-version 1.2.0 --after-version 1.3.0
  spanwire compare before.db after.db --name 'save*'")]
    Compare(Compare),
    /// The records of a history as CSV or JSON lines
    #[command(after_help = "Examples:
  spanwire export history.db --since 1h > records.csv
  spanwire export history.db --format jsonl --output records.jsonl --failed")]
    Export(Export),
    /// Deletes what is old from a history
    #[command(after_help = "Examples:
  spanwire clean history.db --older-than 7d --dry-run
  spanwire clean history.db --older-than 30d --rollups")]
    Clean(Clean),
}

/// Which file, and what in it.
#[derive(Debug, Args)]
pub(crate) struct What {
    /// The history's file [default: SPANWIRE_HISTORY]
    pub(super) file: Option<PathBuf>,

    #[command(flatten)]
    pub(super) which: Which,

    /// From this time on: 30s, 15m, 2h, 7d, 4w ago, or 2026-11-29T18:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<SystemTime>,

    /// Until this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<SystemTime>,

    /// Only of this version of the app
    #[arg(long, value_name = "VERSION")]
    app_version: Option<String>,
}

/// Which series.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Only of this name; * stands for any characters, ? for one
    #[arg(long, value_name = "PATTERN")]
    name: Option<String>,

    /// Only of this kind
    // A list, so that a misspelt kind is refused and does not match nothing.
    #[arg(long, value_name = "KIND", value_parser = KINDS)]
    kind: Option<String>,

    /// Only of this webview
    #[arg(long, value_name = "NAME")]
    webview: Option<String>,

    /// At most this many
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct Slow {
    #[command(flatten)]
    pub(super) what: What,
    /// Only records that also failed
    #[arg(long)]
    pub(super) failed: bool,
    /// JSON instead of a table
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Stats {
    #[command(flatten)]
    pub(super) what: What,
    #[command(flatten)]
    pub(super) only: Only,
    /// A line for each period of this length: 1m, 1h, 1d
    #[arg(long, value_name = "LENGTH", value_parser = duration)]
    pub(super) bucket: Option<Duration>,
    /// JSON instead of a table
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Only {
    /// Only slow records
    #[arg(long)]
    slow: bool,
    /// Only failed records
    #[arg(long)]
    failed: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// The file, or the one before and the one after [default: SPANWIRE_HISTORY]
    #[arg(value_name = "FILE", num_args = 0..=2)]
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) which: Which,
    /// Compares the time since this moment with an equally long time before it
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with_all = ["before", "after"])]
    pub(super) at: Option<SystemTime>,
    /// The period before: START..END, either of which may be missing
    #[arg(long, value_name = "PERIOD")]
    pub(super) before: Option<Period>,
    /// The period after
    #[arg(long, value_name = "PERIOD")]
    pub(super) after: Option<Period>,
    /// The app's version before
    #[arg(long, value_name = "VERSION")]
    pub(super) before_version: Option<String>,
    /// The app's version after
    #[arg(long, value_name = "VERSION")]
    pub(super) after_version: Option<String>,
    /// JSON instead of a table
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(super) what: What,
    #[command(flatten)]
    pub(super) only: Only,
    /// The format
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    pub(super) format: Format,
    /// The file to write, which must not exist [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// RFC 4180, safe to open in a spreadsheet
    Csv,
    /// A JSON object on each line
    Jsonl,
}

#[derive(Debug, Args)]
pub(crate) struct Clean {
    /// The history's file [default: SPANWIRE_HISTORY]
    pub(super) file: Option<PathBuf>,
    /// Deletes records older than this: 12h, 7d, 4w
    #[arg(long, value_name = "AGE", value_parser = ago)]
    pub(super) older_than: SystemTime,
    /// Deletes the roll-ups too, and so the old statistics
    #[arg(long)]
    pub(super) rollups: bool,
    /// Prints what it would delete, and deletes nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The old system's file
    pub(super) old: PathBuf,
    /// The history to make, which must not exist
    pub(super) new: PathBuf,
}

impl What {
    pub(super) fn filter(&self) -> Filter {
        let mut filter = self.which.filter();
        if let Some(since) = self.since {
            filter = filter.since(since);
        }
        if let Some(until) = self.until {
            filter = filter.until(until);
        }
        if let Some(version) = &self.app_version {
            filter = filter.version(version);
        }
        filter
    }

    /// With a limit where none is given.
    pub(super) fn filter_up_to(&self, limit: usize) -> Filter {
        self.filter().limit(self.which.limit.unwrap_or(limit))
    }
}

impl Which {
    pub(super) fn filter(&self) -> Filter {
        let mut filter = Filter::new();
        if let Some(name) = &self.name {
            filter = filter.name(name);
        }
        if let Some(kind) = &self.kind {
            filter = filter.kind(kind);
        }
        if let Some(webview) = &self.webview {
            filter = filter.webview(webview);
        }
        if let Some(limit) = self.limit {
            filter = filter.limit(limit);
        }
        filter
    }
}

impl Only {
    pub(super) fn narrow(&self, mut filter: Filter) -> Filter {
        if self.slow {
            filter = filter.slow_only();
        }
        if self.failed {
            filter = filter.failed_only();
        }
        filter
    }
}

const KINDS: [&str; 9] = [
    "operation",
    "current_operation",
    "call",
    "event_in",
    "event_out",
    "reply",
    "startup",
    "page_load",
    "page_error",
];
