//! Histories as an app writes them: by the schema and plain inserts.

use std::path::PathBuf;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2Serializer};
use rusqlite::{Connection, params};
use spanwire::history::SCHEMA;
use spanwire_testkit::folder::Folder;
pub(crate) use spanwire_testkit::zip_file::{text_in, unzipped};

pub(crate) const MS: i64 = 1_000_000;
pub(crate) const SECOND: i64 = 1_000 * MS;
/// 2026-11-29T12:00:00Z.
pub(crate) const BEGIN: i64 = 1_795_953_600 * SECOND;
pub(crate) const SESSION: i64 = 0x5eed;

/// A record; stages in milliseconds: page_wait, transit, queue_wait, handler, response.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) at_ms: i64,
    pub(crate) took_ms: i64,
    pub(crate) outcome: &'static str,
    pub(crate) error: Option<&'static str>,
    pub(crate) stages: [Option<i64>; 5],
    pub(crate) size: Option<i64>,
    pub(crate) thread: &'static str,
    pub(crate) context: Option<&'static str>,
    pub(crate) slow: bool,
}

impl Row {
    pub(crate) fn new(kind: &'static str, name: &str, at_ms: i64, took_ms: i64) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            at_ms,
            took_ms,
            outcome: "ok",
            error: None,
            stages: [None; 5],
            size: None,
            thread: "worker",
            context: None,
            slow: false,
        }
    }

    /// A call with all of its stages, of which the handler takes what is left.
    pub(crate) fn call(name: &str, at_ms: i64, took_ms: i64) -> Self {
        Self {
            stages: [
                Some(1),
                Some(1),
                Some(1),
                Some((took_ms - 4).max(0)),
                Some(1),
            ],
            ..Self::new("call", name, at_ms, took_ms)
        }
    }

    /// An event to the page: how long it waited, and how long the listeners took.
    pub(crate) fn event_out(name: &str, at_ms: i64, wait: i64, listeners: i64) -> Self {
        Self {
            stages: [None, Some(1), Some(wait), Some(listeners), Some(1)],
            size: Some(100),
            ..Self::new("event_out", name, at_ms, wait + listeners + 2)
        }
    }
}

/// A history that is written row by row.
pub(crate) struct Synthetic {
    folder: Folder,
    pub(crate) connection: Connection,
}

impl Synthetic {
    pub(crate) fn new(name: &str) -> Self {
        let folder = Folder::new(&format!("report-{name}"));
        let connection = Connection::open(folder.path().join("history.db")).unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        connection
            .execute_batch(
                "PRAGMA application_id = 0x53505752; PRAGMA user_version = 1; \
                 PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;",
            )
            .unwrap();
        let this = Self { folder, connection };
        this.session(SESSION, BEGIN, BEGIN + 600 * SECOND);
        this
    }

    pub(crate) fn session(&self, id: i64, from: i64, to: i64) {
        let sql =
            "INSERT INTO session VALUES (?, 'paint-tool', '1.2.0', 'instance', 4242, ?, ?, ?)";
        self.connection
            .execute(sql, params![id, from, to, to])
            .unwrap();
    }

    /// A minute of the CPU profile of a thread: stacks with their samples, and samples in none.
    pub(crate) fn profile(&self, thread: &str, stacks: &[(u64, &[&str])], left_out: u64) {
        let mut functions: Vec<&str> = Vec::new();
        let mut rows = Vec::new();
        for (samples, stack) in stacks {
            let mut row = vec![*samples];
            for name in *stack {
                let known = functions.iter().position(|is| is == name);
                let place = known.unwrap_or_else(|| {
                    functions.push(name);
                    functions.len() - 1
                });
                row.push(place as u64);
            }
            rows.push(row);
        }
        let samples: u64 = stacks.iter().map(|(samples, _)| samples).sum();
        let json = serde_json::json!({"functions": functions, "stacks": rows});
        let sql = "INSERT INTO profile VALUES (?, ?, ?, ?, ?, ?, ?)";
        let (from, to) = (BEGIN + SECOND, BEGIN + 61 * SECOND);
        let (all, left_out) = ((samples + left_out) as i64, left_out as i64);
        let row = params![SESSION, from, to, thread, all, left_out, json.to_string()];
        self.connection.execute(sql, row).unwrap();
    }

