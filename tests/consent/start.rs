//! Whether telemetry starts paused: the environment, the builder and the file together.

use std::fs;

use spanwire::telemetry::{Pending, ResumeError, TelemetryBuilder};
use spanwire_testkit::folder::Folder;

use crate::app::{App, builder, get};

/// With this value of the variable.
fn with_consent(value: &'static str) -> TelemetryBuilder {
    builder("http://127.0.0.1:1")
        .environment(move |name| (name == "SPANWIRE_CONSENT").then(|| value.to_owned()))
}

fn is_served(app: &App) -> bool {
    get(app.addr(), "/metrics").0 == 200
}

#[test]
fn each_value_of_the_variable_decides_how_telemetry_starts_and_whether_it_can_be_resumed() {
    for (value, is_paused, can_resume, is_warned) in [
        ("", false, true, false),
        ("granted", false, true, false),
        (" GRANTED ", false, true, false),
        ("ask", true, true, false),
        ("Ask", true, true, false),
        ("denied", true, false, false),
        ("DENIED", true, false, false),
        // What is not understood is no consent.
        ("off", true, false, true),
        ("true", true, false, true),
        ("granted,denied", true, false, true),
        ("1", true, false, true),
    ] {
        let app = App::start(with_consent(value));
        let warnings: Vec<_> = app.telemetry.warnings().iter().collect();
        assert_eq!(!warnings.is_empty(), is_warned, "{value:?}: {warnings:?}");
        if let Some(warning) = warnings.first() {
            assert_eq!(
                warning.to_string(),
                format!(
                    "SPANWIRE_CONSENT={value:?} is not used: accepted is granted, ask or denied; \
                     telemetry is paused, and the app cannot resume it"
                )
            );
        }
        assert_eq!(app.telemetry.is_paused(), is_paused, "{value:?}");
        assert_eq!(is_served(&app), !is_paused, "{value:?}");
        match (app.telemetry.resume(), can_resume) {
            (Ok(()), true) | (Err(ResumeError::Denied), false) => {}
            (outcome, _) => panic!("{value:?}: {outcome:?}"),
        }
        assert_eq!(app.telemetry.is_paused(), !can_resume, "{value:?}");
        assert_eq!(is_served(&app), can_resume, "{value:?}");
    }
}

#[test]
fn no_variable_turns_on_what_the_app_starts_paused() {
    for value in ["", "granted", "ask"] {
        let app = App::start(with_consent(value).start_paused());
        assert!(app.telemetry.is_paused(), "{value:?}");
        app.telemetry.resume().unwrap();
        assert!(is_served(&app), "{value:?}");
    }
}

#[test]
fn the_answer_holds_after_a_restart() {
    let folder = Folder::new("consent");
    let file = folder.path().join("settings/telemetry");
    let start = || App::start(builder("http://127.0.0.1:1").consent_file(&file));

    let app = start();
    assert!(!app.telemetry.is_paused() && !file.exists());
    assert_eq!(app.telemetry.pause(Pending::Discard).not_saved, None);
    drop(app);

    let app = start();
    assert!(app.telemetry.is_paused() && !is_served(&app));
    app.telemetry.resume().unwrap();
    drop(app);

    let app = start();
    assert!(!app.telemetry.is_paused() && is_served(&app));
    // Also said while the window closes.
    app.telemetry.shutdown(crate::app::SECOND);
    app.telemetry.pause(Pending::Discard);
    drop(app);
    assert!(start().telemetry.is_paused());
    // The file, and nothing beside it.
    assert_eq!(folder.files(), [file]);
}

#[test]
fn an_app_that_asks_first_starts_as_it_was_answered() {
    let folder = Folder::new("consent");
    let file = folder.path().join("telemetry");
    let start = |value| App::start(with_consent(value).start_paused().consent_file(&file));
    assert!(start("granted").telemetry.is_paused());
    start("ask").telemetry.resume().unwrap();
    assert!(!start("ask").telemetry.is_paused());
    // `denied` wins over an earlier yes, and leaves that answer on file.
    let app = start("denied");
    assert!(app.telemetry.is_paused());
    assert!(app.telemetry.resume().is_err());
    assert!(!start("granted").telemetry.is_paused());
    start("granted").telemetry.pause(Pending::Keep);
    assert!(start("granted").telemetry.is_paused());
}

#[test]
fn a_file_that_holds_no_answer_counts_as_no_and_is_a_warning() {
    let folder = Folder::new("consent");
    let file = folder.path().join("telemetry");
    for text in ["", "recording", "paused", "yes\n", "recording\n\n"] {
        fs::write(&file, text).unwrap();
        let app = App::start(builder("http://127.0.0.1:1").consent_file(&file));
        assert!(app.telemetry.is_paused() && !is_served(&app), "{text:?}");
        let warning = app.telemetry.warnings()[0].to_string();
        assert!(warning.starts_with("consent_file"), "{warning}");
        assert!(warning.contains("telemetry is paused"), "{warning}");
        // The app may ask again.
        app.telemetry.resume().unwrap();
        assert!(is_served(&app));
    }
    let strict = builder("http://127.0.0.1:1").strict();
    fs::write(&file, "yes\n").unwrap();
    assert!(strict.consent_file(&file).build().is_err());
}

#[test]
fn a_yes_that_cannot_be_written_down_is_none_and_a_no_holds_all_the_same() {
    let folder = Folder::new("consent");
    // A folder is no file.
    let place = folder.path().join("taken");
    fs::create_dir(&place).unwrap();
    let app = App::start(builder("http://127.0.0.1:1").consent_file(&place));
    assert!(app.telemetry.is_paused());
    assert!(matches!(
        app.telemetry.resume(),
        Err(ResumeError::NotSaved(_))
    ));
    assert!(app.telemetry.is_paused());
    assert!(app.telemetry.pause(Pending::Keep).not_saved.is_some());

    fs::remove_dir(&place).unwrap();
    app.telemetry.resume().unwrap();
    fs::remove_file(&place).unwrap();
    fs::create_dir(&place).unwrap();
    assert!(app.telemetry.pause(Pending::Keep).not_saved.is_some());
    assert!(app.telemetry.is_paused() && !is_served(&app));
}
