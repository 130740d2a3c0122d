//! Files that cannot be used: the app goes on, is told why, and nothing of anybody's is lost.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use spanwire::history::{History, HistoryError};
use spanwire::monitor;
use spanwire::telemetry::Pending;
use spanwire_testkit::child_process::{command, command_after, is_child, run, run_alone};

use crate::app::{DEADLINE, builder, flush, number, place, sql};

/// Tries to open it, in this process alone.
fn open_error(path: &Path) -> HistoryError {
    History::open(path).expect_err("it cannot be used")
}

#[test]
fn what_is_no_history_is_refused_with_its_reason_and_left_as_it_is() {
    run_alone(
        "faults::what_is_no_history_is_refused_with_its_reason_and_left_as_it_is",
        &[],
        || {
            let (folder, path) = place("foreign");
            fs::write(
                &path,
                "a letter, and no database at all: it is longer than a header",
            )
            .unwrap();
            let letter = fs::read(&path).unwrap();
            assert!(matches!(
                open_error(&path),
                HistoryError::NotADatabase { .. }
            ));
            assert_eq!(fs::read(&path).unwrap(), letter);

            let other = folder.path().join("other.db");
            sql(&other, "CREATE TABLE songs (name TEXT)");
            let database = fs::read(&other).unwrap();
            let error = open_error(&other);
            assert!(
                matches!(error, HistoryError::ForeignDatabase { .. }),
                "{error}"
            );
            assert!(
                error.to_string().contains("spanwire history import"),
                "{error}"
            );
            assert_eq!(fs::read(&other).unwrap(), database);
            let files = folder.files();
            assert_eq!(files.len(), 2, "{files:?}");

            // An app that asks for it runs on, and is told.
            let telemetry = builder(&path).install().unwrap();
            let warning = telemetry.warnings()[0].to_string();
            assert!(warning.starts_with("history="), "{warning}");
            assert!(warning.ends_with("is not a database"), "{warning}");
            assert!(telemetry.history().is_none());
            let strict = builder(&path).strict().build();
            assert!(strict.is_err());
        },
    );
}

#[test]
fn a_newer_schema_is_refused_and_left_as_it_is() {
    run_alone(
        "faults::a_newer_schema_is_refused_and_left_as_it_is",
        &[],
        || {
            let (_folder, path) = place("newer");
            History::open(&path).unwrap().shutdown(DEADLINE);
            sql(&path, "PRAGMA user_version = 4711");
            let error = open_error(&path);
            let expected = format!(
                "{} has schema 4711, and this version of Spanwire reads 3: use a newer \
                 Spanwire, or another file",
                path.display()
            );
            assert_eq!(error.to_string(), expected);
            assert_eq!(sql(&path, "PRAGMA user_version"), "4711");
        },
    );
}

#[test]
fn a_file_that_another_process_locks_is_refused() {
    run_alone(
        "faults::a_file_that_another_process_locks_is_refused",
        &[],
        || {
            let (_folder, path) = place("locked");
            History::open(&path).unwrap().shutdown(DEADLINE);
            let mut holder = Command::new("sqlite3")
                .arg(&path)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut said = BufReader::new(holder.stdout.take().unwrap());
            let mut asked = holder.stdin.take().unwrap();
            let lock = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;\nSELECT 'locked';\n";
            asked.write_all(lock.as_bytes()).unwrap();
            let mut line = String::new();
            while !line.contains("locked") {
                line.clear();
                said.read_line(&mut line).unwrap();
            }
            let error = open_error(&path);
            assert!(matches!(error, HistoryError::Locked { .. }), "{error}");
            drop(asked);
            holder.wait().unwrap();
            History::open(&path).unwrap().shutdown(DEADLINE);
        },
    );
}

#[test]
fn what_a_locked_file_does_not_take_until_the_end_counts_as_dropped() {
    run_alone(
        "faults::what_a_locked_file_does_not_take_until_the_end_counts_as_dropped",
        &[],
        || {
            let (_folder, path) = place("locked-end");
            let history = History::open(&path).unwrap();
            monitor("before").time(|| ());
            history.flush(DEADLINE).unwrap();
            let other = Connection::open(&path).unwrap();
            other.execute_batch("BEGIN IMMEDIATE").unwrap();
            (0..3).for_each(|_| monitor("after").time(|| ()));
            let report = history.shutdown(DEADLINE);
            assert_eq!((report.written, report.dropped), (1, 3), "{report}");
            let said = report.to_string();
            assert!(said.contains("is locked by another process"), "{said}");
        },
    );
}

