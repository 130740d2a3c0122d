//! What is recorded for each event: sizes, ways and waits, and what that costs in series.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use serde_json::json;
use spanwire::ipc::{Call, Ipc};
use spanwire::semconv::OTHER_NAMES_MAX;
use spanwire::telemetry::Telemetry;
use spanwire::testing::Capture;
use spanwire_testkit::local_recorder::with_recorder_of;
use spanwire_testkit::model_page::ModelPage;
use spanwire_testkit::scrape::scrape;
use spanwire_testkit::stamped_page::StampedPage;

fn told(capture: &Capture, metric: &str, event: &str, direction: &str) -> (u64, f64) {
    let mut labels = vec![("spanwire.ipc.event", event)];
    if !direction.is_empty() {
        labels.push(("spanwire.ipc.direction", direction));
    }
    capture.histogram(&format!("spanwire.ipc.event.{metric}"), &labels)
}

#[test]
fn a_large_reply_and_a_long_way_are_those_of_their_event() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        let export = |_: &Call| Ok::<_, Infallible>("x".repeat(1_000_000));
        ipc.on("export", export).unwrap();
        ipc.on("save", |_: &Call| ()).unwrap();
        let mut page = StampedPage::load(&capture, &ipc);
        page.call(&ipc, "export", None);
        page.call(&ipc, "save", None);
        capture.clock().advance(Duration::from_millis(40));
        page.pump(&ipc);
        assert_eq!(
            told(&capture, "size", "export", "outbound"),
            (1, 1_000_002.0)
        );
        assert_eq!(told(&capture, "size", "save", "outbound"), (1, 4.0));
        assert_eq!(told(&capture, "size", "save", "inbound"), (1, 4.0));
        let (count, seconds) = told(&capture, "wait.duration", "save", "");
        assert_eq!(count, 1);
        assert!((0.04..0.05).contains(&seconds), "{seconds}");
        for direction in ["inbound", "outbound"] {
            let (count, seconds) = told(&capture, "transit.duration", "save", direction);
            assert_eq!(count, 1, "{direction}");
            // A millisecond, by a clock with steps of one.
            assert!((0.0..0.004).contains(&seconds), "{direction}: {seconds}");
        }
    });
}

#[test]
fn what_the_page_refuses_and_what_it_does_not_hear_is_counted_by_event() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        ipc.on("save", |_: &Call| ()).unwrap();
        let page = ModelPage::load(&ipc, "p1");
        let refused = |of: &str, event: &str, count: u32| json!({"kind": "refused", "of": of, "type": "too_large", "event": event, "count": count});
        page.send(
            &ipc,
            &[
                refused("event", "save", 3),
                refused("call", "save", 2),
                refused("event", "autosave", 1),
                json!({"kind": "refused", "of": "call", "type": "page_shed", "event": "save", "count": 4}),
                json!({"kind": "refused", "of": "record", "type": "invalid_name", "count": 5}),
                json!({"kind": "unheard", "event": "progress", "count": 7}),
            ],
        );
        let messages = |event: &str, error: &str, outcome: &str| {
            let labels = [
                ("spanwire.ipc.event", event),
                ("error.type", error),
                ("spanwire.ipc.direction", "inbound"),
                ("spanwire.outcome", outcome),
            ];
            capture.counter("spanwire.ipc.messages", &labels)
        };
        assert_eq!(messages("save", "too_large", "failed"), 5);
        assert_eq!(messages("autosave", "too_large", "failed"), 1);
        assert_eq!(messages("save", "page_shed", "dropped"), 4);
        let errors = [("error.type", "invalid_name")];
        assert_eq!(capture.counter("spanwire.page.errors", &errors), 5);
        let unheard = |event: &str| {
            let labels = [("spanwire.ipc.event", event)];
            capture.counter("spanwire.ipc.events.unheard", &labels)
        };
        assert_eq!(unheard("progress"), 7);
        // A hostile page makes no more series than the caps allow.
        for n in 0..1_000 {
            let name = format!("made.up.{n}");
            page.send(&ipc, &[json!({"kind": "unheard", "event": name, "count": 1})]);
        }
        let series = capture.metrics();
        let series = series
            .lines()
            .filter(|line| line.starts_with("spanwire.ipc.events.unheard"));
        // `autosave` has one of the places, and `_OTHER` is one more.
        assert_eq!(series.count(), OTHER_NAMES_MAX);
        assert!(unheard("_OTHER") > 900);
    });
}

