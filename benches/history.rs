//! How long questions to a history of ten million records and a report of it take, and how large the
//! file of an app becomes that records so many: `make bench-history`.
//!
//! It writes the file first, unless `SPANWIRE_BENCH_HISTORY` names one that it wrote earlier: a week
//! of 20 series, half of them calls, each record in its roll-up. Each question is asked of a file that
//! is open, five times; the first and the median are shown. A report of the whole week is written
//! three times. Then ten million operations go through a history with
//! the default bound, which keeps the newest of them and the sums of all. It fails when a median is
//! above its target, or a file above its bound.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it is run by hand"
)]
#![allow(clippy::disallowed_methods, reason = "it measures by the real clock")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2Serializer};
use rusqlite::{Connection, params};
use spanwire::history::query::{Filter, HistoryReader, compare};
use spanwire::history::report::ReportOptions;
use spanwire::history::{History, SCHEMA};
use spanwire::timer::operation;

/// Asks, and says how many rows answered.
type Question<'a> = Box<dyn Fn() -> usize + 'a>;

fn main() {
    let named = std::env::var_os("SPANWIRE_BENCH_HISTORY").map(PathBuf::from);
    let path = named.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("spanwire-bench-{}.db", std::process::id()))
    });
    if !path.exists() {
        let started = Instant::now();
        write(&path);
        println!("written in {:.0} s", started.elapsed().as_secs_f64());
    }
    let bytes = std::fs::metadata(&path).unwrap().len();
    println!("{} MiB", bytes >> 20);
    let slowest = ask(&path);
    let (report, report_bytes) = write_report(&path);
    if named.is_none() {
        std::fs::remove_file(&path).unwrap();
    }
    let folder = std::env::temp_dir().join(format!("spanwire-bench-{}", std::process::id()));
    let largest = record(&folder.join("history.db"));
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(slowest < TARGET, "{slowest:?} is above {TARGET:?}");
    assert!(largest <= BOUND, "{largest} bytes are above {BOUND}");
    assert!(
        report < REPORT_TARGET,
        "{report:?} is above {REPORT_TARGET:?}"
    );
    assert!(
        report_bytes <= REPORT_BOUND,
        "{report_bytes} bytes are above {REPORT_BOUND}"
    );
}

/// Records ten million operations, and returns the largest size of the file with what is beside it.
fn record(path: &Path) -> u64 {
    let started = Instant::now();
    let history = History::options(path)
        .max_bytes(BOUND)
        .records_per_second(u32::MAX)
        .open()
        .unwrap();
    let operations: Vec<_> = (0..SERIES).map(|n| operation(&format!("op{n}"))).collect();
    let mut random = Random(1);
    let mut largest = 0;
    for n in 0..RECORDS {
        let duration = Duration::from_nanos(10_000 + random.below(90_000));
        operations[random.below(SERIES) as usize].record(duration, true);
        // Less than the queue holds.
        if n % 8_000 == 0 {
            history.flush(DEADLINE).unwrap();
            largest = largest.max(size(path));
        }
    }
    let report = history.shutdown(DEADLINE);
    largest = largest.max(size(path));
    assert_eq!((report.written, report.dropped), (RECORDS, 0), "{report}");
    let asked = Instant::now();
    let reader = HistoryReader::open(path).unwrap();
    let stats = reader.stats(&Filter::new()).unwrap();
    let counted: u64 = stats.iter().map(|of| of.count).sum();
    assert_eq!(counted, RECORDS, "the sums are of all");
    println!(
        "{counted} operations recorded in {:.0} s: {} MiB at most, of {} MiB; their stats took {:.0} ms",
        asked.duration_since(started).as_secs_f64(),
        largest >> 20,
        BOUND >> 20,
        asked.elapsed().as_secs_f64() * 1e3
    );
    largest
}

