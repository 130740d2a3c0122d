//! What is kept, what others are told meanwhile, and whose word holds.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use spanwire::telemetry::{Sampler, TailSampling, Telemetry};
use spanwire::testing::FakeClock;
use spanwire::timer::monitor;

use crate::fixture::{Fixture, SECOND, ms};

/// No trace is kept that neither failed nor was slow.
fn strict() -> TailSampling {
    TailSampling::new().traces_per_second(0)
}

fn remote(flags: TraceFlags) -> SpanContext {
    SpanContext::new(
        TraceId::from(77_u128),
        SpanId::from(7),
        flags,
        true,
        TraceState::NONE,
    )
}

#[test]
fn failed_and_slow_traces_are_exported_and_others_are_not() {
    let fixture = Fixture::new(&FakeClock::new(), strict().slow_after("shown", ms(50)));
    let wire = |name: &'static str, event: &'static str| {
        fixture
            .start(name, None)
            .with(KeyValue::new("rpc.system.name", "spanwire"))
            .with(KeyValue::new("rpc.method", event))
    };
    fixture.start("fine", None).end(ms(999));
    fixture.start("long", None).end(ms(1_000));
    fixture.start("wrong", None).fail();
    wire("send quick", "quick").end(ms(99));
    wire("send late", "late").end(ms(100));
    wire("send shown", "shown").end(ms(50));
    // One span makes the whole trace.
    let root = fixture.start("root", None);
    let child = fixture.start("child", Some(&root.context()));
    fixture.start("grandchild", Some(&child.context())).fail();
    child.end(ms(1));
    root.end(ms(1));
    fixture.flush();
    assert_eq!(
        fixture.names(),
        [
            "child",
            "grandchild",
            "long (slow)",
            "root (error)",
            "send late (slow)",
            "send shown (slow)",
            "wrong (error)",
        ]
    );
}

#[test]
fn an_operation_is_slow_by_its_own_threshold() {
    let fixture = Fixture::new(&FakeClock::new(), strict());
    fixture.run(|| {
        monitor("short_fuse").slow_after(ms(5)).time(|| {
            fixture.clock.advance(ms(5));
            tracing::info_span!("inside").in_scope(|| ());
        });
        monitor("usual").time(|| fixture.clock.advance(ms(5)));
    });
    fixture.flush();
    assert_eq!(fixture.names(), ["inside", "short_fuse (slow)"]);
}

#[test]
fn a_traceparent_injected_before_the_decision_is_not_sampled() {
    let fixture = Fixture::new(&FakeClock::new(), strict());
    let span = fixture.start("wrong", None);
    let mut carrier = HashMap::new();
    let context = Context::new().with_remote_span_context(span.context());
    fixture
        .parts
        .propagator
        .inject_context(&context, &mut carrier);
    assert!(carrier["traceparent"].ends_with("-00"), "{carrier:?}");
    let trace = span.trace();
    span.fail();
    fixture.flush();
    // The receiver was told all the same.
    assert!(fixture.received().contains_key(&trace));
}

#[test]
fn late_spans_follow_the_decision() {
    let fixture = Fixture::new(&FakeClock::new(), strict().hold_max(ms(500)));
    // One that fails and one that does not, each decided while a span is open.
    let (kept, dropped) = (fixture.start("kept", None), fixture.start("dropped", None));
    let kept_child = fixture.start("kept child", Some(&kept.context()));
    let dropped_child = fixture.start("dropped child", Some(&dropped.context()));
    fixture.start("wrong", Some(&kept.context())).fail();
    fixture.clock.advance(ms(500));
    fixture.flush();
    assert_eq!(fixture.names(), ["wrong"]);

    let (of_kept, of_dropped) = (kept.context(), dropped.context());
    for span in [kept, kept_child, dropped, dropped_child] {
        span.end(ms(1));
    }
    let later = fixture.start("later", Some(&of_kept));
    assert!(later.is_sampled(), "kept is what it is now");
    later.end(ms(1));
    let never = fixture.start("never", Some(&of_dropped));
    assert!(!never.is_recording());
    never.fail();
    fixture.flush();
    assert_eq!(
        fixture.names(),
        ["kept (error)", "kept child", "later", "wrong"]
    );
    let counts = fixture.counts();
    assert_eq!(counts["early_total hold_time"], 2);
    assert_eq!(counts["spans_dropped_total late"], 2);
    assert_eq!(counts["traces_total kept error"], 1);
    assert_eq!(counts["traces_total dropped over_rate"], 1);
}

#[test]
fn a_new_span_within_the_late_wait_reopens_the_trace() {
    let fixture = Fixture::new(&FakeClock::new(), strict());
    let root = fixture.start("root", None);
    let context = root.context();
    root.end(ms(1));
    fixture.clock.advance(ms(99));
    let late = fixture.start("late", Some(&context));
    fixture.clock.advance(ms(300));
    late.fail();
    fixture.flush();
    assert_eq!(fixture.names(), ["late", "root (error)"]);
}

#[test]
fn the_decision_of_a_remote_parent_holds() {
    let fixture = Fixture::new(&FakeClock::new(), strict());
    let sampled = fixture.start("sampled", Some(&remote(TraceFlags::SAMPLED)));
    assert!(sampled.is_sampled() && sampled.is_recording());
    let child = fixture.start("child", Some(&sampled.context()));
    child.end(ms(1));
    sampled.end(ms(1));
    let unsampled = fixture.start("unsampled", Some(&remote(TraceFlags::NOT_SAMPLED)));
    assert!(!unsampled.is_recording());
    let child = fixture.start("child of unsampled", Some(&unsampled.context()));
    assert!(!child.is_recording());
    child.fail();
    unsampled.fail();
    fixture.flush();
    assert_eq!(fixture.names(), ["child", "sampled"]);
    assert_eq!(fixture.counts(), Default::default());
}

