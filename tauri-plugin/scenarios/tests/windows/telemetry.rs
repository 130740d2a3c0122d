//! What comes out of the plugin, held against what the page counted itself.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::metrics::v1::number_data_point;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use spanwire_testkit::receiver::text;
use tauri_plugin_spanwire_scenarios::Plugin;

use crate::app::{App, Counts, Run};

/// What a command that fails counts as.
fn error_of(command: &str) -> &'static str {
    match command {
        "not_there" => "unknown_event",
        "plugin:app|name" => "forbidden",
        "async_panic" => "panic",
        _ => "handler_error",
    }
}

pub(crate) fn mixed() {
    let run = App::new(Plugin::Init, "mixed").run();
    assert!(run.status.success(), "{}", run.stderr);
    assert_eq!(run.report["bytes"], serde_json::json!([9, 8, 7]));
    let counts = run.report["counts"].as_object().expect("a report");
    let mut expected = Counts::new();
    let mut calls = 0;
    for (command, how) in counts {
        let [ok, failed, open] = ["ok", "failed", "open"].map(|key| how[key].as_u64().unwrap());
        calls += ok + failed + open;
        // An event that the page emits is known by its name, and has no reply of its own.
        let (event, has_reply) = match command.as_str() {
            "plugin:event|emit" => ("saved", false),
            command => (command, true),
        };
        let mut add = |direction: &str, how: &str, count| {
            if count > 0 {
                expected.insert(format!("{direction} {event} {how}"), count);
            }
        };
        add("inbound", "ok", ok);
        add("inbound", error_of(command), failed + open);
        if has_reply {
            add("outbound", "ok", ok + failed);
        }
    }
    assert_eq!(calls, 1_001);
    let mut messages = run.messages("main");
    messages.retain(|key, _| !key.contains(" finish "));
    assert_eq!(messages, expected, "metrics and the page's own count");

    let traces = Traces::of(&run.spans);
    for (key, count) in &expected {
        let [direction, event, how] = key.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{key}");
        };
        if direction == "inbound" {
            assert_eq!(traces.handled(event, how), *count, "traces of {key}");
        }
    }
    traces.each_call_has_one();
    traces.threads_are_right();
    blocked_is_counted(&run);
    let wrong = run.points("spanwire.page.errors");
    assert!(
        wrong.is_empty(),
        "the script reported what cannot be: {wrong:?}"
    );
    // The page's word for each reply, but for those to `finish` and to a promise that never settles.
    assert_eq!(
        run.measured("spanwire.ipc.delivery.duration", "raw_bytes"),
        110
    );
}

/// The sync command keeps the main thread each time, since it sleeps there.
fn blocked_is_counted(run: &Run) {
    let points = run.points("spanwire.main_thread.blocked");
    let times = |event: &str| {
        let is_it = |name: Option<String>| name.as_deref() == Some(event);
        let found = points
            .iter()
            .find(|point| is_it(text(&point.attributes, "spanwire.ipc.event")));
        match found.and_then(|point| point.value) {
            Some(number_data_point::Value::AsInt(times)) => times,
            _ => 0,
        }
    };
    assert_eq!(times("sync_slow"), 7);
    // The other one sleeps as long elsewhere. A busy machine may keep the thread for some of its calls.
    assert!(times("async_slow") < 7, "{}", times("async_slow"));
}

pub(crate) fn main_thread() {
    let run = App::new(Plugin::Init, "mixed")
        .variable("OTEL_METRIC_EXPORT_INTERVAL", "300")
        .run();
    assert!(run.status.success(), "{}", run.stderr);
    let answered = run.wakes_answered();
    assert!(answered > 1, "{answered}");
}

pub(crate) fn names() {
    let run = App::new(Plugin::Init, "names").run();
    assert_eq!(run.report["done"], true, "{}", run.stderr);
    let messages = run.messages("main");
    let inbound: Counts = messages
        .into_iter()
        .filter(|(key, _)| key.starts_with("inbound "))
        .collect();
    let named = |key: &&String| key.contains(" name_");
    assert!(inbound.keys().filter(named).count() <= 50, "{inbound:?}");
    assert!(
        inbound["inbound _OTHER unknown_event"] >= 9_950,
        "{inbound:?}"
    );
    let all: u64 = inbound
        .iter()
        .filter(|(key, _)| key.ends_with(" unknown_event"))
        .map(|(_, n)| n)
        .sum();
    assert_eq!(all, 10_000);
}