/// The database, its log and its index, together.
fn size(path: &Path) -> u64 {
    let folder = std::fs::read_dir(path.parent().unwrap()).unwrap();
    let lens = folder.map(|entry| entry.unwrap().metadata().unwrap().len());
    lens.sum()
}

/// Asks all, and returns the slowest median.
fn ask(path: &Path) -> Duration {
    let reader = HistoryReader::open(path).unwrap();
    let at = |hours: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(BEGIN + hours * 3_600 + 17);
    let all = Filter::new();
    let week = (all.clone().until(at(84)), all.clone().since(at(84)));
    let days = (
        all.clone().since(at(96)).until(at(120)),
        all.clone().since(at(120)).until(at(144)),
    );
    let compared = |sides: &(Filter, Filter)| {
        compare((&reader, &sides.0), (&reader, &sides.1))
            .unwrap()
            .series
            .len()
    };
    let slow = |filter: Filter| reader.slow(&filter.limit(20)).unwrap().len();
    let stats = |filter: &Filter| reader.stats(filter).unwrap().len();
    let questions: Vec<(&str, Question<'_>)> = vec![
        ("stats, the week", Box::new(|| stats(&all))),
        (
            "stats, a day",
            Box::new(|| stats(&all.clone().since(at(144)))),
        ),
        (
            "stats, one name",
            Box::new(|| stats(&all.clone().name("op7"))),
        ),
        (
            "stats, the failed of the week",
            Box::new(|| stats(&all.clone().failed_only())),
        ),
        (
            "trend, by the hour, one name",
            Box::new(|| {
                let hour = Duration::from_secs(3_600);
                reader.trend(&all.clone().name("op7"), hour).unwrap().len()
            }),
        ),
        ("slow, the week", Box::new(|| slow(all.clone()))),
        (
            "slow, a day, one name",
            Box::new(|| slow(all.clone().since(at(144)).name("op7"))),
        ),
        ("compare, half a week each", Box::new(|| compared(&week))),
        ("compare, a day each", Box::new(|| compared(&days))),
    ];
    let mut slowest = Duration::ZERO;
    for (name, question) in &questions {
        let mut times = Vec::new();
        let mut found = 0;
        for _ in 0..5 {
            let started = Instant::now();
            found = question();
            times.push(started.elapsed());
        }
        let first = times[0];
        times.sort();
        slowest = slowest.max(times[2]);
        println!(
            "{name:32} {:7.0} ms first, {:7.0} ms median, {found} found",
            first.as_secs_f64() * 1e3,
            times[2].as_secs_f64() * 1e3
        );
    }
    slowest
}

/// Writes a report of all, and returns the median of the times that it took, and its size.
fn write_report(path: &Path) -> (Duration, u64) {
    let out = path.with_extension("zip");
    let mut times = Vec::new();
    let mut bytes = 0;
    for _ in 0..3 {
        let started = Instant::now();
        ReportOptions::new().write(path, &out).unwrap();
        times.push(started.elapsed());
        bytes = std::fs::metadata(&out).unwrap().len();
        std::fs::remove_file(&out).unwrap();
    }
    let first = times[0];
    times.sort();
    println!(
        "{:32} {:7.0} ms first, {:7.0} ms median, {} KiB",
        "report, the week",
        first.as_secs_f64() * 1e3,
        times[1].as_secs_f64() * 1e3,
        bytes >> 10
    );
    (times[1], bytes)
}

