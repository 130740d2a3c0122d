//! `save_report`, by which a page has a report written.

use spanwire_testkit::folder::Folder;
use tauri_plugin_spanwire_scenarios::{Plugin, REPORTS};

use crate::app::{App, Run};

fn run(label: &str, folder: &Folder) -> Run {
    run_scenario("report", label, folder)
}

fn run_scenario(scenario: &str, label: &str, folder: &Folder) -> Run {
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut app = App::new(Plugin::Init, scenario)
        .variable("SPANWIRE_HISTORY", &path("history.db"))
        .variable(REPORTS, &path(""));
    app.setup.label = label.to_owned();
    app.run()
}

pub(crate) fn saved() {
    let folder = Folder::new("saved-report");
    let run = run("reporting", &folder);
    let saved = &run.report["saved"]["ok"];
    assert_eq!(
        saved["file"], "report.zip",
        "{}\n{}",
        run.report, run.stderr
    );
    // On a machine that is busy the app may be slow indeed.
    assert!(saved["findings"].is_u64(), "{saved}");
    assert!(saved["verdict"].as_str().is_some_and(|is| !is.is_empty()));
    let zip = std::fs::read(folder.path().join("report.zip")).unwrap();
    assert!(zip.starts_with(b"PK"));
    // A second time it would overwrite it. The page is not told where the file is.
    let again = run.report["again"]["error"].as_str().unwrap();
    assert_eq!(
        again,
        "the report could not be written: the app's log says why"
    );
    assert!(!std::path::Path::new("/tmp/elsewhere.zip").exists());
}

pub(crate) fn two_at_once() {
    let folder = Folder::new("two-reports");
    let run = run_scenario("two_reports", "reporting", &folder);
    assert_eq!(
        run.report["refused"]["error"], "a report is being written already",
        "{}\n{}",
        run.report, run.stderr
    );
    let saved = run.report["saved"].as_array().unwrap();
    assert_eq!(saved.len(), 1, "{}\n{}", run.report, run.stderr);
    assert!(folder.path().join("report.zip").exists());
    // Its turn is over: the file that is there is what refuses this one.
    let later = run.report["later"]["error"].as_str().unwrap();
    assert!(later.contains("could not be written"), "{later}");
}

pub(crate) fn without_permission() {
    let folder = Folder::new("no-report");
    let run = run("main", &folder);
    for answer in ["saved", "again"] {
        let error = run.report[answer]["error"].as_str().expect("it is refused");
        assert!(error.contains("not allowed"), "{error}");
    }
    assert!(!folder.path().join("report.zip").exists());
}

pub(crate) fn without_a_file() {
    let mut app = App::new(Plugin::Init, "report");
    app.setup.label = "reporting".to_owned();
    let run = app.run();
    let error = run.report["saved"]["error"].as_str().unwrap();
    assert!(error.contains("Builder::report_to"), "{error}");
}
