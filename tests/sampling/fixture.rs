//! Telemetry under a clock moved by hand, a receiver for its spans, and traces to give it.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, TraceId, Tracer,
    TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_sdk::trace::SdkTracer;
use spanwire::telemetry::{ShutdownReport, TailSampling, Telemetry, TelemetryParts};
use spanwire::testing::FakeClock;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;

use spanwire_testkit::environment::{environment, variables};
use spanwire_testkit::local_recorder::with_recorder_of;
use spanwire_testkit::receiver::{Receiver, text};
use spanwire_testkit::scrape::scrape;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) struct Fixture {
    pub(crate) clock: FakeClock,
    pub(crate) telemetry: Telemetry,
    pub(crate) parts: TelemetryParts,
    pub(crate) receiver: Receiver,
    pub(crate) tracer: SdkTracer,
}

impl Fixture {
    pub(crate) fn new(clock: &FakeClock, tail: TailSampling) -> Self {
        Self::with_environment(clock, tail, &[])
    }

    pub(crate) fn with_environment(
        clock: &FakeClock,
        tail: TailSampling,
        pairs: &[(&str, &str)],
    ) -> Self {
        let receiver = Receiver::start();
        let builder = Telemetry::builder("test")
            .environment(environment(variables(pairs)))
            .prometheus_port(0)
            .otlp_endpoint(receiver.url())
            .without_system()
            .tail(tail)
            .strict();
        let (telemetry, parts) = clock.run(|| builder.build()).unwrap();
        let tracer = parts.tracer_provider.as_ref().unwrap().tracer("test");
        Self {
            clock: clock.clone(),
            telemetry,
            parts,
            receiver,
            tracer,
        }
    }

    /// Runs `f` with the clock, the recorder and the subscriber in force on this thread.
    pub(crate) fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        let subscriber = Registry::default().with(self.parts.layer());
        self.clock.run(|| {
            with_recorder_of(&self.parts, || {
                tracing::subscriber::with_default(subscriber, f)
            })
        })
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.clock.clock().wall(self.clock.now())
    }

    /// Starts a span, without a parent or in that one.
    pub(crate) fn start(&self, name: &'static str, parent: Option<&SpanContext>) -> Open {
        let now = self.now();
        let context = match parent {
            Some(parent) => Context::new().with_remote_span_context(parent.clone()),
            None => Context::new(),
        };
        let span = SpanBuilder::from_name(name)
            .with_kind(SpanKind::Internal)
            .with_start_time(now);
        let span = self.tracer.build_with_context(span, &context);
        Open { span, began: now }
    }

    pub(crate) fn flush(&self) {
        self.telemetry.flush(30 * SECOND).unwrap();
    }

    pub(crate) fn shutdown(&self) -> ShutdownReport {
        self.telemetry.shutdown(30 * SECOND)
    }

    /// What the sampler counted, by metric and `spanwire.sampling.reason`, without what is zero.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        let samples = scrape(self.telemetry.prometheus_addr().unwrap());
        let of_sampling = samples.into_iter().filter_map(|sample| {
            let name = sample.name.strip_prefix("spanwire_sampling_")?.to_owned();
            let reason = sample.label("spanwire_sampling_reason");
            let name = match sample.label("spanwire_outcome") {
                "" => name,
                outcome => format!("{name} {outcome}"),
            };
            let count = sample.value as u64;
            (count > 0).then(|| (format!("{name} {reason}").trim().to_owned(), count))
        });
        of_sampling.collect()
    }

    /// The spans that arrived, by trace.
    pub(crate) fn received(&self) -> HashMap<TraceId, Vec<Span>> {
        let mut traces: HashMap<TraceId, Vec<Span>> = HashMap::new();
        for span in self.receiver.spans() {
            assert_eq!(span.flags & 1, 1, "what is sent is sampled: {span:?}");
            let id = TraceId::from_bytes(span.trace_id.as_slice().try_into().unwrap());
            traces.entry(id).or_default().push(span);
        }
        traces
    }

    /// The names of the spans that arrived, each with its `spanwire.sampling.reason`, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self
            .receiver
            .spans()
            .iter()
            .map(
                |span| match text(&span.attributes, "spanwire.sampling.reason") {
                    Some(reason) => format!("{} ({reason})", span.name),
                    None => span.name.clone(),
                },
            )
            .collect();
        names.sort();
        names
    }
}

/// A span that has begun.
pub(crate) struct Open {
    span: opentelemetry_sdk::trace::Span,
    began: SystemTime,
}

impl Open {
    pub(crate) fn context(&self) -> SpanContext {
        self.span.span_context().clone()
    }

    pub(crate) fn trace(&self) -> TraceId {
        self.span.span_context().trace_id()
    }

    pub(crate) fn is_recording(&self) -> bool {
        self.span.is_recording()
    }

    pub(crate) fn is_sampled(&self) -> bool {
        self.span.span_context().is_sampled()
    }

    pub(crate) fn with(mut self, attribute: KeyValue) -> Self {
        self.span.set_attribute(attribute);
        self
    }

    /// Ends it as if it had taken that long.
    pub(crate) fn end(mut self, took: Duration) {
        self.span.end_with_timestamp(self.began + took);
    }

    pub(crate) fn fail(mut self) {
        self.span.set_status(Status::error(""));
        self.end(ms(1));
    }
}
