//! The flight recorder: what is in the file when a process is killed, and what the next start says.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::json;
use spanwire::history::History;
use spanwire::history::report::ReportOptions;
use spanwire::ipc::observe::Observer;
use spanwire::ipc::{Call, Ipc, PageState};
use spanwire::telemetry::{MetricsExporter, Pending, TelemetryBuilder, Warning};
use spanwire::timer::set_current_operation;
use spanwire::{Telemetry, monitor};
use spanwire_testkit::child_process::{self, run_alone};
use spanwire_testkit::model_page::ModelPage;

use crate::app::{DEADLINE, builder, flush, number, place, sql};

const FILE: &str = "SPANWIRE_TEST_FLIGHT_FILE";

/// The process that others kill: its UI thread hangs in a handler, and an operation never ends.
#[test]
#[allow(clippy::print_stdout, reason = "the parent reads it")]
fn process_that_hangs() {
    let Some(path) = std::env::var_os(FILE) else {
        return;
    };
    let telemetry = builder(Path::new(&path)).install().unwrap();
    assert_eq!(telemetry.warnings(), []);
    let ipc = Ipc::builder("main").build();
    ipc.on("freeze", |_: &Call| hang()).unwrap();
    ipc.on_wake(|| {});
    let work = std::thread::Builder::new().name("worker".into());
    work.spawn(|| monitor("export").time(hang)).unwrap();
    let ui = std::thread::Builder::new().name("ui".into());
    let ui = ui.spawn(move || {
        let mut page = ModelPage::load(&ipc, "p1");
        page.pump(&ipc);
        set_current_operation("convert");
        println!("\nhangs");
        page.call(&ipc, "freeze", json!(1));
    });
    ui.unwrap().join().unwrap();
}

/// The same in a handler of another message layer, which hangs within one that is fine.
#[test]
#[allow(clippy::print_stdout, reason = "the parent reads it")]
fn observed_process_that_hangs() {
    let Some(path) = std::env::var_os(FILE) else {
        return;
    };
    let telemetry = builder(Path::new(&path)).install().unwrap();
    assert_eq!(telemetry.warnings(), []);
    // Its event loop has ended its work, and hangs outside of any handler.
    let other = Observer::builder("other").build();
    let (event_loop, wakes) = crossbeam_channel::unbounded();
    other.on_wake(move |wake| _ = event_loop.send(wake));
    wakes.recv().unwrap().answer();
    let observer = Observer::builder("main").build();
    let ui = std::thread::Builder::new().name("ui".into());
    let ui = ui.spawn(move || {
        let _unanswered = (wakes, other);
        observer.set_main_thread();
        observer.set_page_state(PageState::Ready);
        observer.call("fine").begin().in_scope(|| ());
        observer.call("outer").begin().in_scope(|| {
            println!("\nhangs");
            observer.event("freeze").begin().in_scope(hang);
        });
    });
    ui.unwrap().join().unwrap();
}

#[test]
fn a_hang_in_another_message_layer_is_in_the_file_when_the_process_is_killed() {
    run_alone(
        "flight::a_hang_in_another_message_layer_is_in_the_file_when_the_process_is_killed",
        &[],
        || {
            let (_folder, path) = place("observed-hang");
            let mut hanging = Hanging::start_as("flight::observed_process_that_hangs", &path);
            wait_until(
                &path,
                "SELECT count(DISTINCT name) = 2 FROM flight \
                 WHERE subject = 'page' AND ui_blocked > 1.5e9",
            );
            hanging.kill();
            assert_eq!(
                sql(
                    &path,
                    "SELECT subject, name, webview, thread FROM flight \
                     WHERE taken_at = (SELECT max(taken_at) FROM flight) \
                     AND subject = 'handler' ORDER BY name"
                ),
                "handler|freeze|main|ui\nhandler|outer|main|ui"
            );
            assert!(reported_by_the_next_start(&path).is_some());
            let report = ReportOptions::new().write(&path, path.with_extension("zip"));
            let verdict = report.unwrap().verdict;
            let hung = "the UI thread had not answered for ";
            let place = ", in handler outer (webview main) for ";
            assert!(verdict.contains(hung), "{verdict}");
            assert!(verdict.contains(place), "{verdict}");
        },
    );
}

fn hang() {
    loop {
        std::thread::park();
    }
}

/// The process that panics while it has its history.
#[test]
fn process_that_panics() {
    if let Some(path) = std::env::var_os(FILE) {
        let _telemetry = builder(Path::new(&path)).install().unwrap();
        monitor("before the panic").time(|| ());
        panic!("the app crashes");
    }
}

