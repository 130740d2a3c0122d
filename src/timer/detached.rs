//! A run that is bound to no thread and to no closure: a language other than Rust says when it ends.

use std::borrow::Cow;
use std::fmt;

use opentelemetry::trace::{Link, Status, TraceContextExt as _, Tracer};
use opentelemetry::{Context, KeyValue, global};
use tracing::Span;

use super::failure::Failure;
use super::fields::FieldValue;
use super::monitor::Monitor;
use super::run::{Run, RunOutcome, is_listening};
use crate::clock::{self, Stamp};
use crate::instrument::send_span::SendSpan;
use crate::instrument::suppression::is_marked;
use crate::instrument::thread_end::is_ending;
use crate::semconv::{self, ERROR_TYPE, ErrorType, OPERATION_NAME};

impl Monitor<'_> {
    /// Starts a run that is bound to no thread; its span is a child of the one in `parent`.
    ///
    /// It is for what is neither a closure nor a future of Rust's, such as the block of an embedded
    /// language. Its span is not entered anywhere: give [`DetachedRun::context`] to what happens
    /// within.
    ///
    /// ```
    /// use opentelemetry::Context;
    /// use spanwire::timer::monitor;
    ///
    /// let outer = monitor("load_scene").start_detached(&Context::current());
    /// let inner = monitor("read_layers").start_detached(outer.context());
    /// std::thread::spawn(move || inner.complete());
    /// outer.fail("SceneError", "no such layer", None);
    /// ```
    pub fn start_detached(self, parent: &Context) -> DetachedRun {
        self.begin_detached(parent, |name, operation, message| {
            let tracer = global::tracer(semconv::SCOPE);
            within_span(&tracer, name, operation, message, parent)
        })
    }

    /// The same, with its span made by `tracer`: for callers that keep one, since looking up the
    /// global one costs a fifth of a run.
    ///
    /// Make it with the scope that other spans of the library have:
    /// `provider.tracer(spanwire::semconv::SCOPE)`.
    pub fn start_detached_by<T>(self, tracer: &T, parent: &Context) -> DetachedRun
    where
        T: Tracer<Span: Send + Sync + 'static>,
    {
        self.begin_detached(parent, |name, operation, message| {
            within_span(tracer, name, operation, message, parent)
        })
    }

    #[inline]
    fn begin_detached(
        self,
        parent: &Context,
        within_span: impl FnOnce(Cow<'static, str>, &'static str, Option<Box<SendSpan>>) -> Context,
    ) -> DetachedRun {
        if !is_listening() {
            return DetachedRun {
                measured: None,
                context: parent.clone(),
            };
        }
        let (operation, name, mut options) = self.into_parts();
        let message = options.message.take();
        // In a thread-local's destructor it has none, since `end` could not end it there.
        let has_span = operation.is_sampled(options.sample) && !is_marked(parent) && !is_ending();
        let run = Run::start_spanless(operation, options);
        let context = match has_span {
            // What happens within belongs to the span around it then, as in a scoped run without a
            // span.
            false => parent.clone(),
            true => {
                let operation = run.operation().static_name();
                let name = name.map_or(Cow::Borrowed(operation), Cow::Owned);
                within_span(name, operation, message)
            }
        };
        DetachedRun {
            measured: Some(Measured {
                run,
                has_span,
                ended: None,
            }),
            context,
        }
    }
}

/// `parent` with a span in it.
fn within_span<T>(
    tracer: &T,
    name: Cow<'static, str>,
    operation: &'static str,
    message: Option<Box<SendSpan>>,
    parent: &Context,
) -> Context
where
    T: Tracer<Span: Send + Sync + 'static>,
{
    // At the start, since a sampler sees no later attributes.
    let mut attributes = vec![KeyValue::new(OPERATION_NAME, operation)];
    let mut builder = tracer.span_builder(name);
    if let Some(start) = message.as_ref().map(|message| message.operation_start()) {
        attributes.extend(start.attributes);
        let links = start.link.into_iter().map(Link::with_context);
        builder = builder.with_kind(start.kind).with_links(links.collect());
    }
    let builder = builder.with_attributes(attributes);
    let context = parent.with_span(tracer.build_with_context(builder, parent));
    if let Some(message) = message {
        message.link(&context);
    }
    context
}

