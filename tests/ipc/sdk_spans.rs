//! Spans of the page's own OpenTelemetry SDK, as far as the wire has to do with them.

use std::sync::{Arc, Mutex};

use serde_json::json;
use spanwire::ipc::{Ipc, PageSpanRequest, PageSpanSink, PageSpansRefused};
use spanwire::testing::Capture;

use spanwire_testkit::model_page::ModelPage;

/// Keeps what it is given, or answers as it is told to.
#[derive(Clone, Default)]
struct Sink {
    taken: Arc<Mutex<Vec<String>>>,
    refuses: Option<PageSpansRefused>,
    panics: bool,
}

impl PageSpanSink for Sink {
    fn take(&self, request: PageSpanRequest<'_>) -> Result<(), PageSpansRefused> {
        assert!(!self.panics, "the app's own");
        if let Some(refused) = self.refuses {
            return Err(refused);
        }
        let (webview, spans, json) = (request.webview(), request.spans(), request.json());
        let line = format!("{webview} {spans} {json}");
        self.taken.lock().unwrap().push(line);
        Ok(())
    }
}

fn lost(capture: &Capture, outcome: &str, error: &str) -> u64 {
    let labels = [
        ("spanwire.webview.name", "main"),
        ("spanwire.outcome", outcome),
        ("error.type", error),
    ];
    capture.counter("spanwire.page.spans", &labels)
}

#[test]
fn a_sink_gets_requests_unchanged_and_they_are_not_messages() {
    let capture = Capture::new();
    let sink = Sink::default();
    capture.run(|| {
        let ipc = Ipc::builder("main").page_spans(sink.clone()).build();
        let page = ModelPage::load(&ipc, "p1");
        // More than the page has credits.
        for n in 0..1_500 {
            let data = json!({"resourceSpans": [n, "é"]});
            page.send(
                &ipc,
                &[json!({"kind": "spans", "count": 3, "data": data.clone()})],
            );
        }
        let metrics = ipc.metrics();
        assert_eq!((metrics.messages_received, metrics.messages_open), (0, 0));
    });
    let taken = sink.taken.lock().unwrap();
    assert_eq!(taken.len(), 1_500);
    assert_eq!(taken[7], r#"main 3 {"resourceSpans":[7,"é"]}"#);
    let metrics = capture.metrics();
    for other in [
        "spanwire.page.spans",
        "spanwire.ipc.messages",
        "spanwire.page.errors",
    ] {
        assert!(!metrics.contains(other), "{metrics}");
    }
}

#[test]
fn refused_requests_are_counted_with_their_reason() {
    let capture = Capture::new();
    capture.run(|| {
        let send = |ipc: &Ipc, message: serde_json::Value| {
            ModelPage::load(ipc, "p1").send(ipc, &[message]);
        };
        let request = |count: u32| json!({"kind": "spans", "count": count, "data": {}});
        let plain = Ipc::builder("main").build();
        assert!(plain.page_script().contains(r#""spans":false"#));
        send(&plain, request(3));
        let plain = Ipc::builder("main").build();
        send(&plain, json!({"kind": "spans", "count": 4}));

        let with = |sink: Sink| Ipc::builder("main").page_spans(sink).build();
        assert!(
            with(Sink::default())
                .page_script()
                .contains(r#""spans":true"#)
        );
        for (count, why) in [(5, "malformed"), (6, "too_large"), (7, "page_shed")] {
            let told = json!({"kind": "spans", "count": count, "type": why});
            send(&with(Sink::default()), told);
        }
        // Neither spans nor a reason.
        send(
            &with(Sink::default()),
            json!({"kind": "spans", "count": 10}),
        );
        for (count, refused) in [
            (11, PageSpansRefused::QueueFull),
            (12, PageSpansRefused::Shutdown),
            (13, PageSpansRefused::Off),
        ] {
            let refuses = Some(refused);
            let sink = Sink {
                refuses,
                ..Sink::default()
            };
            send(&with(sink), request(count));
        }
        let panics = Sink {
            panics: true,
            ..Sink::default()
        };
        send(&with(panics), request(20));
    });
    for (outcome, error, spans) in [
        ("failed", "not_accepted", 3 + 4),
        ("failed", "malformed", 5 + 10),
        ("failed", "too_large", 6),
        ("dropped", "page_shed", 7),
        ("dropped", "queue_full", 11),
        ("dropped", "shutdown", 12),
        ("dropped", "off", 13 + 20),
    ] {
        assert_eq!(lost(&capture, outcome, error), spans, "{error}");
    }
}

#[test]
fn spans_of_a_replaced_or_forged_page_are_refused() {
    let capture = Capture::new();
    let sink = Sink::default();
    capture.run(|| {
        let ipc = Ipc::builder("main").page_spans(sink.clone()).build();
        let before = ModelPage::load(&ipc, "p1");
        let _now = ModelPage::load(&ipc, "p2");
        let spans = json!({"kind": "spans", "count": 1, "data": {}});
        before.send(&ipc, std::slice::from_ref(&spans));
        let forged = before.batch(&[spans]).replace(ipc.nonce(), "0");
        let _ = ipc.receive(&forged, None);
    });
    assert!(sink.taken.lock().unwrap().is_empty());
    let stale = [("error.type", "stale_generation")];
    assert_eq!(capture.counter("spanwire.page.errors", &stale), 1);
}
