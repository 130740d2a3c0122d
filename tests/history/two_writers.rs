//! Two processes that write one file, each record and each write at a moment that the test chooses.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rusqlite::Connection;
use spanwire::history::History;
use spanwire::timer::{Outcome, operation};
use spanwire_testkit::child_process;

use crate::app::{DEADLINE, number, place, sql};

const TEST: &str = "two_writers::process_that_writes_what_it_is_told";
const TOLD: &str = "SPANWIRE_TEST_TOLD";
const NAMES: [&str; 3] = ["save", "load", "draw"];
/// So many a second that each record is kept.
const ALL: u32 = 1_000_000;

/// What one of the two does next.
#[derive(Clone, Debug)]
enum Step {
    /// It records the same run so many times.
    Record {
        writer: usize,
        name: usize,
        nanos: u64,
        ok: bool,
        times: u64,
    },
    Flush(usize),
    /// Both write at once: one of them waits for the other.
    FlushBoth,
    /// It ends, and another run of it begins.
    Restart(usize),
}

fn step() -> impl Strategy<Value = Step> {
    // A run starts as long ago as it took, so these begin in the last three minutes.
    let nanos = prop_oneof![0..2_000_u64, 0..2_000_000_000_u64, 0..180_000_000_000_u64];
    let record = (0..2_usize, 0..NAMES.len(), nanos, any::<bool>(), 1..30_u64);
    prop_oneof![
        6 => record.prop_map(|(writer, name, nanos, ok, times)| Step::Record {
            writer,
            name,
            nanos,
            ok,
            times,
        }),
        2 => (0..2_usize).prop_map(Step::Flush),
        2 => Just(Step::FlushBoth),
        1 => (0..2_usize).prop_map(Step::Restart),
    ]
}

/// Each writer keeps all records, or a few of them with their weights.
fn kept() -> impl Strategy<Value = u32> {
    prop_oneof![Just(ALL), 1..5_u32]
}

/// Runs, failed ones, and nanoseconds, as all of them.
type Sums = BTreeMap<String, (u64, u64, u64)>;