#[test]
fn a_hang_is_in_the_file_when_the_process_is_killed_and_the_next_start_says_so_once() {
    run_alone(
        "flight::a_hang_is_in_the_file_when_the_process_is_killed_and_the_next_start_says_so_once",
        &[],
        || {
            let (_folder, path) = place("hang");
            let mut hanging = Hanging::start(&path);
            wait_until(
                &path,
                "SELECT coalesce(max(ui_blocked), 0) > 1.5e9 FROM flight",
            );
            // Another run of the app, while the first one lives.
            assert_eq!(reported_by_the_next_start(&path), None, "it runs still");
            hanging.kill();
            let last = "SELECT %s FROM flight WHERE taken_at = (SELECT max(taken_at) FROM flight)";
            let last =
                |columns: &str, rest: &str| sql(&path, &(last.replace("%s", columns) + rest));
            assert_eq!(
                last(
                    "name, state, queued, in_flight >= 0, silent > 0, ui_blocked > 0",
                    " AND subject = 'page'"
                ),
                "main|ready|0|1|1|1"
            );
            assert_eq!(
                last(
                    "subject, name, webview, thread, age > 1e9",
                    " AND age > 0 ORDER BY name"
                ),
                "operation|convert||ui|1\noperation|export||worker|1\nhandler|freeze|main|ui|1"
            );
            #[cfg(target_os = "linux")]
            assert_eq!(last("resident > 1e6", " AND name = 'app'"), "1");

            let telemetry = builder(&path).install().unwrap();
            let warnings = telemetry.warnings();
            assert!(
                matches!(warnings, [Warning::UncleanEnd { .. }]),
                "{warnings:?}"
            );
            let told = warnings[0].to_string();
            assert!(
                told.starts_with("paint-tool did not end by itself: "),
                "{told}"
            );
            let command = format!("spanwire report {} --since 20", path.display());
            assert!(told.contains(&command), "{told}");
            telemetry.shutdown(DEADLINE);
            assert_eq!(
                reported_by_the_next_start(&path),
                None,
                "it was reported, and the last run ended well"
            );
            let runs = "SELECT count(DISTINCT session_id) FROM flight";
            assert_eq!(
                number(&path, runs),
                1.0,
                "of what ended well nothing is kept"
            );
        },
    );
}

#[test]
fn an_app_that_panicked_out_of_its_main_did_not_end_by_itself() {
    run_alone(
        "flight::an_app_that_panicked_out_of_its_main_did_not_end_by_itself",
        &[],
        || {
            let (_folder, path) = place("panics");
            let mut command = child_process::command("flight::process_that_panics");
            let output = command.env(FILE, &path).output().unwrap();
            assert!(!output.status.success());
            assert_eq!(
                sql(&path, "SELECT operation FROM metrics"),
                "before the panic"
            );
            assert!(reported_by_the_next_start(&path).is_some());
            assert_eq!(reported_by_the_next_start(&path), None);
        },
    );
}

