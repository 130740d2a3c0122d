//! Several processes with one file, and processes that are killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use spanwire::history::History;
use spanwire::timer::operation;
use spanwire_testkit::child_process;

use crate::app::{DEADLINE, builder, number, place, sql};

const FILE: &str = "SPANWIRE_TEST_FILE";
const COUNT: &str = "SPANWIRE_TEST_COUNT";
/// How often the test kills; `make test-history-kills` asks for a hundred times.
const KILLS: &str = "SPANWIRE_TEST_KILLS";

/// The process that others start: it writes a fixed number of records and ends.
#[test]
fn process_that_writes() {
    let (Ok(path), Ok(count)) = (std::env::var(FILE), std::env::var(COUNT)) else {
        return;
    };
    let telemetry = builder(Path::new(&path)).install().unwrap();
    assert!(
        telemetry.warnings().is_empty(),
        "{:?}",
        telemetry.warnings()
    );
    let work = operation("shared work");
    for n in 0..count.parse::<u32>().unwrap() {
        work.monitor().time(|| ());
        if n % 50 == 0 {
            telemetry.history().unwrap().flush(DEADLINE).unwrap();
        }
    }
    let report = telemetry.shutdown(DEADLINE).history.unwrap();
    assert_eq!(report.dropped, 0, "{report}");
}

#[test]
fn two_processes_write_one_file_and_nothing_is_lost() {
    let (_folder, path) = place("shared");
    let children: Vec<Child> = (0..2)
        .map(|_| {
            child_process::command("processes::process_that_writes")
                .env(FILE, &path)
                .env(COUNT, "1000")
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(sql(&path, "PRAGMA integrity_check"), "ok");
    let sums = "SELECT sum(count) FROM rollup JOIN series ON id = series_id \
                WHERE name = 'shared work'";
    assert_eq!(number(&path, sums), 2_000.0);
    assert_eq!(
        number(&path, "SELECT count(*) FROM session WHERE ended_at > 0"),
        2.0
    );
    let series = "SELECT count(*) FROM series WHERE name = 'shared work'";
    assert_eq!(number(&path, series), 1.0);
}

/// The process that is killed: it records as fast as the disk and its parent take it, and says when
/// each thousandth record was.
#[test]
#[allow(clippy::print_stdout, reason = "the parent reads it")]
fn process_that_is_killed() {
    if std::env::var_os(COUNT).is_some() {
        return;
    }
    let Ok(path) = std::env::var(FILE) else {
        return;
    };
    // No row of a hundred runs goes, so that rows and sums can be compared.
    let history = History::options(path)
        .records_per_second(1_000_000)
        .max_bytes(4 << 30)
        .open()
        .unwrap();
    println!("\ntold {}", history.report().unclean_end.is_some());
    let work = operation("killed work");
    for n in 0_u64.. {
        work.monitor().time(|| ());
        if n % 100 == 0 {
            println!("\nat {}", nanos_now());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    drop(history);
}

#[test]
fn a_killed_process_leaves_a_sound_file_that_lacks_at_most_the_last_second() {
    let kills = std::env::var(KILLS).map_or(10, |kills| kills.parse().unwrap());
    let (_folder, path) = place("killed");
    for kill in 0..kills {
        let mut command = child_process::command("processes::process_that_is_killed");
        let mut running = Running::start(command.env(FILE, &path));
        // Each time at another moment between two writes.
        running.run_for(Duration::from_millis(700 + 37 * (kill % 20)));
        let Heard {
            first_said,
            last_said,
            held_up,
            told,
        } = running.kill();
        assert_eq!(
            told,
            kill > 0,
            "a start says whether the run before it was killed"
        );
        assert_eq!(sql(&path, "PRAGMA integrity_check"), "ok");
        // Where nothing of this run is there, all of it is lost.
        let last = number(&path, "SELECT coalesce(max(started_at), 0) FROM record") as u64;
        let lost = Duration::from_nanos(last_said.saturating_sub(last.max(first_said)));
        // The writer may be held up as the process was that it belongs to.
        assert!(
            lost <= Duration::from_secs(1) + held_up,
            "{lost:?} are lost"
        );
        let looked = number(&path, "SELECT coalesce(max(taken_at), 0) FROM flight") as u64;
        let ago = Duration::from_nanos(last_said.saturating_sub(looked.max(first_said)));
        // It looks each second, and a busy machine may keep it from that for a moment.
        assert!(
            ago <= Duration::from_secs(2) + held_up,
            "the last state is {ago:?} old"
        );
        let same = "SELECT (SELECT sum(weight) FROM record) = (SELECT sum(count) FROM rollup)";
        assert_eq!(sql(&path, same), "1", "rows and sums are written together");
    }
    let sessions = number(&path, "SELECT count(*) FROM session WHERE ended_at IS NULL");
    assert_eq!(sessions, kills as f64);
    let told = "SELECT count(*) FROM run WHERE reported_at IS NOT NULL";
    assert_eq!(number(&path, told), kills as f64 - 1.0);
    let kept = "SELECT count(DISTINCT session_id) <= 11 FROM flight";
    assert_eq!(
        sql(&path, kept),
        "1",
        "the last minutes of ten runs are kept"
    );
}

/// A process and the last time that it said.
struct Running {
    child: Child,
    last: Arc<Mutex<u64>>,
    /// The longest that it did not run, as two times that it said one after the other tell.
    held_up: Arc<Mutex<u64>>,
    told: Arc<Mutex<bool>>,
    reader: JoinHandle<()>,
    first: u64,
}

/// What a process said until it was killed.
struct Heard {
    first_said: u64,
    last_said: u64,
    held_up: Duration,
    /// Whether it was told of a run before.
    told: bool,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let last = Arc::new(Mutex::new(0));
        let held_up = Arc::new(Mutex::new(0));
        let told = Arc::new(Mutex::new(false));
        let (heard, heard_told) = (Arc::clone(&last), Arc::clone(&told));
        let longest = Arc::clone(&held_up);
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(at) = line.strip_prefix("at ") {
                    let at: u64 = at.parse().unwrap();
                    let before = std::mem::replace(&mut *heard.lock().unwrap(), at);
                    if before > 0 {
                        let mut longest = longest.lock().unwrap();
                        *longest = at.saturating_sub(before).max(*longest);
                    }
                }
                if line == "told true" {
                    *heard_told.lock().unwrap() = true;
                }
            }
        });
        Self {
            child,
            last,
            held_up,
            told,
            reader,
            first: 0,
        }
    }

    /// Until it has recorded for that long.
    fn run_for(&mut self, time: Duration) {
        loop {
            let last = *self.last.lock().unwrap();
            if self.first == 0 {
                self.first = last;
            }
            if u128::from(last - self.first) >= time.as_nanos() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn kill(mut self) -> Heard {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reader.join().unwrap();
        let held_up = Duration::from_nanos(*self.held_up.lock().unwrap());
        Heard {
            first_said: self.first,
            last_said: *self.last.lock().unwrap(),
            held_up,
            told: *self.told.lock().unwrap(),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the clock that all processes share"
)]
fn nanos_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_nanos()).unwrap()
}