#[test]
fn a_local_trace_that_returns_as_a_remote_parent_stays_local() {
    let fixture = Fixture::new(&FakeClock::new(), strict());
    let root = fixture.start("root", None);
    let ours = root.context();
    let back = SpanContext::new(
        ours.trace_id(),
        ours.span_id(),
        ours.trace_flags(),
        true,
        TraceState::NONE,
    );
    fixture.start("came back", Some(&back)).fail();
    root.end(ms(1));
    fixture.flush();
    assert_eq!(fixture.names(), ["came back (error)", "root (error)"]);
}

#[test]
fn the_rate_comes_from_the_builder_or_else_from_the_environment() {
    for (environment, tail, expected) in [
        (&[][..], TailSampling::new(), 10),
        (
            &[("SPANWIRE_TRACES_PER_SECOND", "3")],
            TailSampling::new(),
            3,
        ),
        (&[("SPANWIRE_TRACES_PER_SECOND", "3")], strict(), 0),
    ] {
        let fixture = Fixture::with_environment(&FakeClock::new(), tail, environment);
        for _ in 0..20 {
            fixture.start("any", None).end(ms(1));
        }
        fixture.flush();
        assert_eq!(fixture.names().len(), expected, "{environment:?}");
        let told = fixture.names().iter().all(|name| name == "any (rate)");
        assert!(told, "{:?}", fixture.names());
    }
}

#[test]
fn a_standard_sampler_replaces_tail_sampling() {
    for (environment, option, expected) in [
        (Some("always_on"), None, 20),
        (Some("always_off"), None, 0),
        (Some("parentbased_always_on"), None, 20),
        (Some("parentbased_always_off"), None, 0),
        (Some("traceidratio"), None, 20),
        (Some("parentbased_traceidratio"), None, 20),
        (None, None, 0),
        (Some("always_on"), Some(Sampler::Tail), 0),
        (None, Some(Sampler::AlwaysOn), 20),
    ] {
        let receiver = spanwire_testkit::receiver::Receiver::start();
        let mut builder = Telemetry::builder("test")
            .environment(move |name| {
                environment
                    .filter(|_| name == "OTEL_TRACES_SAMPLER")
                    .map(str::to_owned)
            })
            .prometheus_port(0)
            .otlp_endpoint(receiver.url())
            .without_system()
            .tail(strict());
        if let Some(sampler) = option {
            builder = builder.sampler(sampler);
        }
        let (telemetry, parts) = builder.build().unwrap();
        let provider = parts.tracer_provider.as_ref().unwrap();
        let tracer = opentelemetry::trace::TracerProvider::tracer(provider, "test");
        for _ in 0..20 {
            drop(opentelemetry::trace::Tracer::start(&tracer, "any"));
        }
        let report = telemetry.shutdown(30 * SECOND);
        assert_eq!(
            report.spans.exported, expected,
            "{environment:?} {option:?}"
        );
    }
}

#[test]
fn a_shutdown_decides_what_is_still_open_and_counts_it_exactly() {
    let fixture = Fixture::new(&FakeClock::new(), strict());
    let open: Vec<_> = (0..30)
        .map(|_| {
            let root = fixture.start("open", None);
            fixture.start("wrong", Some(&root.context())).fail();
            root
        })
        .collect();
    let fine: Vec<_> = (0..30).map(|_| fixture.start("fine", None)).collect();
    fixture.flush();
    assert_eq!(fixture.names(), Vec::<String>::new());
    let report = fixture.shutdown();
    assert_eq!(report.spans.to_string(), "30 exported, 0 dropped, 0 lost");
    assert_eq!(fixture.names().len(), 30);
    drop((open, fine));
}

#[test]
fn a_burst_of_failures_larger_than_the_queue_waits_for_room() {
    // Nobody ends a span after the burst: all that is left is the worker's tick.
    let fixture = Fixture::with_environment(
        &FakeClock::new(),
        strict().failures_per_minute(u32::MAX),
        &[
            ("OTEL_BSP_MAX_QUEUE_SIZE", "64"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "64"),
        ],
    );
    for _ in 0..500 {
        let root = fixture.start("root", None);
        fixture.start("wrong", Some(&root.context())).fail();
        root.end(ms(1));
    }
    fixture.flush();
    assert_eq!(fixture.names().len(), 1_000);
    for _ in 0..500 {
        fixture.start("wrong", None).fail();
    }
    let report = fixture.shutdown();
    assert_eq!(report.spans.to_string(), "1500 exported, 0 dropped, 0 lost");
}

#[test]
fn a_flood_of_one_failure_does_not_bury_the_others() {
    let fixture = Fixture::new(&FakeClock::new(), strict().failures_per_minute(20));
    for _ in 0..1_500 {
        fixture.start("flood", None).fail();
    }
    let timeout = KeyValue::new("error.type", "timeout");
    for _ in 0..3 {
        fixture.start("rare", None).fail();
        fixture.start("flood", None).with(timeout.clone()).fail();
    }
    fixture.flush();
    let kept = |name| fixture.names().iter().filter(|kept| **kept == name).count();
    assert_eq!((kept("flood (error)"), kept("rare (error)")), (23, 3));
    let counts = fixture.counts();
    assert_eq!(counts["traces_total kept error"], 26);
    assert_eq!(counts["traces_total dropped repeated_error"], 1_480);
    assert_eq!(counts["spans_dropped_total repeated_error"], 1_480);
    // A minute later it may fail as often again.
    fixture.clock.advance(60 * SECOND);
    for _ in 0..1_500 {
        fixture.start("flood", None).fail();
    }
    fixture.flush();
    assert_eq!(fixture.counts()["traces_total kept error"], 46);
}