#[test]
fn rollups_of_two_writers_equal_what_both_recorded() {
    // The runner's closure may change nothing of its own.
    let writers = RefCell::new([Writer::start(), Writer::start()]);
    let cases = ([kept(), kept()], prop::collection::vec(step(), 1..30));
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 16,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let result = runner.run(&cases, |(kept, steps)| {
        let (_folder, path) = place("two-writers");
        let recorded = play(&mut writers.borrow_mut(), &path, kept, &steps);
        check(&path, &recorded, kept);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    for writer in writers.into_inner() {
        writer.end();
    }
}

/// Has both do it, and returns what they recorded.
fn play(writers: &mut [Writer; 2], path: &Path, kept: [u32; 2], steps: &[Step]) -> Sums {
    let open = |kept: u32| format!("open {kept} {}", path.display());
    for (writer, kept) in writers.iter_mut().zip(kept) {
        writer.ask(&open(kept));
    }
    let mut recorded = Sums::new();
    for step in steps {
        match *step {
            Step::Record {
                writer,
                name,
                nanos,
                ok,
                times,
            } => {
                let name = NAMES[name];
                writers[writer].ask(&format!("record {name} {nanos} {ok} {times}"));
                let sums = recorded.entry(name.to_owned()).or_default();
                sums.0 += times;
                sums.1 += times * u64::from(!ok);
                sums.2 += times * nanos;
            }
            Step::Flush(writer) => writers[writer].ask("flush"),
            Step::FlushBoth => {
                writers.iter_mut().for_each(|writer| writer.tell("flush"));
                writers.iter_mut().for_each(Writer::hear);
            }
            Step::Restart(writer) => {
                writers[writer].ask("close");
                writers[writer].ask(&open(kept[writer]));
            }
        }
    }
    writers.iter_mut().for_each(|writer| writer.tell("close"));
    writers.iter_mut().for_each(Writer::hear);
    recorded
}

fn check(path: &Path, recorded: &Sums, kept: [u32; 2]) {
    let query = "SELECT name, sum(count), sum(errors), sum(sum) FROM rollup \
                 JOIN series ON id = series_id GROUP BY name ORDER BY name";
    let expected: Vec<String> = recorded
        .iter()
        .map(|(name, (count, errors, sum))| format!("{name}|{count}|{errors}|{sum}"))
        .collect();
    assert_eq!(sql(path, query), expected.join("\n"));
    let file = Connection::open(path).unwrap();
    let mut rollups = file.prepare("SELECT count, sketch FROM rollup").unwrap();
    let mut rollups = rollups.query([]).unwrap();
    while let Some(row) = rollups.next().unwrap() {
        let (count, sketch): (i64, Vec<u8>) = (row.get(0).unwrap(), row.get(1).unwrap());
        let sketch: Histogram<u64> = Deserializer::new().deserialize(&mut &sketch[..]).unwrap();
        assert_eq!(sketch.len(), count.unsigned_abs());
    }
    if kept == [ALL, ALL] {
        // Where each record has its row, each minute is that of its rows.
        let differ = "SELECT count(*) FROM rollup FULL JOIN (SELECT series_id, \
                      started_at / 60000000000 AS minute, count(*) AS n, \
                      sum(outcome NOT IN ('ok', 'cancelled')) AS failed, \
                      sum(slow IS NOT NULL) AS were_slow, sum(duration) AS took, \
                      min(duration) AS least, max(duration) AS most \
                      FROM record GROUP BY 1, 2) USING (series_id, minute) \
                      WHERE (count, errors, slow, sum, min, max) \
                      IS NOT (n, failed, were_slow, took, least, most)";
        assert_eq!(number(path, differ), 0.0);
    }
}

/// The process that the test tells what to do, a line each.
#[test]
#[allow(clippy::print_stdout, reason = "the parent reads it")]
fn process_that_writes_what_it_is_told() {
    if std::env::var_os(TOLD).is_none() {
        return;
    }
    let mut history: Option<History> = None;
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let mut words = line.splitn(3, ' ');
        match words.next().unwrap() {
            "open" => {
                let kept = words.next().unwrap().parse().unwrap();
                let options = History::options(words.next().unwrap());
                history = Some(options.records_per_second(kept).open().unwrap());
            }
            "record" => record(&line),
            "flush" => history.as_ref().unwrap().flush(DEADLINE).unwrap(),
            "close" => {
                let report = history.take().unwrap().shutdown(DEADLINE);
                assert_eq!(report.dropped, 0, "{report}");
            }
            other => panic!("{other}"),
        }
        println!("\ndone");
    }
}

fn record(line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let [_, name, nanos, ok, times] = words[..] else {
        panic!("{line}");
    };
    let duration = Duration::from_nanos(nanos.parse().unwrap());
    let is_ok: bool = ok.parse().unwrap();
    let work = operation(name);
    for _ in 0..times.parse().unwrap() {
        if is_ok {
            work.record(duration, true);
        } else {
            work.record(duration, Outcome::failed("disk_full"));
        }
    }
}

/// A child process that records what the test asks for, line by line.
struct Writer {
    child: Child,
    asked: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl Writer {
    fn start() -> Self {
        let mut child = child_process::command(TEST)
            .env(TOLD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            asked: child.stdin.take().unwrap(),
            said: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn ask(&mut self, line: &str) {
        self.tell(line);
        self.hear();
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.asked, "{line}").unwrap();
    }

    fn hear(&mut self) {
        let mut line = String::new();
        while line != "done\n" {
            line.clear();
            let read = self.said.read_line(&mut line).unwrap();
            assert!(read > 0, "the writer ended");
        }
    }

    fn end(self) {
        let Self {
            mut child, asked, ..
        } = self;
        drop(asked);
        assert!(child.wait().unwrap().success());
    }
}
