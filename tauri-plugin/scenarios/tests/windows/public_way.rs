//! `traced(…)`, where Tauri's scheme does not serve.

use tauri_plugin_spanwire_scenarios::Plugin;

use crate::app::App;

/// What keeps a page from the scheme, while the app's own pages load.
const NO_IPC: &str =
    "default-src 'self' 'unsafe-inline' tauri: http://tauri.localhost; connect-src 'none'";

pub(crate) fn posted() {
    for plugin in [Plugin::TracedToo, Plugin::TracedAlone] {
        let mut app = App::new(plugin, "posted");
        app.setup.csp = Some(NO_IPC.to_owned());
        let run = app.run();
        assert_eq!(
            run.report["first"]["ok"], 4,
            "{} {}",
            run.report, run.stderr
        );
        assert_eq!(run.report["fails"]["error"], "the disk is full");
        let messages = run.messages("main");
        assert_eq!(messages["inbound sync_ok ok"], 1, "{plugin:?} {messages:?}");
        assert_eq!(
            messages["inbound not_there unknown_event"], 1,
            "{messages:?}"
        );
        let warning = "came past Tauri's `ipc` scheme";
        let warnings = run.stderr.matches(warning).count();
        let expected = usize::from(plugin == Plugin::TracedToo);
        assert_eq!(warnings, expected, "{plugin:?} {}", run.stderr);
    }
}

pub(crate) fn beside_the_seam() {
    let run = App::new(Plugin::TracedToo, "one").run();
    assert_eq!(run.report["call"]["ok"], 6, "{}", run.stderr);
    assert_eq!(run.messages("main")["inbound sync_ok ok"], 1);
    assert!(!run.stderr.contains("spanwire:"), "{}", run.stderr);
    assert_eq!(run.resource("spanwire.tauri.way").as_deref(), Some("seam"));
}

pub(crate) fn alone() {
    let run = App::new(Plugin::TracedAlone, "one").run();
    assert_eq!(run.report["call"]["ok"], 6, "{}", run.stderr);
    assert_eq!(run.messages("main")["inbound sync_ok ok"], 1);
    let way = run.resource("spanwire.tauri.way");
    assert_eq!(way.as_deref(), Some("turned_off"));
    let says = "since the app turned the `ipc` scheme off";
    assert_eq!(run.stderr.matches(says).count(), 1, "{}", run.stderr);
}

/// In a copy of the plugin that does not know the Tauri which it is built with.
pub(crate) fn untested() {
    for plugin in [Plugin::Init, Plugin::TracedToo] {
        let run = App::new(plugin, "one").run();
        assert_eq!(run.report["call"]["ok"], 6, "{}", run.stderr);
        let says = "was not tested with this version of the plugin: raise the plugin";
        assert_eq!(run.stderr.matches(says).count(), 1, "{}", run.stderr);
        let seen = run.messages("main").get("inbound sync_ok ok").copied();
        let expected = (plugin == Plugin::TracedToo).then_some(1);
        assert_eq!(seen, expected, "{}", run.stderr);
    }
}
