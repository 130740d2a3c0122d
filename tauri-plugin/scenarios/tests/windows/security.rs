//! The plugin widens nothing, and narrows nothing: each answer is Tauri's own.

use std::os::unix::process::ExitStatusExt;

use tauri_plugin_spanwire_scenarios::{Origin, Plugin};

use crate::app::{App, Run};

/// The same with the plugin and without.
fn both(app: impl Fn(Plugin) -> App) -> [Run; 2] {
    [Plugin::Without, Plugin::Init].map(|plugin| app(plugin).run())
}

pub(crate) fn refused() {
    let [without, with] = both(|plugin| App::new(plugin, "refused"));
    assert_eq!(
        without.report["local"]["ok"], 1,
        "{} {}",
        without.report, without.stderr
    );
    assert!(without.report["without_permission"]["error"].is_string());
    assert_eq!(without.report["forged_key"]["never"], "AbortError");
    assert_eq!(with.report, without.report);
    for run in [&without, &with] {
        assert!(
            run.stderr.contains("__TAURI_INVOKE_KEY__ expected"),
            "{}",
            run.stderr
        );
    }
    let messages = with.messages("main");
    // The refused ones are seen as such: the forged one, and those of `requests` that have all headers.
    assert!(messages["inbound sync_ok forbidden"] >= 1, "{messages:?}");
    assert_eq!(
        messages["inbound plugin:app|name forbidden"], 1,
        "{messages:?}"
    );
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
