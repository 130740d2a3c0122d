//! An app that says more than it should, and a page that sends more than it should. Each secret has
//! a name of its own, so that a failure says which path it took.

use std::fmt;
use std::io::Write;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use spanwire::ipc::{Call, Ipc, IpcMessage, PageEvents};
use spanwire::queue::MessageQueue;
use spanwire::telemetry::{Exporter, MetricsExporter, Sampler, Telemetry};
use spanwire::timer::{ScopedTimer, monitor};

use spanwire_testkit::model_page::ModelPage;
use spanwire_testkit::scrape::scrape_as;

/// With the hook that removes every secret.
pub(crate) const REDACTED: &str = "SPANWIRE_TEST_REDACTED";
/// With a hook that panics at every secret.
pub(crate) const PANICKING: &str = "SPANWIRE_TEST_PANICKING";
/// Where it spools.
pub(crate) const FOLDER: &str = "SPANWIRE_TEST_FOLDER";

/// Everything that can be said is said; then all is flushed, and what a person would see is printed.
pub(crate) fn run() {
    // The default one prints what the app's panics say, which is the app's.
    std::panic::set_hook(Box::new(|_| {
        let _ = writeln!(std::io::stderr(), "a panic");
    }));
    let mut builder = Telemetry::builder("leaky")
        .prometheus_port(0)
        .metrics(MetricsExporter::PrometheusAndOtlp)
        .logs(Exporter::Otlp)
        .traces(Exporter::Otlp)
        .sampler(Sampler::ParentBasedAlwaysOn)
        .otlp_timeout(Duration::from_secs(5))
        .otlp_header("x-token", "s3cr3t-header")
        .resource_attribute("team", "s3cr3t-resource-attribute")
        .without_system();
    if let Some(folder) = std::env::var_os(FOLDER) {
        builder = builder.spool_dir(folder);
    }
    if std::env::var_os(REDACTED).is_some() {
        builder = builder.redact(|field| {
            let key = field.key().unwrap_or_default();
            if field.text().contains("s3cr3t") || key.contains("s3cr3t") {
                field.remove();
            }
        });
    }
    if std::env::var_os(PANICKING).is_some() {
        builder = builder.redact(|field| {
            let text = field.text();
            assert!(!text.contains("s3cr3t"), "the hook shows {text}");
        });
    }
    show(&builder);
    let telemetry = builder.install().unwrap();
    for warning in telemetry.warnings() {
        show(&warning);
        println!("{warning}");
    }

    let ipc = Ipc::builder("main")
        .page_events(PageEvents::SpanwireAndPlain)
        .page_spans(telemetry.page_spans())
        .build();
    handlers(&ipc);
    let mut page = ModelPage::load(&ipc, "p1");
    well_formed(&ipc, &mut page);
    wrong_types(&ipc, &mut page);
    hostile(&ipc, &mut page);
    to_the_page(&ipc, &mut page);
    sdk_spans(&ipc, &page);
    own_words();
    page.pump(&ipc);
    show(&ipc);
    println!("{} {:?}", ipc.metrics(), ipc.metrics());

    // With a collector that is away it is not complete, which is fine.
    let flushed = telemetry.flush(Duration::from_secs(20));
    println!("{flushed:?}");
    let addr = telemetry.prometheus_addr().unwrap();
    for accept in ["text/plain", "application/openmetrics-text;version=1.0.0"] {
        let (media_type, text) = scrape_as(addr, accept);
        println!("{media_type}\n{text}");
    }
    show(&telemetry);
    let report = telemetry.shutdown(Duration::from_secs(20));
    println!("{report}\n{report:?}");
}

fn show(what: &impl fmt::Debug) {
    println!("{what:?}");
}

fn handlers(ipc: &Ipc) {
    ipc.on("save", |call: &Call<'_>| save(call)).unwrap();
    ipc.on("old", |call: &Call<'_>| -> Result<u32, serde_json::Error> {
        Ok(call.data()?)
    })
    .unwrap();
    ipc.on(
        "boxed",
        |call: &Call<'_>| -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
            Ok(call.data()?)
        },
    )
    .unwrap();
    ipc.on("monitored", |call: &Call<'_>| {
        monitor("load").run(|| call.data::<u32>())
    })
    .unwrap();
    ipc.on("unwraps", |call: &Call<'_>| {
        let _: u32 = call.data().unwrap();
    })
    .unwrap();
    ipc.on(
        "reply",
        |call: &Call<'_>| -> Result<String, std::convert::Infallible> {
            Ok(call.json().to_owned())
        },
    )
    .unwrap();
    // The app's own words.
    ipc.on("quotes", |call: &Call<'_>| -> Result<(), String> {
        Err(format!("cannot save {}", call.json()))
    })
    .unwrap();
    ipc.on("panics", |call: &Call<'_>| -> () {
        panic!("cannot save {}", call.json());
    })
    .unwrap();
}