/// Waits until the writer has said that a lock is in its way.
fn until_it_says_locked(history: &History) {
    let until = Instant::now() + DEADLINE;
    let says_locked = || {
        let error = history.report().last_error;
        error.is_some_and(|error| error.contains("is locked by another process"))
    };
    while !says_locked() {
        assert!(Instant::now() < until, "the error is dropped");
        thread::sleep(Duration::from_millis(5));
    }
}

const OPEN_RUNS: &str = "SELECT count(*) FROM session WHERE ended_at IS NULL";

#[test]
fn a_lock_at_the_end_does_not_leave_the_run_open() {
    run_alone(
        "faults::a_lock_at_the_end_does_not_leave_the_run_open",
        &[],
        || {
            let (_folder, path) = place("locked-run");
            let history = History::open(&path).unwrap();
            history.flush(DEADLINE).unwrap();
            let other = Connection::open(&path).unwrap();
            other.execute_batch("BEGIN IMMEDIATE").unwrap();
            let ending = history.clone();
            let ended = thread::spawn(move || ending.shutdown(DEADLINE));
            until_it_says_locked(&history);
            other.execute_batch("COMMIT").unwrap();
            ended.join().unwrap();
            assert_eq!(number(&path, OPEN_RUNS), 0.0);
            assert_eq!(number(&path, "SELECT count(*) FROM flight"), 0.0);
        },
    );
}

#[test]
fn a_lock_at_a_pause_does_not_leave_the_run_open() {
    run_alone(
        "faults::a_lock_at_a_pause_does_not_leave_the_run_open",
        &[],
        || {
            let (_folder, path) = place("locked-pause");
            let telemetry = builder(&path).install().unwrap();
            flush(&telemetry);
            let other = Connection::open(&path).unwrap();
            other.execute_batch("BEGIN IMMEDIATE").unwrap();
            telemetry.pause(Pending::Keep);
            until_it_says_locked(telemetry.history().unwrap());
            other.execute_batch("COMMIT").unwrap();
            let until = Instant::now() + DEADLINE;
            while number(&path, OPEN_RUNS) != 0.0 {
                assert!(Instant::now() < until, "it is tried once");
                thread::sleep(Duration::from_millis(20));
            }
            assert_eq!(number(&path, "SELECT count(*) FROM flight"), 0.0);
        },
    );
}

#[test]
fn a_history_whose_writer_cannot_be_started_leaves_no_open_run() {
    const TEST: &str = "faults::a_history_whose_writer_cannot_be_started_leaves_no_open_run";
    const FILE: &str = "SPANWIRE_TEST_FILE";
    if is_child() {
        let path = PathBuf::from(std::env::var_os(FILE).unwrap());
        let error = open_error(&path);
        assert!(matches!(error, HistoryError::NoThread(_)), "{error}");
        return;
    }
    let (_folder, path) = place("no-thread");
    let mut child = command(TEST);
    // No system has room for such a stack, so it starts no thread. The test itself runs on the
    // first one.
    child.arg("--test-threads=1").env(FILE, &path);
    run(child.env("RUST_MIN_STACK", (1_u64 << 50).to_string()));
    assert_eq!(number(&path, "SELECT count(*) FROM session"), 0.0);
}

#[test]
fn a_damaged_history_is_set_aside_and_a_new_one_begins() {
    run_alone(
        "faults::a_damaged_history_is_set_aside_and_a_new_one_begins",
        &[],
        || {
            let (folder, path) = place("damaged");
            let telemetry = builder(&path).install().unwrap();
            monitor("before").time(|| ());
            telemetry.shutdown(DEADLINE);
            // Everything behind the file's header, which still says what it is.
            let mut bytes = fs::read(&path).unwrap();
            bytes[100..].fill(0xa5);
            fs::write(&path, &bytes).unwrap();

            let telemetry = builder(&path).install().unwrap();
            let warning = telemetry.warnings()[0].to_string();
            assert!(
                warning.contains("it was damaged and is now at "),
                "{warning}"
            );
            monitor("after").time(|| ());
            let report = telemetry.shutdown(DEADLINE).history.unwrap();
            let aside = report.set_aside.unwrap();
            assert_eq!(fs::read(&aside).unwrap(), bytes);
            assert!(is_beside(&aside, &path));
            assert_eq!(sql(&path, "SELECT operation FROM metrics"), "after");
            drop(folder);
        },
    );
}

