//! Apps that set telemetry up themselves.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tauri_plugin_spanwire_scenarios::{Own, Plugin};

use crate::app::{App, Run};

fn run(own: Own, plugin: Plugin, metrics: &str) -> Run {
    let mut app = App::new(plugin, "one").variable("OTEL_METRICS_EXPORTER", metrics);
    app.setup.own = own;
    let run = app.run();
    assert_eq!(run.report["call"]["ok"], 6, "{}", run.stderr);
    run
}

fn commands(run: &Run) -> usize {
    let spans = run.spans.iter();
    let is_command = |kind: i32, name: &str| kind == SpanKind::Server as i32 && name == "sync_ok";
    spans
        .filter(|span| is_command(span.kind, &span.name))
        .count()
}

pub(crate) fn spanwire() {
    for (own, metrics) in [
        (Own::Installed, "otlp"),
        // Without a recorder, by which the plugin could see it.
        (Own::Installed, "none"),
        (Own::Parts, "none"),
    ] {
        let run = run(own, Plugin::Init, metrics);
        let name = run.resource("service.name");
        assert_eq!(
            name.as_deref(),
            Some("own"),
            "{own:?} {metrics} {}",
            run.stderr
        );
        assert_eq!(commands(&run), 1, "{own:?} {metrics}");
        assert_eq!(run.stderr, "", "{own:?} {metrics}: nothing is amiss");
        let measured = (metrics == "otlp").then_some(1);
        assert_eq!(
            run.messages("main").get("inbound sync_ok ok").copied(),
            measured
        );
    }
}

pub(crate) fn asks_nobody() {
    let mut app = App::new(Plugin::Init, "one");
    app.setup.own = Own::Installed;
    app.setup.settings = serde_json::json!({ "askFirst": true });
    let run = app.run();
    let says = "spanwire: askFirst has no effect";
    assert_eq!(run.stderr.matches(says).count(), 1, "{}", run.stderr);
    assert_eq!(run.resource("service.name").as_deref(), Some("own"));
}

pub(crate) fn warned() {
    let run = run(Own::Installed, Plugin::TracedAlone, "otlp");
    let says = "since the app turned the `ipc` scheme off";
    assert_eq!(run.stderr.matches(says).count(), 1, "{}", run.stderr);
    assert_eq!(run.messages("main")["inbound sync_ok ok"], 1);
}

pub(crate) fn subscriber() {
    let run = run(Own::Lines, Plugin::TracedAlone, "otlp");
    let lines = |with: &str| {
        run.stderr
            .lines()
            .filter(|line| line.contains(with))
            .count()
    };
    assert_eq!(
        lines(" WARN spanwire: only commands in a handler wrapped"),
        1,
        "{}",
        run.stderr
    );
    // The app exports its own spans; the plugin warns that it does not.
    assert_eq!(
        lines("the process has a tracing subscriber already"),
        1,
        "{}",
        run.stderr
    );
    assert_eq!(
        lines("spanwire: "),
        lines(" spanwire: "),
        "each line once: {}",
        run.stderr
    );
    assert_eq!(run.messages("main")["inbound sync_ok ok"], 1);
    assert_eq!(commands(&run), 0);
}