#[test]
fn errors_of_listeners_are_counted_by_event_and_no_others() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        ipc.on("save", |_: &Call| ()).unwrap();
        let page = ModelPage::load(&ipc, "p1");
        let threw = |event: &str| json!({"kind": "error", "type": "listener_error", "event": event});
        page.send(
            &ipc,
            &[
                threw("progress"),
                threw("progress"),
                threw("save"),
                // What may be no name takes no place.
                threw("\u{200b}"),
                threw(""),
                // Of a script that does not name it.
                json!({"kind": "error", "type": "listener_error"}),
                json!({"kind": "error", "type": "listener_error", "event": null}),
                json!({"kind": "error", "type": "uncaught", "event": "progress"}),
            ],
        );
        let errors = |capture: &Capture| {
            let metrics = capture.metrics();
            let lines = metrics.lines().map(str::trim);
            let lines = lines.filter(|line| line.starts_with("spanwire.page.errors"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(
            errors(&capture),
            [
                r#"spanwire.page.errors{error.type="listener_error",spanwire.ipc.event="_OTHER",spanwire.webview.name="main"} 2"#,
                r#"spanwire.page.errors{error.type="listener_error",spanwire.ipc.event="progress",spanwire.webview.name="main"} 2"#,
                r#"spanwire.page.errors{error.type="listener_error",spanwire.ipc.event="save",spanwire.webview.name="main"} 1"#,
                r#"spanwire.page.errors{error.type="listener_error",spanwire.webview.name="main"} 2"#,
                r#"spanwire.page.errors{error.type="uncaught",spanwire.webview.name="main"} 1"#,
            ]
        );
        // A hostile page makes no more series than the caps allow.
        for n in 0..1_000 {
            page.send(&ipc, &[threw(&format!("made.up.{n}"))]);
        }
        let series = errors(&capture);
        // `progress` has one of the places; `save`, `_OTHER` and the two without an event are more.
        assert_eq!(series.len(), OTHER_NAMES_MAX + 4);
        let other = [("spanwire.ipc.event", "_OTHER")];
        assert!(capture.counter("spanwire.page.errors", &other) > 900);
    });
}

/// The series of one webview on `/metrics`, by metric.
fn series(use_wire: impl FnOnce(&Capture)) -> BTreeMap<String, usize> {
    let capture = Capture::new();
    let (telemetry, parts) = Telemetry::builder("series")
        .environment(|_| None)
        .prometheus_port(0)
        .without_system()
        .build()
        .unwrap();
    capture.run(|| with_recorder_of(&parts, || use_wire(&capture)));
    let mut counts = BTreeMap::new();
    for sample in scrape(telemetry.prometheus_addr().unwrap()) {
        if !sample.label("spanwire_webview_name").is_empty()
            || sample.label("spanwire_queue_name") == "main"
        {
            *counts.entry(sample.name).or_insert(0) += 1;
        }
    }
    telemetry.shutdown(Duration::from_secs(5));
    counts
}

/// What a webview has since an on-call engineer asked for it.
const NEW: [&str; 10] = [
    "spanwire_ipc_call_duration_seconds",
    "spanwire_ipc_call_active",
    "spanwire_ipc_call_age_seconds",
    "spanwire_ipc_in_flight",
    "spanwire_ipc_event_size_bytes",
    "spanwire_ipc_event_transit_duration_seconds",
    "spanwire_ipc_event_wait_duration_seconds",
    "spanwire_page_age_seconds",
    "spanwire_page_visible",
    "spanwire_page_inert",
];

#[test]
fn one_webview_with_twenty_events_has_at_most_a_third_more_series() {
    type Use = fn(&Ipc, &mut StampedPage, &str);
    let uses: [(&str, Use); 3] = [
        ("calls", |ipc, page, event| {
            page.call(ipc, event, None);
            spanwire::publish();
            page.pump(ipc);
        }),
        ("events from the page", |ipc, page, event| {
            let id = page.page.take_id();
            let event = json!({"kind": "event", "id": id, "event": event, "at": page.now()});
            page.send(ipc, &[event]);
        }),
        ("events to the page", |ipc, page, event| {
            ipc.emit(event, &1).unwrap();
            page.pump(ipc);
        }),
    ];
    for (what, use_event) in uses {
        let counts = series(|capture| {
            let ipc = Ipc::builder("main").build();
            let mut page = StampedPage::load(capture, &ipc);
            for n in 0..20 {
                let event = format!("event{n}");
                ipc.on(&event, |_: &Call| ()).unwrap();
                use_event(&ipc, &mut page, &event);
            }
            spanwire::publish();
        });
        let is_new = |name: &str| NEW.iter().any(|new| name.starts_with(new));
        let sum = |of: &dyn Fn(&str) -> bool| -> usize {
            let counted = counts.iter().filter(|(name, _)| of(name));
            counted.map(|(_, count)| count).sum()
        };
        let before = sum(&|name| !is_new(name));
        let after = sum(&|_| true);
        println!("{what}: {before} series before, {after} after");
        assert!(before > 300, "{what}: {counts:?}");
        assert!(3 * after <= 4 * before, "{what}: {before} and {after}");
    }
}