pub(crate) fn events() {
    for plugin in [Plugin::Init, Plugin::Instrument] {
        let run = App::new(plugin, "events").run();
        assert_eq!(
            run.report["everywhere"], 20,
            "{} {}",
            run.report, run.stderr
        );
        assert_eq!(run.report["streamed"], 10);
        let messages = run.messages("main");
        let sent = |event: &str| messages.get(&format!("outbound {event} ok")).copied();
        // One script for both of the page's listeners.
        assert_eq!(sent("progress"), Some(20), "{messages:?}");
        assert_eq!(sent("only-main"), Some(3));
        assert_eq!(sent("dropped"), None);
        assert_eq!(sent("unheard"), None);
        assert_eq!(sent("second-loaded"), Some(1));
        assert_eq!(
            run.messages("second").get("inbound second-loaded ok"),
            Some(&1)
        );
        // What a plugin alone cannot see.
        let streamed = (plugin == Plugin::Instrument).then_some(10);
        assert_eq!(sent("channel:stream"), streamed, "{messages:?}");
        // The page's listeners, each for itself.
        let ran = run.measured("spanwire.ipc.process.duration", "progress");
        assert_eq!(ran, 40, "{plugin:?}");
        clicked(&run, plugin);
        // An event is part of the trace of the command that sends it.
        let send = run.spans.iter().find(|span| span.name == "send progress");
        let trace = &send.expect("a span of the event").trace_id;
        let places = run.spans.iter().flat_map(|span| &span.attributes);
        let mut places = places.filter(|attribute| attribute.key.starts_with("code."));
        assert_eq!(
            places.next(),
            None,
            "a line of the plugin's is not the sender's"
        );
        let is_command = |span: &&Span| span.name == "emit_events" && &span.trace_id == trace;
        assert!(run.spans.iter().any(|span| is_command(&span)));
    }
}

/// `spanwire.trace` of the page is the root of what the page calls within it.
fn clicked(run: &Run, plugin: Plugin) {
    let click = run.spans.iter().find(|span| span.name == "click");
    assert_eq!(click.is_some(), plugin == Plugin::Instrument);
    let Some(click) = click else { return };
    let calls = run
        .spans
        .iter()
        .filter(|span| span.parent_span_id == click.span_id);
    let calls: Vec<_> = calls.map(|span| (&*span.name, span.kind)).collect();
    assert_eq!(calls, [("sync_ok", SpanKind::Client as i32)]);
}

pub(crate) fn async_span() {
    let run = App::new(Plugin::Init, "async_span").run();
    let of_name = |name: &str| run.spans.iter().find(|span| span.name == name);
    let inner = of_name("inner").unwrap_or_else(|| panic!("{} {}", run.report, run.stderr));
    let command = |name: &str| {
        let spans = run.spans.iter();
        let mut commands = spans.filter(|span| span.kind == SpanKind::Server as i32);
        let command = commands.find(|span| span.name == name);
        command.expect("a span of the command")
    };
    // Tauri polls the command outside of every span, and has no hook there: a link leads to what it
    // did.
    let linked = &command("async_span").links;
    let linked: Vec<_> = linked
        .iter()
        .map(|link| (&link.trace_id, &link.span_id))
        .collect();
    assert_eq!(linked, [(&inner.trace_id, &inner.span_id)]);
    assert!(inner.parent_span_id.is_empty());
    // A command that takes its span as an argument works within it.
    let (within, command) = (of_name("within").unwrap(), command("async_span_within"));
    assert_eq!(within.parent_span_id, command.span_id);
    assert!(command.links.is_empty(), "{:?}", command.links);
    assert!(within.end_time_unix_nano <= command.end_time_unix_nano);
}