/// A run that is bound to no thread; made by [`Monitor::start_detached`].
///
/// End it with [`complete`](Self::complete), [`fail`](Self::fail) or [`cancel`](Self::cancel). One
/// that is dropped first was cancelled.
#[must_use = "a run that is dropped at once is recorded as cancelled"]
pub struct DetachedRun {
    /// `None` when neither a recorder nor a subscriber would see it, and after its end.
    measured: Option<Measured>,
    context: Context,
}

struct Measured {
    run: Run,
    has_span: bool,
    ended: Option<Stamp>,
}

impl DetachedRun {
    /// The context for what happens within it: with its span, or its parent's where it has none.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Notes something about this run, for its span and its log records. Never for metrics.
    ///
    /// At most 16 fields are kept; a field that is set again has its last value.
    pub fn field(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<FieldValue>) {
        if let Some(measured) = &mut self.measured {
            measured.run.fields().set(key, value.into());
        }
    }

    /// Stops the clock for callers that determine the outcome later. The later end counts until
    /// this moment.
    pub fn stop(&mut self) {
        if let Some(measured) = &mut self.measured {
            // The first stop counts.
            measured.ended.get_or_insert_with(clock::now);
        }
    }

    /// Ends it: it went well.
    pub fn complete(mut self) {
        self.end(|| RunOutcome::Ok);
    }

    /// Ends it: it failed.
    ///
    /// `error_type` is an attribute of metrics, 50 in the process at most; text and stack go to the
    /// log record and the span, cut to their bounds.
    pub fn fail(mut self, error_type: &str, message: &str, stacktrace: Option<&str>) {
        self.end(|| RunOutcome::Failed(Failure::foreign(error_type, message, stacktrace)));
    }

    /// Ends it: it was given up before it was done.
    pub fn cancel(mut self) {
        self.end(|| RunOutcome::Cancelled);
    }

    #[inline]
    fn end(&mut self, outcome: impl FnOnce() -> RunOutcome) {
        let Some(Measured {
            run,
            has_span,
            ended,
        }) = self.measured.take()
        else {
            return;
        };
        // The clock is read before the outcome is described: cutting a long stack takes time that
        // is not the run's.
        let was_stopped = ended.is_some();
        let ended = ended.unwrap_or_else(clock::now);
        let elapsed = ended.since(run.started());
        let outcome = outcome();
        let is_ending = is_ending();
        // Log records and exemplars find their trace here. Attaching panics in a thread-local's
        // destructor, where the context's own thread-local may be gone.
        let within = (!is_ending).then(|| self.context.clone().attach());
        // Without a span of `tracing`'s, so the end below is told to OpenTelemetry's span by hand.
        let slow = run.end_after(elapsed, &Span::none(), &outcome);
        drop(within);
        if !has_span {
            return;
        }
        if is_ending {
            // Leaked, as a scoped run's span is there: its end runs processors, which may use
            // contexts, and so would the drop of its last handle.
            std::mem::forget(std::mem::take(&mut self.context));
            return;
        }
        // A run that went well ended a moment ago unless it was stopped before, so its span ends
        // now, which spares two looks at clocks. Describing and logging a failure takes longer.
        let end_at = (was_stopped || !matches!(outcome, RunOutcome::Ok)).then_some(ended);
        self.end_span(&run, slow, &outcome, end_at);
    }

    /// Ends the span, at that time or now.
    fn end_span(&self, run: &Run, slow: bool, outcome: &RunOutcome, end_at: Option<Stamp>) {
        let span = self.context.span();
        if !span.is_recording() {
            return span.end();
        }
        run.each_attribute(|attribute| span.set_attribute(attribute));
        if slow {
            span.set_attribute(KeyValue::new(semconv::SLOW, true));
        }
        match outcome {
            RunOutcome::Ok => {}
            RunOutcome::Failed(failure) => {
                span.set_attribute(KeyValue::new(ERROR_TYPE, failure.error_type.to_string()));
                // In a scoped run the log record becomes this event, by the layer that makes spans.
                span.add_event(semconv::EVENT_OPERATION_FAILED, failure.attributes());
            }
            RunOutcome::Cancelled => {
                let error_type = ErrorType::Cancelled.as_str();
                span.set_attribute(KeyValue::new(ERROR_TYPE, error_type));
                span.add_event(semconv::EVENT_OPERATION_CANCELLED, Vec::new());
            }
        }
        if !matches!(outcome, RunOutcome::Ok) {
            // Without a description: the text of the failure is in the event already.
            span.set_status(Status::error(""));
        }
        match end_at {
            None => span.end(),
            // At the time that the metrics have. The wall clock is read now and the difference
            // taken off, since stamps have no date.
            Some(ended) => {
                span.end_with_timestamp(clock::system_wall_before(clock::now().since(ended)));
            }
        }
    }
}

