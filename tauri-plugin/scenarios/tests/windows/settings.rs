//! `plugins.spanwire` in `tauri.conf.json`.

use serde_json::json;
use spanwire_testkit::receiver::Receiver;
use tauri_plugin_spanwire_scenarios::Plugin;

use crate::app::App;

pub(crate) fn unusable() {
    for (settings, key) in [
        (json!({ "prometheusPort": "many" }), "prometheusPort"),
        (json!({ "colour": "red" }), "colour"),
        (json!({ "telemetry": { "on": true } }), "telemetry"),
        (json!(["on"]), ""),
    ] {
        let mut app = App::new(Plugin::Init, "one");
        app.setup.settings = settings;
        let run = app.run();
        assert_eq!(run.report["call"]["ok"], 6, "{}", run.stderr);
        let warning = match key {
            "" => "plugins.spanwire in tauri.conf.json".to_owned(),
            key => format!("plugins.spanwire.{key} in tauri.conf.json"),
        };
        assert_eq!(run.stderr.matches(&warning).count(), 1, "{}", run.stderr);
        assert_eq!(run.messages("main")["inbound sync_ok ok"], 1);
    }
}

pub(crate) fn precedence() {
    let elsewhere = Receiver::start();
    let mut app = App::new(Plugin::Init, "one").variable("OTEL_SERVICE_NAME", "");
    app.setup.settings = json!({
        // The environment names another.
        "otlpEndpoint": elsewhere.url(),
        // An empty variable is none.
        "serviceName": "named-by-settings",
        "eventSpansPerSecondMax": 5,
    });
    let run = app.run();
    assert_eq!(run.report["call"]["ok"], 6, "{}", run.stderr);
    assert!(!run.spans.is_empty(), "the environment's endpoint is used");
    assert!(elsewhere.spans().is_empty());
    assert_eq!(
        run.resource("service.name").as_deref(),
        Some("named-by-settings")
    );
}
