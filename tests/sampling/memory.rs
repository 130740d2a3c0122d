//! What is held is bounded in number, and so in bytes.

use std::hint::black_box;
use std::sync::Arc;

use allocation_counter::measure;
use opentelemetry::trace::{Span as _, SpanBuilder, SpanContext, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use spanwire::telemetry::TailSampling;
use spanwire::testing::FakeClock;

use crate::fixture::{Fixture, ms};

const SPANS: usize = 10_000;
const TRACES: usize = 5_000;

/// A span as the wire makes them: three attributes and three events.
fn wire_span(fixture: &Fixture, parent: &SpanContext, event: &Arc<str>) {
    let now = fixture.now();
    let span = SpanBuilder::from_name(["send ", event].concat())
        .with_start_time(now)
        .with_attributes([
            KeyValue::new("rpc.system.name", "spanwire"),
            KeyValue::new("rpc.method", Arc::clone(event)),
            KeyValue::new("spanwire.webview.name", Arc::clone(event)),
        ]);
    let parent = Context::new().with_remote_span_context(parent.clone());
    let mut span = fixture.tracer.build_with_context(span, &parent);
    for event in ["dequeued", "dispatched", "acknowledged"] {
        span.add_event_with_timestamp(event, now, Vec::new());
    }
    span.end_with_timestamp(now + ms(1));
}

#[test]
fn undecided_spans_are_bounded_in_bytes() {
    let event: Arc<str> = "assets.search".into();
    let fixture = Fixture::new(&FakeClock::new(), TailSampling::new().traces_per_second(0));
    let mut roots = Vec::with_capacity(TRACES);
    let begun = measure(|| roots.extend((0..TRACES).map(|_| fixture.start("root", None))));
    let contexts: Vec<_> = roots.iter().map(|root| root.context()).collect();
    // As many spans as are held at most: two in each trace.
    let filled = measure(|| {
        for context in &contexts {
            wire_span(&fixture, context, &event);
            wire_span(&fixture, context, &event);
        }
    });
    let counts = fixture.counts();
    assert_eq!(
        (counts["traces_held"], counts["spans_held"]),
        (5_000, 10_000)
    );
    let per_trace = begun.bytes_current / TRACES as i64;
    let per_span = filled.bytes_current / SPANS as i64;
    println!("{per_trace} bytes for a trace with its open root, {per_span} for an ended span");
    assert!(per_trace < 250, "{per_trace}");
    assert!(per_span < 1_000, "{per_span}");

    // However many more come, nothing grows: each that comes in lets one out.
    let more = measure(|| {
        for _ in 0..5 {
            for _ in 0..TRACES {
                let root = fixture.start("root", None);
                wire_span(&fixture, &root.context(), &event);
                wire_span(&fixture, &root.context(), &event);
                root.end(ms(1));
            }
        }
    });
    let counts = fixture.counts();
    assert!(
        counts["traces_held"] <= 5_000 && counts["spans_held"] <= 10_000,
        "{counts:?}"
    );
    // The verdicts that are remembered are all that came on top.
    let verdicts = more.bytes_current;
    println!(
        "{verdicts} bytes for the verdicts, {} at most meanwhile",
        more.bytes_max
    );
    assert!(more.bytes_max < 500_000, "{more:?}");
    drop(black_box(roots));
}