/// `instrument` records the arguments by their `Debug`.
#[tracing::instrument]
fn save(call: &Call<'_>) -> Result<u32, spanwire::ipc::DataError> {
    tracing::info!(?call, "saving");
    call.data()
}

/// What is on the wire in the right form, with payloads that no handler reads.
fn well_formed(ipc: &Ipc, page: &mut ModelPage) {
    for event in ["save", "old", "boxed", "monitored", "unwraps"] {
        page.call(ipc, event, json!("s3cr3t-payload-text"));
        page.call(
            ipc,
            event,
            json!({"s3cr3t-payload-key": "s3cr3t-payload-value"}),
        );
        page.emit(ipc, event, json!(["s3cr3t-payload-event"]));
    }
    page.call(ipc, "reply", json!("s3cr3t-reply"));
    page.call(ipc, "nobody.listens", json!("s3cr3t-unheard"));
    page.call(ipc, "quotes", json!("s3cr3t-app-error"));
    page.call(ipc, "panics", json!("s3cr3t-app-panic"));
    let plain = r#"{"type":"event","event":"save","detail":{"a":"s3cr3t-plain-detail"}}"#;
    let _ = ipc.receive(plain, None);
    let message = IpcMessage::call("save", "s3cr3t-message", 1).unwrap();
    println!("{message:?}");
    ipc.handle_message(&message);
    // Names that are allowed are shown, up to a cap.
    page.call(ipc, "s3cr3t-name-event", json!(1));
    let messages = [
        json!({"kind": "record", "name": "s3cr3t-name-measurement", "value": 1}),
        json!({"kind": "open", "span": 1, "name": "s3cr3t-name-span", "at": 1}),
        json!({"kind": "close", "span": 1, "at": 2}),
    ];
    // A page whose clock is not known has no spans.
    let stamped = page
        .batch(&messages)
        .replace(r#","messages""#, r#","sent":3,"messages""#);
    let _ = ipc.receive(&stamped, None);
}

/// Every message with a text in the place of every one of its fields.
fn wrong_types(ipc: &Ipc, page: &mut ModelPage) {
    let messages = [
        json!({"kind": "call", "id": 900, "event": "save", "data": 1, "traceparent": "", "at": 1, "span": 1}),
        json!({"kind": "event", "id": 901, "event": "save", "data": 1}),
        json!({"kind": "ack", "ids": [[1, 1]], "failed": [1], "at": 1, "done": 2, "ran": [[1, 1, 2]]}),
        json!({"kind": "cancel", "id": 1, "at": 1, "code": "TIMEOUT"}),
        json!({"kind": "pong", "id": 1, "at": 1}),
        json!({"kind": "shed", "count": 1}),
        json!({"kind": "error", "type": "uncaught", "data": "s3cr3t-page-error-data", "name": "s3cr3t-page-error-name"}),
        json!({"kind": "open", "span": 2, "parent": 1, "name": "a", "at": 1}),
        json!({"kind": "close", "span": 2, "at": 1, "outcome": "failed"}),
        json!({"kind": "vital", "name": "fcp", "rating": "good", "value": 1}),
        json!({"kind": "record", "name": "a", "value": 1, "unit": "s", "category": "b"}),
        json!({"kind": "spans", "count": 1, "data": {}, "type": "malformed"}),
    ];
    for message in messages {
        let keys: Vec<String> = message.as_object().unwrap().keys().cloned().collect();
        for key in keys {
            let mut wrong = message.clone();
            wrong[&key] = json!("s3cr3t wrong type\u{202e}");
            page.send(ipc, &[wrong]);
        }
    }
    page.send(
        ipc,
        &[
            json!("s3cr3t wrong message"),
            json!({"s3cr3t wrong key": 1}),
        ],
    );
}

/// What no page of the app's would send.
fn hostile(ipc: &Ipc, page: &mut ModelPage) {
    page.call(ipc, "s3cr3t invalid event\u{202e}", json!(1));
    for message in [
        json!({"kind": "record", "name": "s3cr3t invalid measurement\u{202e}", "value": 1}),
        json!({"kind": "record", "name": "a", "value": 1, "unit": "s3cr3t invalid unit\u{202e}"}),
        json!({"kind": "record", "name": "a", "value": 1, "category": "s3cr3t invalid category\u{202e}"}),
        json!({"kind": "open", "span": 3, "name": "s3cr3t invalid span\u{202e}"}),
        json!({"kind": "event", "id": 902, "event": "save", "traceparent": "s3cr3t-traceparent"}),
    ] {
        page.send(ipc, &[message]);
    }
    for text in [
        r#"{"spanwire":1,"nonce":"s3cr3t-nonce","page":"p1","messages":[]}"#.to_owned(),
        r#"{"spanwire":"s3cr3t-version","#.to_owned(),
        r#"{"type":"event","event":"s3cr3t plain name\u202e"}"#.to_owned(),
        r#"{"type":"event","s3cr3t-plain-text"#.to_owned(),
        page.batch(&[json!({"kind": "ready"})])
            .replace("\"p1\"", "\"S3CR3T s3cr3t-page-id\""),
    ] {
        let _ = ipc.receive(&text, None);
        // And from another address.
        let _ = ipc.receive(&text, Some("https://s3cr3t-origin.example"));
    }
    let _ = ipc.receive_bytes(b"{\"spanwire\":1,\"s3cr3t-bytes\xff\"", None);
    println!("{:?}", ipc.page_ready("s3cr3t page id"));
}

fn to_the_page(ipc: &Ipc, page: &mut ModelPage) {
    ipc.emit("told", "s3cr3t-emit").unwrap();
    ipc.emit_latest("latest", "s3cr3t-latest").unwrap();
    ipc.emit_replay("replayed", "s3cr3t-replay").unwrap();
    ipc.eval("console.log('s3cr3t-eval')").unwrap();
    for refused in [
        ipc.emit("s3cr3t invalid name\u{202e}", "s3cr3t-refused"),
        ipc.emit("large", &"s3cr3t-large ".repeat(8 << 20)),
    ] {
        let error = refused.unwrap_err();
        tracing::warn!(%error, ?error, "refused");
        println!("{error} {error:?}");
        let _ = monitor("refused").run(|| Err::<(), _>(error));
    }
    while let Some(script) = ipc.next_script() {
        println!("{script:?}");
        let ack = page.run(&script, spanwire_testkit::model_page::Eval::Throws);
        page.send(ipc, &Vec::from_iter(ack));
    }
    ipc.emit("failing", "s3cr3t-not-evaluated").unwrap();
    while let Some(script) = ipc.next_script() {
        ipc.evaluation_failed(script);
    }
    let queue = MessageQueue::bounded("jobs", 1);
    queue.push("s3cr3t-queued").unwrap();
    let full = queue.push("s3cr3t-not-queued").unwrap_err();
    tracing::warn!(error = %full, debug = ?full, "full");
    show(&queue);
}

/// What an SDK in the page says is exported, since the app takes its spans.
fn sdk_spans(ipc: &Ipc, page: &ModelPage) {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let span = json!({
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": "b7ad6b7169203331",
        "traceState": "vendor=s3cr3t-sdk-state",
        "name": "s3cr3t-sdk-name",
        "kind": 1,
        "startTimeUnixNano": now.to_string(),
        "endTimeUnixNano": now.to_string(),
        "attributes": [text("form", "s3cr3t-sdk-attribute"), text("s3cr3t-sdk-key", "a")],
        "events": [{"name": "s3cr3t-sdk-event-name", "timeUnixNano": now.to_string(),
            "attributes": [text("form", "s3cr3t-sdk-event-attribute")]}],
        "links": [{"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "00000000000000ff",
            "traceState": "vendor=s3cr3t-sdk-link-state",
            "attributes": [text("form", "s3cr3t-sdk-link-attribute")]}],
        "status": {"code": 2, "message": "s3cr3t-sdk-status"},
        "flags": 0x101,
    });
    let request = |span: Value| {
        json!({"resourceSpans": [{
            "resource": {"attributes": [text("user", "s3cr3t sdk resource")]},
            "scopeSpans": [{
                "scope": {"name": "s3cr3t-sdk-scope", "version": "s3cr3t-sdk-version"},
                "spans": [span],
            }],
        }]})
    };
    let send = |data: Value| page.send(ipc, &[json!({"kind": "spans", "count": 1, "data": data})]);
    send(request(span.clone()));
    for key in span.as_object().unwrap().keys() {
        let mut wrong = span.clone();
        // Whatever it should be, it is not this.
        wrong[key] = json!({"s3cr3t sdk wrong": ["s3cr3t sdk wrong"]});
        send(request(wrong));
    }
    send(json!("s3cr3t sdk request"));
}

/// What the app itself writes into its telemetry.
fn own_words() {
    let span = tracing::info_span!(
        "work",
        field = "s3cr3t-app-attribute",
        otel.status_code = "error",
        otel.status_description = "s3cr3t-app-status",
    );
    span.in_scope(|| {
        tracing::info!(field = "s3cr3t-app-field", "a body with s3cr3t-app-body");
    });
    let mut timer = ScopedTimer::start("save");
    timer.field("path", "s3cr3t-app-context");
    timer.fail_as("Full", "no room for s3cr3t-app-operation");
}
