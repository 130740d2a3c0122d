//! A run that did not end by itself comes first in the report.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rusqlite::params;
use spanwire::history::History;
use spanwire::history::report::ReportOptions;
use spanwire_testkit::child_process::run_alone;

use crate::synthetic::{BEGIN, Synthetic, text_in, unzipped};

const SECOND: i64 = 1_000_000_000;
const CRASHED: i64 = 0xdead;
const SEEN_AT: i64 = BEGIN + 580 * SECOND;

/// A history with a run that was killed while a handler blocked the UI thread.
fn killed(name: &str) -> Synthetic {
    let history = Synthetic::new(name);
    history.healthy();
    let run = |sql: &str| history.connection.execute(sql, []).unwrap();
    run(&format!(
        "INSERT INTO session VALUES ({CRASHED}, 'paint-tool', '1.2.0', 'crashed', 1, {BEGIN}, \
         {SEEN_AT}, NULL)"
    ));
    run(&format!(
        "INSERT INTO run VALUES ({CRASHED}, 'another machine', NULL)"
    ));
    // The oldest first, as the flight recorder writes them.
    for second in (0..60).rev() {
        let at = SEEN_AT - second * SECOND;
        let blocked = (second < 12).then_some((12 - second) * SECOND);
        let mut insert = history
            .connection
            .prepare_cached(
                "INSERT INTO flight (session_id, taken_at, subject, name, state, silent, queued, \
                 in_flight, ui_blocked, resident, webview, age, count, thread) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .unwrap();
        let none = None::<i64>;
        let memory = 300 << 20;
        insert
            .execute(params![
                CRASHED, at, "process", "app", none, none, none, none, none, memory, "", none,
                none, none
            ])
            .unwrap();
        insert
            .execute(params![
                CRASHED, at, "page", "<b>main", "ready", SECOND, 7, 2, blocked, none, "", none,
                none, none
            ])
            .unwrap();
        if let Some(blocked) = blocked {
            insert
                .execute(params![
                    CRASHED, at, "handler", "export", none, none, none, none, none, none,
                    "<b>main", blocked, 1, "main"
                ])
                .unwrap();
        }
    }
    history
}

fn verdict(history: &Path, out: &Path) -> String {
    let report = ReportOptions::new().write(history, out).unwrap();
    assert!(report.missing.is_empty(), "{:?}", report.missing);
    report.verdict
}

#[test]
fn killed_run_comes_first_with_its_last_minute_and_what_was_open() {
    let history = killed("killed");
    let out = history.file("report.zip");
    let said = verdict(&history.history(), &out);
    assert!(
        said.starts_with("The app did not end by itself: it was last seen at 2026-11-29 "),
        "{said}"
    );
    let what = ", when the UI thread had not answered for 12 s, in handler export (webview \
                <b>main) for 12 s on thread main.";
    assert!(said.ends_with(what), "{said}");
    let html = text_in(&out, "report.html");
    let (_, first) = html.split_once("<h2>").unwrap();
    assert!(first.starts_with("The app did not end by itself</h2>"));
    assert!(html.contains("At the end the UI thread had not answered for 12 s."));
    assert!(
        html.contains("<li>handler export (webview &lt;b&gt;main) for 12 s on thread main</li>")
    );
    assert!(html.contains("300 MiB"), "the app's memory");
    assert!(
        html.matches("blocked for").count() >= 11,
        "a line for each second"
    );
    assert!(!html.contains("<b>main"), "names are text");
    // The cut tells the same, wherever it is read.
    let cut = history.file("cut.sqlite");
    std::fs::write(&cut, unzipped(&out, "history.sqlite")).unwrap();
    assert_eq!(verdict(&cut, &history.file("again.zip")), said);
}

#[test]
fn history_of_the_first_version_has_no_last_minute_and_is_read() {
    let history = killed("first-version");
    let drop = "DROP TABLE run; DROP TABLE flight;";
    history.connection.execute_batch(drop).unwrap();
    let said = verdict(&history.history(), &history.file("report.zip"));
    assert_eq!(said, "Nothing is wrong in this period.");
}

#[cfg(unix)]
#[test]
fn command_of_the_next_start_makes_the_report_of_the_last_minute() {
    run_alone(
        "unclean::command_of_the_next_start_makes_the_report_of_the_last_minute",
        &[],
        || {
            let history = killed("told it's");
            let path = history.history();
            let options = History::options(&path)
                .service("paint-tool")
                .retention(Duration::from_secs(1_000_000_000));
            let told = options.open().unwrap().shutdown(Duration::from_secs(30));
            let told = told.unclean_end.unwrap();
            let (_, command) = told.split_once("shown by: spanwire ").unwrap();
            let output = Command::new("sh")
                .args(["-c", &format!("exec \"$0\" {command}")])
                .arg(env!("CARGO_BIN_EXE_spanwire"))
                .current_dir(path.parent().unwrap())
                .output()
                .unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            assert!(
                said.starts_with("The app did not end by itself: "),
                "{told}: {said} {}",
                String::from_utf8_lossy(&output.stderr)
            );
            let html = text_in(&history.file("report.zip"), "report.html");
            assert!(html.contains("<h2>The app did not end by itself</h2>"));
        },
    );
}
