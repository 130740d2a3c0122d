//! The plugin widens nothing, and narrows nothing: each answer is Tauri's own.

use std::os::unix::process::ExitStatusExt;

use tauri_plugin_spanwire_scenarios::{Origin, Plugin};

use crate::app::{App, Run};

/// The same with the plugin and without.
fn both(app: impl Fn(Plugin) -> App) -> [Run; 2] {
    [Plugin::Without, Plugin::Init].map(|plugin| app(plugin).run())
}

pub(crate) fn without_permission() {
    let [without, with] = both(|plugin| App::new(plugin, "without_permission"));
    let report = &without.report;
    assert_eq!(report["allowed"]["ok"], "0.1.0", "{}", without.stderr);
    assert!(report["without_permission"]["error"].is_string());
    assert!(report["unknown"]["error"].is_string());
    assert!(report["unknown_plugin"]["error"].is_string());
    assert_eq!(&with.report, report, "{}", with.stderr);
    let messages = with.messages("main");
    for (key, count) in [
        ("inbound plugin:app|version ok", 1),
        ("inbound plugin:app|name forbidden", 1),
        ("inbound not_there unknown_event", 1),
    ] {
        assert_eq!(messages.get(key), Some(&count), "{key}: {messages:?}");
    }
}

pub(crate) fn forged_key() {
    let [without, with] = both(|plugin| App::new(plugin, "forged_key"));
    let report = &without.report;
    assert_eq!(report["true_key"]["ok"], 1, "{}", without.stderr);
    // Tauri never answers it.
    assert_eq!(report["forged_key"]["never"], "AbortError");
    assert_eq!(&with.report, report, "{}", with.stderr);
    for run in [&without, &with] {
        let says = "__TAURI_INVOKE_KEY__ expected";
        assert!(run.stderr.contains(says), "{}", run.stderr);
    }
    let messages = with.messages("main");
    assert_eq!(messages["inbound sync_ok ok"], 1, "{messages:?}");
    assert_eq!(messages["inbound sync_ok forbidden"], 1, "{messages:?}");
}

pub(crate) fn malformed() {
    let [without, with] = both(|plugin| App::new(plugin, "malformed"));
    let answers = without.report["requests"].as_object();
    let answers = answers.unwrap_or_else(|| panic!("{}", without.stderr));
    assert!(answers.len() >= 12, "{answers:?}");
    assert_eq!(with.report, without.report, "{}", with.stderr);
    // It answers still.
    assert_eq!(with.report["local"]["ok"], 1);
}

pub(crate) fn remote() {
    let [without, with] = both(|plugin| {
        let mut app = App::new(plugin, "remote");
        app.setup.origin = Origin::Remote;
        app
    });
    let answer = &without.report["call"];
    assert!(
        answer["error"].is_string(),
        "{} {}",
        without.report,
        without.stderr
    );
    assert_eq!(with.report, without.report, "{}", with.stderr);
    let messages = with.messages("main");
    assert_eq!(
        messages["inbound plugin:app|version forbidden"], 1,
        "{messages:?}"
    );
}

pub(crate) fn sync_panic() {
    let [without, with] = both(|plugin| App::new(plugin, "sync_panic"));
    for run in [&without, &with] {
        assert!(run.report.is_null(), "{}", run.report);
        assert!(
            run.stderr.contains("a sync command panics"),
            "{}",
            run.stderr
        );
    }
    assert_eq!(with.status.code(), without.status.code());
    assert_eq!(with.status.signal(), without.status.signal());
}