pub(crate) fn reloaded() {
    let run = App::new(Plugin::Init, "reloaded").run();
    assert_eq!(run.report["loaded"], 2, "{} {}", run.report, run.stderr);
    let messages = run.messages("main");
    assert_eq!(messages["outbound held page_gone"], 2, "{messages:?}");
    assert_eq!(messages["outbound async_slow ok"], 5, "{messages:?}");
    let loads = run.points("spanwire.page.loads");
    let kinds: Vec<_> = loads
        .iter()
        .filter_map(|point| text(&point.attributes, "spanwire.page.load.type"))
        .collect();
    assert!(kinds.contains(&"first".to_owned()), "{kinds:?}");
    assert!(kinds.contains(&"again".to_owned()), "{kinds:?}");
}

pub(crate) fn crashed() {
    let run = App::new(Plugin::Init, "crashed")
        .variable("OTEL_METRICS_EXPORTER", "prometheus")
        .variable("OTEL_EXPORTER_PROMETHEUS_PORT", "0")
        .run();
    let states = run.report.as_array().expect("what was scraped then");
    // Each of the four states of one page, and no page that is not there.
    assert_eq!(states.len(), 4, "{states:?}");
    let state = |state: &str| {
        let mut lines = states.iter().filter_map(|line| line.as_str());
        let of_state = lines.find(|line| line.contains(&format!("=\"{state}\"")));
        of_state.and_then(|line| line.rsplit(' ').next().map(str::to_owned))
    };
    assert_eq!(
        state("gone").as_deref(),
        Some("1"),
        "{states:?} {}",
        run.stderr
    );
    assert_eq!(state("ready").as_deref(), Some("0"), "{states:?}");
}

/// The spans, by their traces.
struct Traces<'a>(BTreeMap<&'a [u8], Vec<&'a Span>>);

impl<'a> Traces<'a> {
    fn of(spans: &'a [Span]) -> Self {
        let mut traces = BTreeMap::<&[u8], Vec<&Span>>::new();
        for span in spans {
            traces.entry(&span.trace_id).or_default().push(span);
        }
        Self(traces)
    }

    /// Traces in which the command was handled, and ended so.
    fn handled(&self, event: &str, how: &str) -> u64 {
        let kinds = [SpanKind::Server as i32, SpanKind::Consumer as i32];
        let is_it = |span: &&Span| {
            let error = text(&span.attributes, "error.type");
            kinds.contains(&span.kind)
                && span.name == event
                && error.as_deref().unwrap_or("ok") == how
        };
        let traces = self.0.values();
        let with_it = traces.filter(|spans| spans.iter().copied().filter(is_it).count() == 1);
        u64::try_from(with_it.count()).unwrap()
    }

    /// A call's trace has the page's span, the command's within it, and the reply's within that.
    fn each_call_has_one(&self) {
        let mut calls = 0;
        for spans in self.0.values() {
            let of = |kind: SpanKind| {
                let mut found = spans.iter().filter(move |span| span.kind == kind as i32);
                (found.next(), found.next())
            };
            let (Some(server), None) = of(SpanKind::Server) else {
                continue;
            };
            let (Some(client), None) = of(SpanKind::Client) else {
                panic!("no page's span in the trace of {}", server.name);
            };
            assert_eq!(server.parent_span_id, client.span_id, "{}", server.name);
            assert!(client.start_time_unix_nano <= server.start_time_unix_nano);
            if server.name != "async_panic" {
                let (Some(reply), None) = of(SpanKind::Internal) else {
                    panic!("no reply in the trace of {}", server.name);
                };
                assert_eq!(reply.name, format!("reply {}", server.name));
                assert_eq!(reply.parent_span_id, server.span_id);
            }
            calls += 1;
        }
        assert!(calls > 800, "{calls}");
    }

    fn threads_are_right(&self) {
        let threads = |name: &str| -> BTreeSet<_> {
            let spans = self.0.values().flatten();
            let of_name =
                spans.filter(|span| span.kind == SpanKind::Server as i32 && span.name == name);
            let threads = of_name.filter_map(|span| text(&span.attributes, "spanwire.thread"));
            threads.collect()
        };
        for (name, thread) in [
            ("sync_ok", "main"),
            ("sync_slow", "main"),
            ("sync_fail", "main"),
            ("raw_bytes", "main"),
            // Where it was called.
            ("async_slow", "main"),
        ] {
            assert_eq!(threads(name), BTreeSet::from([thread.to_owned()]), "{name}");
        }
    }
}
