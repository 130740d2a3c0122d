//! What is kept, what others are told meanwhile, and whose word holds.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use spanwire::telemetry::{Sampler, TailSampling, Telemetry};
use spanwire::testing::FakeClock;
use spanwire::timer::monitor;

use crate::rig::{Rig, SECOND, ms};

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
fn failed_and_slow_traces_arrive_and_others_do_not() {
    let rig = Rig::new(&FakeClock::new(), strict().slow_after("shown", ms(50)));
    let wire = |name: &'static str, event: &'static str| {
        rig.start(name, None)
            .with(KeyValue::new("rpc.system.name", "spanwire"))
            .with(KeyValue::new("rpc.method", event))
    };
    rig.start("fine", None).end(ms(999));
    rig.start("long", None).end(ms(1_000));
    rig.start("wrong", None).fail();
    wire("send quick", "quick").end(ms(99));
    wire("send late", "late").end(ms(100));
    wire("send shown", "shown").end(ms(50));
    // One span makes the whole trace.
    let root = rig.start("root", None);
    let child = rig.start("child", Some(&root.context()));
    rig.start("grandchild", Some(&child.context())).fail();
    child.end(ms(1));
    root.end(ms(1));
    rig.flush();
    assert_eq!(
        rig.names(),
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
    let rig = Rig::new(&FakeClock::new(), strict());
    rig.run(|| {
        monitor("short_fuse").slow_after(ms(5)).time(|| {
            rig.clock.advance(ms(5));
            tracing::info_span!("inside").in_scope(|| ());
        });
        monitor("usual").time(|| rig.clock.advance(ms(5)));
    });
    rig.flush();
    assert_eq!(rig.names(), ["inside", "short_fuse (slow)"]);
}

#[test]
fn what_is_injected_before_the_decision_says_not_sampled() {
    let rig = Rig::new(&FakeClock::new(), strict());
    let span = rig.start("wrong", None);
    let mut carrier = HashMap::new();
    let context = Context::new().with_remote_span_context(span.context());
    rig.parts.propagator.inject_context(&context, &mut carrier);
    assert!(carrier["traceparent"].ends_with("-00"), "{carrier:?}");
    let trace = span.trace();
    span.fail();
    rig.flush();
    // The receiver was told all the same.
    assert!(rig.received().contains_key(&trace));
}

#[test]
fn spans_that_come_late_follow_the_decision() {
    let rig = Rig::new(&FakeClock::new(), strict().hold_max(ms(500)));
    // One that fails and one that does not, each decided while a span is open.
    let (kept, dropped) = (rig.start("kept", None), rig.start("dropped", None));
    let kept_child = rig.start("kept child", Some(&kept.context()));
    let dropped_child = rig.start("dropped child", Some(&dropped.context()));
    rig.start("wrong", Some(&kept.context())).fail();
    rig.clock.advance(ms(500));
    rig.flush();
    assert_eq!(rig.names(), ["wrong"]);

    let (of_kept, of_dropped) = (kept.context(), dropped.context());
    for span in [kept, kept_child, dropped, dropped_child] {
        span.end(ms(1));
    }
    let later = rig.start("later", Some(&of_kept));
    assert!(later.is_sampled(), "kept is what it is now");
    later.end(ms(1));
    let never = rig.start("never", Some(&of_dropped));
    assert!(!never.is_recording());
    never.fail();
    rig.flush();
    assert_eq!(
        rig.names(),
        ["kept (error)", "kept child", "later", "wrong"]
    );
    let counts = rig.counts();
    assert_eq!(counts["early_total hold_time"], 2);
    assert_eq!(counts["spans_dropped_total late"], 2);
    assert_eq!(counts["traces_total kept error"], 1);
    assert_eq!(counts["traces_total dropped over_rate"], 1);
}

#[test]
fn a_new_span_within_the_late_wait_reopens_the_trace() {
    let rig = Rig::new(&FakeClock::new(), strict());
    let root = rig.start("root", None);
    let context = root.context();
    root.end(ms(1));
    rig.clock.advance(ms(99));
    let late = rig.start("late", Some(&context));
    rig.clock.advance(ms(300));
    late.fail();
    rig.flush();
    assert_eq!(rig.names(), ["late", "root (error)"]);
}

#[test]
fn what_others_decided_holds() {
    let rig = Rig::new(&FakeClock::new(), strict());
    let sampled = rig.start("sampled", Some(&remote(TraceFlags::SAMPLED)));
    assert!(sampled.is_sampled() && sampled.is_recording());
    let child = rig.start("child", Some(&sampled.context()));
    child.end(ms(1));
    sampled.end(ms(1));
    let unsampled = rig.start("unsampled", Some(&remote(TraceFlags::NOT_SAMPLED)));
    assert!(!unsampled.is_recording());
    let child = rig.start("child of unsampled", Some(&unsampled.context()));
    assert!(!child.is_recording());
    child.fail();
    unsampled.fail();
    rig.flush();
    assert_eq!(rig.names(), ["child", "sampled"]);
    assert_eq!(rig.counts(), Default::default());
}

#[test]
fn a_trace_of_ours_that_comes_back_from_outside_is_still_ours() {
    let rig = Rig::new(&FakeClock::new(), strict());
    let root = rig.start("root", None);
    let ours = root.context();
    let back = SpanContext::new(
        ours.trace_id(),
        ours.span_id(),
        ours.trace_flags(),
        true,
        TraceState::NONE,
    );
    rig.start("came back", Some(&back)).fail();
    root.end(ms(1));
    rig.flush();
    assert_eq!(rig.names(), ["came back (error)", "root (error)"]);
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
        let rig = Rig::with_environment(&FakeClock::new(), tail, environment);
        for _ in 0..20 {
            rig.start("any", None).end(ms(1));
        }
        rig.flush();
        assert_eq!(rig.names().len(), expected, "{environment:?}");
        let told = rig.names().iter().all(|name| name == "any (rate)");
        assert!(told, "{:?}", rig.names());
    }
}

#[test]
fn a_standard_sampler_takes_its_place() {
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
        let receiver = crate::support::receiver::Receiver::start();
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
    let rig = Rig::new(&FakeClock::new(), strict());
    let open: Vec<_> = (0..30)
        .map(|_| {
            let root = rig.start("open", None);
            rig.start("wrong", Some(&root.context())).fail();
            root
        })
        .collect();
    let fine: Vec<_> = (0..30).map(|_| rig.start("fine", None)).collect();
    rig.flush();
    assert_eq!(rig.names(), Vec::<String>::new());
    let report = rig.shutdown();
    assert_eq!(report.spans.to_string(), "30 exported, 0 dropped, 0 lost");
    assert_eq!(rig.names().len(), 30);
    drop((open, fine));
}

#[test]
fn a_burst_of_failures_larger_than_the_queue_waits_for_room() {
    // Nobody ends a span after the burst: all that is left is the worker's tick.
    let rig = Rig::with_environment(
        &FakeClock::new(),
        strict(),
        &[
            ("OTEL_BSP_MAX_QUEUE_SIZE", "64"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "64"),
        ],
    );
    for _ in 0..500 {
        let root = rig.start("root", None);
        rig.start("wrong", Some(&root.context())).fail();
        root.end(ms(1));
    }
    rig.flush();
    assert_eq!(rig.names().len(), 1_000);
    for _ in 0..500 {
        rig.start("wrong", None).fail();
    }
    let report = rig.shutdown();
    assert_eq!(report.spans.to_string(), "1500 exported, 0 dropped, 0 lost");
}