#[test]
fn a_history_that_is_damaged_while_it_is_written_is_set_aside_with_nothing_lost() {
    run_alone(
        "faults::a_history_that_is_damaged_while_it_is_written_is_set_aside_with_nothing_lost",
        &[],
        || {
            let (_folder, path) = place("damaged-late");
            let telemetry = builder(&path).install().unwrap();
            monitor("before").time(|| ());
            flush(&telemetry);
            // What is in the log goes into the file, so that the damage is not read around.
            sql(&path, "PRAGMA wal_checkpoint(TRUNCATE)");
            let mut bytes = fs::read(&path).unwrap();
            bytes[4_096..].fill(0xa5);
            // Into the same file: a new one would be another.
            let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all(&bytes).unwrap();
            // Another process writes, so that this one reads again.
            monitor("after").time(|| ());
            sql_may_fail(&path, "PRAGMA user_version = 2");
            flush(&telemetry);
            let report = telemetry.shutdown(DEADLINE).history.unwrap();
            assert_eq!(report.dropped, 0, "{report}");
            assert!(is_beside(&report.set_aside.unwrap(), &path));
            assert_eq!(sql(&path, "SELECT operation FROM metrics"), "after");
        },
    );
}

#[test]
fn a_file_that_is_deleted_while_the_app_runs_is_made_again() {
    run_alone(
        "faults::a_file_that_is_deleted_while_the_app_runs_is_made_again",
        &[],
        || {
            let (folder, path) = place("deleted");
            let telemetry = builder(&path).install().unwrap();
            monitor("before").time(|| ());
            flush(&telemetry);
            for file in folder.files() {
                fs::remove_file(file).unwrap();
            }
            monitor("after").time(|| ());
            flush(&telemetry);
            assert_eq!(sql(&path, "SELECT operation FROM metrics"), "after");
        },
    );
}

#[test]
fn without_space_the_app_goes_on_and_what_is_lost_is_counted() {
    const TEST: &str = "faults::without_space_the_app_goes_on_and_what_is_lost_is_counted";
    if !is_child() {
        // A write beyond the limit fails instead of ending the process.
        run(&mut command_after("trap '' XFSZ; ulimit -f 600", TEST));
        return;
    }
    let (_folder, path) = place("space");
    let history = History::options(&path)
        .records_per_second(1_000_000)
        .open()
        .unwrap();
    let mut failed = None;
    for _ in 0..200 {
        for _ in 0..500 {
            monitor("work").time(|| ());
        }
        if let Err(error) = history.flush(DEADLINE) {
            failed = Some(error);
            break;
        }
    }
    let failed = failed.expect("the limit is reached");
    let source = std::error::Error::source(&failed).unwrap().to_string();
    assert!(source.starts_with("the disk has no space left"), "{source}");
    let report = history.shutdown(DEADLINE);
    assert!(report.dropped > 0 && report.written > 0, "{report}");
    assert_eq!(sql(&path, "PRAGMA integrity_check"), "ok");
    let rows = number(&path, "SELECT count(*) FROM record");
    assert_eq!(rows, report.written as f64);
}

#[test]
fn a_file_that_may_not_be_written_is_refused() {
    const TEST: &str = "faults::a_file_that_may_not_be_written_is_refused";
    const FILE: &str = "SPANWIRE_TEST_FILE";
    if is_child() {
        let path = PathBuf::from(std::env::var_os(FILE).unwrap());
        let error = open_error(&path);
        assert!(matches!(error, HistoryError::ReadOnly { .. }), "{error}");
        return;
    }
    let (folder, path) = place("read-only");
    // By the command, so that this process has no history.
    sql(&path, "PRAGMA user_version = 0; VACUUM");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    let is_root = fs::OpenOptions::new().append(true).open(&path).is_ok();
    if !is_root {
        run(command(TEST).env(FILE, &path));
        return;
    }
    // Permissions do not hold for root, so another user tries.
    let mut other = Command::new("setpriv");
    other.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    let child = command(TEST);
    other.arg(child.get_program()).args(child.get_args());
    for (name, value) in child.get_envs() {
        other.env(name, value.unwrap());
    }
    // The test binary may lie where another user does not come; then there is nothing to try.
    match other.env(FILE, &path).output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(stderr.contains("Permission denied"), "{stderr}");
        }
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
    }
}

#[test]
fn a_second_history_in_one_process_is_refused() {
    run_alone(
        "faults::a_second_history_in_one_process_is_refused",
        &[],
        || {
            let (folder, path) = place("second");
            let first = History::open(&path).unwrap();
            let other = folder.path().join("other.db");
            assert!(matches!(open_error(&other), HistoryError::AlreadyOpen));
            assert!(!other.exists());
            first.shutdown(DEADLINE);
            History::open(&other).unwrap().shutdown(DEADLINE);
        },
    );
}

fn is_beside(aside: &Path, path: &Path) -> bool {
    let (aside, path) = (aside.to_str().unwrap(), path.to_str().unwrap());
    aside.starts_with(&format!("{path}.corrupt-"))
}

fn sql_may_fail(path: &Path, query: &str) {
    Command::new("sqlite3")
        .arg(path)
        .arg(query)
        .output()
        .unwrap();
}