#[test]
fn a_start_of_another_app_or_after_a_pause_reports_nothing() {
    run_alone(
        "flight::a_start_of_another_app_or_after_a_pause_reports_nothing",
        &[],
        || {
            let (_folder, path) = place("another");
            let mut hanging = Hanging::start(&path);
            wait_until(&path, "SELECT count(*) > 0 FROM flight");
            hanging.kill();
            let other = History::options(&path).service("note-book").open().unwrap();
            assert_eq!(other.shutdown(DEADLINE).unclean_end, None);
            sql(&path, "UPDATE session SET ended_at = seen_at");
            assert_eq!(reported_by_the_next_start(&path), None, "as a pause has it");
        },
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_later_process_with_the_number_of_a_killed_one_does_not_hide_it() {
    run_alone(
        "flight::a_later_process_with_the_number_of_a_killed_one_does_not_hide_it",
        &[],
        || {
            let (_folder, path) = place("number");
            let mut hanging = Hanging::start(&path);
            wait_until(&path, "SELECT count(*) > 0 FROM flight");
            hanging.kill();
            // The first process of all, which began in another tick of the kernel's clock for sure.
            sql(&path, "UPDATE session SET process_id = 1");
            assert!(reported_by_the_next_start(&path).is_some());
        },
    );
}

#[test]
fn a_start_without_consent_reports_the_run_before_it_when_consent_is_given() {
    let stderr = run_alone(
        "flight::a_start_without_consent_reports_the_run_before_it_when_consent_is_given",
        &[],
        || {
            let (folder, path) = place("asked");
            let mut hanging = Hanging::start(&path);
            wait_until(&path, "SELECT count(*) > 0 FROM flight");
            hanging.kill();
            let bytes = || -> Vec<_> {
                let files = folder.files().into_iter();
                files.map(|file| std::fs::read(file).unwrap()).collect()
            };
            let before = bytes();
            let telemetry = loud(&path).start_paused().install().unwrap();
            flush(&telemetry);
            let history = telemetry.history().unwrap();
            assert_eq!(
                (telemetry.warnings(), history.report().unclean_end),
                (&[][..], None)
            );
            assert!(before == bytes(), "nothing is written without consent");
            telemetry.resume().unwrap();
            let told = history.report().unclean_end.unwrap();
            assert!(
                told.starts_with("paint-tool did not end by itself: "),
                "{told}"
            );
            telemetry.pause(Pending::Keep);
            telemetry.resume().unwrap();
            telemetry.shutdown(DEADLINE);
            assert_eq!(reported_by_the_next_start(&path), None, "it was reported");
        },
    );
    if let Some(stderr) = stderr {
        let told = stderr.matches("spanwire: paint-tool did not end by itself: ");
        assert_eq!(told.count(), 1, "{stderr}");
    }
}

#[test]
fn a_run_that_was_killed_is_reported_as_soon_as_the_file_is_not_locked_any_more() {
    run_alone(
        "flight::a_run_that_was_killed_is_reported_as_soon_as_the_file_is_not_locked_any_more",
        &[],
        || {
            let (_folder, path) = place("locked-start");
            let mut hanging = Hanging::start(&path);
            wait_until(&path, "SELECT count(*) > 0 FROM flight");
            hanging.kill();
            let other = Connection::open(&path).unwrap();
            other.execute_batch("BEGIN IMMEDIATE").unwrap();
            let history = History::options(&path)
                .service("paint-tool")
                .open()
                .unwrap();
            let report = history.report();
            assert_eq!(report.unclean_end, None);
            assert!(report.last_error.unwrap().contains("is locked"));
            other.execute_batch("COMMIT").unwrap();
            history.flush(DEADLINE).unwrap();
            assert!(history.report().unclean_end.is_some());
            history.shutdown(DEADLINE);
            assert_eq!(reported_by_the_next_start(&path), None);
        },
    );
}

#[test]
fn a_run_of_another_machine_runs_while_its_flight_recorder_writes_whatever_its_clock_was() {
    run_alone(
        "flight::a_run_of_another_machine_runs_while_its_flight_recorder_writes_whatever_its_clock_was",
        &[],
        || {
            let (_folder, path) = place("put-back");
            History::open(&path).unwrap().shutdown(DEADLINE);
            // Its clock was an hour ahead, and was put back.
            let now = "unixepoch() * 1000000000";
            let hour = "3600 * 1000000000";
            let add = format!(
                "INSERT INTO session (id, service, instance, process_id, started_at, seen_at) \
                 VALUES (7, 'paint-tool', '7', 7, {now}, {now} + {hour}); \
                 INSERT INTO run (session_id, process_key) VALUES (7, 'another machine'); \
                 INSERT INTO flight (session_id, taken_at, subject, name) VALUES \
                 (7, {now} + {hour}, 'page', 'main'), (7, {now}, 'page', 'main')"
            );
            sql(&path, &add);
            assert_eq!(reported_by_the_next_start(&path), None, "it runs");
            // Two minutes later it has written nothing more.
            let later = "UPDATE flight SET taken_at = taken_at - 120 * 1000000000";
            sql(&path, later);
            assert!(reported_by_the_next_start(&path).is_some());
            let kept = number(&path, "SELECT count(*) FROM flight WHERE session_id = 7");
            assert!(kept >= 1.0, "its last minute is kept");
        },
    );
}

/// An app whose warnings are written to stderr.
fn loud(path: &Path) -> TelemetryBuilder {
    Telemetry::builder("paint-tool")
        .environment(|_| None)
        .metrics(MetricsExporter::None)
        .without_system()
        .history(path)
}

/// What a start of the app says of the run before it.
fn reported_by_the_next_start(path: &Path) -> Option<String> {
    let history = History::options(path).service("paint-tool").open().unwrap();
    history.shutdown(DEADLINE).unclean_end
}

fn wait_until(path: &Path, query: &str) {
    let until = Instant::now() + DEADLINE;
    while sql(path, query) != "1" {
        assert!(Instant::now() < until, "{query}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

struct Hanging(Child);

impl Hanging {
    fn start(path: &Path) -> Self {
        Self::start_as("flight::process_that_hangs", path)
    }

    /// Until it hangs.
    fn start_as(process: &str, path: &Path) -> Self {
        let mut command: Command = child_process::command(process);
        command.env(FILE, path).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = lines.map_while(Result::ok).any(|line| line == "hangs");
        assert!(said, "it ended before it hung");
        Self(child)
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