impl Drop for DetachedRun {
    fn drop(&mut self) {
        self.end(|| RunOutcome::Cancelled);
    }
}

impl fmt::Debug for DetachedRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetachedRun")
            .field("run", &self.measured.as_ref().map(|measured| &measured.run))
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use std::time::Duration;

    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracer, SdkTracerProvider};

    use super::*;
    use crate::testing::Capture;
    use crate::timer::monitor;

    /// A tracer, and what gets its spans.
    fn tracer() -> (SdkTracer, InMemorySpanExporter) {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exporter.clone())
            .build();
        (provider.tracer(semconv::SCOPE), exporter)
    }

    #[test]
    fn detached_run_that_is_dropped_is_measured_as_cancelled() {
        let capture = Capture::new();
        capture.run(|| {
            let mut run = monitor("detached_drop").start_detached(&Context::new());
            run.field("key".to_owned(), 1);
            drop(run);
        });
        let labels = [(OPERATION_NAME, "detached_drop"), (ERROR_TYPE, "cancelled")];
        let name = semconv::OPERATION_DURATION.name;
        assert_eq!(capture.histogram(name, &labels).0, 1);
        assert!(capture.logs().contains("key=1"), "{}", capture.logs());
    }

    #[test]
    fn detached_run_of_a_given_tracer_has_its_span_from_there() {
        let (tracer, exporter) = tracer();
        Capture::new().run(|| {
            let outer = monitor("detached_outer").start_detached_by(&tracer, &Context::new());
            let inner = monitor("detached_inner").start_detached_by(&tracer, outer.context());
            inner.complete();
            outer.complete();
        });
        let spans = exporter.get_finished_spans().unwrap();
        let names: Vec<_> = spans.iter().map(|span| &*span.name).collect();
        assert_eq!(names, ["detached_inner", "detached_outer"]);
        assert_eq!(spans[0].parent_span_id, spans[1].span_context.span_id());
        let operation = KeyValue::new(OPERATION_NAME, "detached_inner");
        assert_eq!(spans[0].attributes, [operation]);
    }

    #[test]
    fn stopped_run_has_the_time_until_then() {
        let capture = Capture::new();
        capture.run(|| {
            let mut run = monitor("detached_stop").start_detached(&Context::new());
            capture.clock().advance(Duration::from_millis(100));
            run.stop();
            capture.clock().advance(Duration::from_secs(5));
            run.fail("SceneError", "no such layer", Some("line 1"));
        });
        let labels = [
            (OPERATION_NAME, "detached_stop"),
            (ERROR_TYPE, "SceneError"),
        ];
        let name = semconv::OPERATION_DURATION.name;
        let (count, sum) = capture.histogram(name, &labels);
        assert_eq!((count, (sum * 1e3).round() as u64), (1, 100));
        assert!(
            capture.logs().contains("no such layer"),
            "{}",
            capture.logs()
        );
    }

    #[test]
    fn span_of_a_stopped_run_ends_when_the_run_was_stopped() {
        let (tracer, exporter) = tracer();
        let capture = Capture::new();
        let ends: [fn(DetachedRun); 3] = [
            DetachedRun::complete,
            |run| run.fail("SceneError", "no such layer", None),
            DetachedRun::cancel,
        ];
        capture.run(|| {
            for end in ends {
                let monitor = monitor("detached_stopped_span");
                let mut run = monitor.start_detached_by(&tracer, &Context::new());
                run.stop();
                capture.clock().advance(Duration::from_secs(3_600));
                end(run);
            }
        });
        let spans = exporter.get_finished_spans().unwrap();
        assert_eq!(spans.len(), 3);
        for span in spans {
            // Spans begin by the system's clock, and the captured hour is taken off from it.
            assert!(span.end_time < span.start_time, "{span:?}");
        }
    }
}
