//! `traced(…)`, where Tauri's scheme does not serve.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};
use tauri_plugin_spanwire_scenarios::{Pattern, Plugin};

use crate::app::{App, Counts, Run};

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

fn run_isolated(plugin: Plugin, scenario: &str) -> Run {
    let mut app = App::new(plugin, scenario);
    app.setup.pattern = Pattern::Isolation;
    let run = app.run();
    let says = "since the app uses the isolation pattern";
    assert_eq!(run.stderr.matches(says).count(), 1, "{}", run.stderr);
    assert!(run.status.success(), "{}", run.stderr);
    run
}

/// Tauri's own script reads what the page posts, so the page calls as ever, and is answered as ever.
pub(crate) fn isolated() {
    let run = run_isolated(Plugin::TracedToo, "mixed_isolated");
    assert_eq!(run.report["bytes"], json!([9, 8, 7]), "{}", run.stderr);
    let counts = run.report["counts"].as_object().expect("a report");
    let mut expected = Counts::from([("inbound finish ok".to_owned(), 1)]);
    for (command, how) in counts {
        let [ok, failed, open] = ["ok", "failed", "open"].map(|key| how[key].as_u64().unwrap());
        let ends = match command.as_str() {
            "sync_fail" | "async_fail" | "not_there" | "plugin:app|name" => (0, failed, 0),
            "async_panic" => (0, 0, open),
            _ => (ok, 0, 0),
        };
        assert_eq!((ok, failed, open), ends, "{command}");
        // What a command answers is not seen, nor what is no command of the app's.
        let seen = match command.as_str() {
            "not_there" => "unknown_event",
            name if name.starts_with("plugin:") => continue,
            _ => "ok",
        };
        expected.insert(format!("inbound {command} {seen}"), ok + failed + open);
    }
    assert_eq!(expected.values().sum::<u64>(), 81);
    assert_eq!(run.messages("main"), expected, "the page's own count");
    let mut spans = Counts::new();
    // The app's start has a trace of its own.
    for span in run.spans.iter().filter(|span| span.name != "startup") {
        assert_eq!(span.kind, SpanKind::Server as i32, "{}", span.name);
        assert!(span.parent_span_id.is_empty(), "{}", span.name);
        let how = match span.name.as_str() {
            "not_there" => "unknown_event",
            _ => "ok",
        };
        let key = format!("inbound {} {how}", span.name);
        *spans.entry(key).or_default() += 1;
    }
    assert_eq!(spans, expected, "a span for each");
    let way = run.resource("spanwire.tauri.way");
    assert_eq!(way.as_deref(), Some("isolation"));

    let run = run_isolated(Plugin::Init, "one");
    assert_eq!(run.report["call"]["ok"], 6, "{}", run.stderr);
    assert_eq!(run.messages("main"), Counts::new(), "without `traced`");
    assert_eq!(run.report["thrown"], Value::Null);
}

/// Tauri gave the window its scheme before the plugin could answer it.
pub(crate) fn made_before() {
    let run = App::new(Plugin::AfterWindow, "one").run();
    assert_eq!(run.report["call"]["ok"], 6, "{}", run.stderr);
    let says = "the webview main was made before the plugin was there";
    assert_eq!(run.stderr.matches(says).count(), 1, "{}", run.stderr);
    // The cause is known, so no other is supposed.
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    assert_eq!(run.messages("main")["inbound sync_ok ok"], 1);
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