    pub(crate) fn history(&self) -> PathBuf {
        self.file("history.db")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn series(&self, kind: &str, name: &str, webview: &str) -> i64 {
        let key = params![kind, name, webview];
        let sql = "INSERT OR IGNORE INTO series (kind, name, webview) VALUES (?, ?, ?)";
        self.connection.execute(sql, key).unwrap();
        let sql = "SELECT id FROM series WHERE kind = ? AND name = ? AND webview = ?";
        self.connection
            .query_row(sql, key, |row| row.get(0))
            .unwrap()
    }

    /// Writes the rows, and the roll-ups of their minutes.
    pub(crate) fn write(&self, rows: &[Row]) {
        self.connection.execute_batch("BEGIN").unwrap();
        for (number, row) in rows.iter().enumerate() {
            let webview = if matches!(row.kind, "operation" | "startup") {
                ""
            } else {
                "main"
            };
            let series = self.series(row.kind, &row.name, webview);
            let stages = row.stages.map(|stage| stage.map(|ms| ms * MS));
            let trace = [&[7_u8; 12][..], &(number as u32 + 1).to_be_bytes()].concat();
            self.connection
                .prepare_cached(
                    "INSERT INTO record (session_id, series_id, started_at, duration, outcome, \
                     error_type, slow, page_wait, transit, queue_wait, handler, response, size, \
                     thread, trace_id, context, weight) \
                     VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,1)",
                )
                .unwrap()
                .execute(params![
                    SESSION,
                    series,
                    BEGIN + row.at_ms * MS,
                    row.took_ms * MS,
                    row.outcome,
                    row.error,
                    (row.slow
                        || row.took_ms >= 100 && row.kind != "operation" && row.kind != "startup")
                        .then_some("threshold"),
                    stages[0],
                    stages[1],
                    stages[2],
                    stages[3],
                    stages[4],
                    row.size,
                    row.thread,
                    trace,
                    row.context,
                ])
                .unwrap();
        }
        self.connection.execute_batch("COMMIT").unwrap();
        self.roll_up();
    }

    /// Makes the roll-ups of all records anew.
    fn roll_up(&self) {
        // By series and minute: how long each took, and whether it failed and was slow.
        type Sums = std::collections::BTreeMap<(i64, i64), Vec<(i64, bool, bool)>>;
        let mut sums: Sums = std::collections::BTreeMap::new();
        let mut records = self
            .connection
            .prepare("SELECT series_id, started_at, duration, outcome, slow FROM record")
            .unwrap();
        let mut rows = records.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let (series, at): (i64, i64) = (row.get(0).unwrap(), row.get(1).unwrap());
            let outcome: String = row.get(3).unwrap();
            let slow: Option<String> = row.get(4).unwrap();
            let one = (row.get(2).unwrap(), outcome != "ok", slow.is_some());
            sums.entry((series, at / (60 * SECOND)))
                .or_default()
                .push(one);
        }
        self.connection
            .execute_batch("DELETE FROM rollup; BEGIN")
            .unwrap();
        for ((series, minute), all) in sums {
            let mut histogram = Histogram::<u64>::new(2).unwrap();
            for (duration, ..) in &all {
                histogram.record((duration / 1_000).max(0) as u64).unwrap();
            }
            let mut sketch = Vec::new();
            V2Serializer::new()
                .serialize(&histogram, &mut sketch)
                .unwrap();
            let durations = || all.iter().map(|(duration, ..)| *duration);
            let count = |which: &dyn Fn(&(i64, bool, bool)) -> bool| {
                all.iter().filter(|one| which(one)).count() as i64
            };
            self.connection
                .execute(
                    "INSERT INTO rollup VALUES (?,?,?,?,?,?,?,?,?)",
                    params![
                        minute,
                        series,
                        all.len() as i64,
                        count(&|one| one.1),
                        count(&|one| one.2),
                        durations().sum::<i64>(),
                        durations().min().unwrap(),
                        durations().max().unwrap(),
                        sketch
                    ],
                )
                .unwrap();
        }
        self.connection.execute_batch("COMMIT").unwrap();
    }

    /// A value each second.
    pub(crate) fn samples(&self, name: &str, part: &str, values: impl Iterator<Item = f64>) {
        let series = self.series("system", name, part);
        for (second, value) in (0..).zip(values) {
            let at = BEGIN + second * SECOND;
            let sql = "INSERT INTO sample VALUES (?, ?, ?, ?)";
            self.connection
                .execute(sql, params![SESSION, series, at, value])
                .unwrap();
        }
    }

    /// Ten healthy minutes: calls, events, operations, a start and steady memory.
    pub(crate) fn healthy(&self) {
        let mut rows = Vec::new();
        for second in 0..600 {
            let at = second * 1_000;
            rows.push(Row::call("save", at + 100, 12));
            rows.push(Row::event_out("tick", at + 200, 2, 1));
            rows.push(Row::new("operation", "load_scene", at + 300, 20));
        }
        for (phase, after) in [
            ("window", 120),
            ("webview", 300),
            ("dom_ready", 600),
            ("first_paint", 900),
        ] {
            rows.push(Row::new("startup", phase, 0, after));
        }
        self.write(&rows);
        self.samples(
            "process.memory.usage",
            "",
            (0..600).map(|n| 2e8 + f64::from(n % 7) * 1e6),
        );
        self.samples("process.cpu.utilization", "", (0..600).map(|_| 0.1));
    }
}

pub(crate) const PARTS: [&str; 4] = ["report.html", "trace.json", "otlp.jsonl", "history.sqlite"];
