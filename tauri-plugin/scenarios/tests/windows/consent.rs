//! `ask_first`, and the commands by which a page gives the person's answer.

use serde_json::json;
use spanwire_testkit::folder::Folder;
use tauri_plugin_spanwire_scenarios::Plugin;

use crate::app::{App, Run};

fn run(label: &str, scenario: &str, folder: &Folder) -> Run {
    let path = folder.path().to_str().unwrap();
    let mut app = App::new(Plugin::Init, scenario).variable("XDG_CONFIG_HOME", path);
    app.setup.label = label.to_owned();
    app.setup.settings = json!({ "askFirst": true });
    app.run()
}

pub(crate) fn asked() {
    let folder = Folder::new("consent");
    let first = run("asking", "consent", &folder);
    assert_eq!(
        first.report["before"]["ok"]["recording"], false,
        "{}",
        first.stderr
    );
    assert_eq!(first.report["answer"]["ok"]["recording"], true);
    let messages = first.messages("asking");
    assert_eq!(messages.get("inbound sync_ok ok"), None, "{messages:?}");
    assert_eq!(messages["inbound async_ok ok"], 1, "{messages:?}");
    assert!(!first.spans.iter().any(|span| span.name == "sync_ok"));

    let second = run("asking", "revoked", &folder);
    assert_eq!(
        second.report["before"]["ok"]["recording"], true,
        "the answer is kept"
    );
    assert_eq!(second.report["answer"]["ok"]["recording"], false);
    let third = run("asking", "revoked", &folder);
    assert_eq!(
        third.report["before"]["ok"]["recording"], false,
        "so is the other"
    );
    assert!(third.spans.is_empty());
}

pub(crate) fn without_permission() {
    let folder = Folder::new("consent");
    let run = run("main", "consent", &folder);
    for answer in ["before", "answer"] {
        let error = run.report[answer]["error"].as_str().expect("it is refused");
        assert!(error.contains("not allowed"), "{error}");
    }
    assert!(run.spans.is_empty(), "nothing was allowed");
}