/// Writes the file: in the order of time, as an app does.
fn write(path: &Path) {
    let mut file = Connection::open(path).unwrap();
    file.execute_batch("PRAGMA journal_mode = off; PRAGMA synchronous = off")
        .unwrap();
    let whole = file.transaction().unwrap();
    whole.execute_batch(SCHEMA).unwrap();
    whole.pragma_update(None, "user_version", 1).unwrap();
    whole
        .execute(
            "INSERT INTO session VALUES (1, 'bench', '1.0', 'i', 1, 0, 0, NULL)",
            [],
        )
        .unwrap();
    for series in 0..SERIES {
        let name = format!("op{series}");
        let (kind, webview) = match series < SERIES / 2 {
            true => ("operation", ""),
            false => ("call", "main"),
        };
        whole
            .execute(
                "INSERT INTO series VALUES (?, ?, ?, ?)",
                params![series.cast_signed(), kind, name, webview],
            )
            .unwrap();
    }
    let mut record = whole
        .prepare(
            "INSERT INTO record (session_id, series_id, started_at, duration, outcome, slow, \
             handler) VALUES (1, ?, ?, ?, ?, ?, ?)",
        )
        .unwrap();
    let mut rollup = whole
        .prepare("INSERT INTO rollup VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .unwrap();
    let mut random = Random(1);
    let mut written = 0;
    for minute in 0..MINUTES {
        // Each minute has its share of the ten million.
        let until = RECORDS * (minute + 1) / MINUTES;
        let many = until - written;
        let mut sums: Vec<Sum> = (0..SERIES).map(|_| Sum::new()).collect();
        for n in 0..many {
            let series = random.below(SERIES) as usize;
            let at = (BEGIN + minute * 60) * 1_000_000_000 + n * (60_000_000_000 / many);
            // From 10 µs to 1 s, most of them short.
            let duration =
                10_000 * 10_u64.pow(u32::try_from(random.below(5)).unwrap()) + random.below(90_000);
            let failed = random.below(100) == 0;
            let slow = duration >= 100_000_000 && random.below(20) == 0;
            record
                .execute(params![
                    series as i64,
                    at.cast_signed(),
                    duration.cast_signed(),
                    if failed { "error" } else { "ok" },
                    slow.then_some("threshold"),
                    (duration / 2).cast_signed(),
                ])
                .unwrap();
            sums[series].add(duration, failed, slow);
        }
        written = until;
        for (series, sum) in sums.iter().enumerate().filter(|(_, sum)| sum.count > 0) {
            rollup
                .execute(params![
                    (BEGIN / 60 + minute).cast_signed(),
                    series as i64,
                    sum.count,
                    sum.errors,
                    sum.slow,
                    sum.sum,
                    sum.sketch.min().cast_signed() * 1_000,
                    sum.sketch.max().cast_signed() * 1_000,
                    sum.encoded(),
                ])
                .unwrap();
        }
    }
    drop((record, rollup));
    whole.commit().unwrap();
    println!("{written} records");
}

struct Sum {
    count: i64,
    errors: i64,
    slow: i64,
    sum: i64,
    sketch: Histogram<u64>,
}

impl Sum {
    fn new() -> Self {
        let mut sketch = Histogram::new_with_bounds(1, 2, 2).unwrap();
        sketch.auto(true);
        Self {
            count: 0,
            errors: 0,
            slow: 0,
            sum: 0,
            sketch,
        }
    }

    fn add(&mut self, duration: u64, failed: bool, slow: bool) {
        self.count += 1;
        self.errors += i64::from(failed);
        self.slow += i64::from(slow);
        self.sum += duration.cast_signed();
        self.sketch.record((duration + 500) / 1_000).unwrap();
    }

    fn encoded(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        V2Serializer::new()
            .serialize(&self.sketch, &mut bytes)
            .unwrap();
        bytes
    }
}

/// The same numbers in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

const RECORDS: u64 = 10_000_000;
const MINUTES: u64 = 7 * 24 * 60;
const SERIES: u64 = 20;
/// 2026-11-22T00:00:00Z
const BEGIN: u64 = 1_795_305_600;
const TARGET: Duration = Duration::from_secs(1);
const REPORT_TARGET: Duration = Duration::from_secs(10);
const REPORT_BOUND: u64 = 5_000_000;
/// The default.
const BOUND: u64 = 256 << 20;
const DEADLINE: Duration = Duration::from_secs(60);
