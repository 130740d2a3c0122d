//! How a wire is set up.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::global::ObjectSafeTracer;
use opentelemetry::trace::{Tracer, TracerProvider};

use super::main_thread::DEFAULT_BUDGET;
use super::origins::OriginPolicy;
use super::protocol::limits::Limits;
use crate::instrument::page_spans::PageSpanSink;
use crate::instrument::thread_cpu::CpuTime;
use crate::queue::Overflow;
use crate::semconv;

/// Which events of the page are accepted. Plain ones come without Spanwire's functions: posted by hand as
/// `{type:'event',event,detail}`, or dispatched as `CustomEvent`s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageEvents {
    /// Only what the page sends with Spanwire's functions is accepted: [`Ipc::receive`](super::Ipc::receive) leaves posted
    /// ones to the app, and dispatched ones stay in the page.
    #[default]
    SpanwireOnly,
    /// They are accepted and handled like any event.
    ///
    /// Posted ones carry no nonce, so a frame of another origin inside the page can send them too.
    /// Dispatched ones come from the page itself: its script forwards each `CustomEvent` that code of
    /// the page dispatches, on `window` or another target, with its detail, `{}` when it has none. What came from Rust
    /// does not come back, and what has no event's name stays in the page.
    SpanwireAndPlain,
}

/// What to do with the `performance.mark` and `performance.measure` entries of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageMarks {
    /// They stay in the page.
    #[default]
    Ignored,
    /// Each is a measurement of its own name in seconds: a mark's time since the document began in
    /// the category `mark`, a measure's duration in `measure`. Those whose name no event could have
    /// stay in the page.
    Recorded,
}

/// What to do with a `traceparent` that the page gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageTraces {
    /// It is ignored: a message from the page is in the trace of the page's span around it, or begins
    /// a trace of its own.
    #[default]
    Ignored,
    /// It becomes the parent of what the message is traced as. The page then decides what is sampled.
    Accepted,
}

/// Sets up a wire; made by [`Ipc::builder`](super::Ipc::builder).
#[must_use = "a builder does nothing until build()"]
pub struct IpcBuilder {
    pub(super) name: Arc<str>,
    pub(super) queue_capacity: usize,
    pub(super) overflow: Overflow,
    pub(super) limits: Limits,
    pub(super) runtime: Option<tokio::runtime::Handle>,
    pub(super) tracer: Option<Box<dyn ObjectSafeTracer + Send + Sync>>,
    pub(super) origins: OriginPolicy,
    pub(super) page_events: PageEvents,
    pub(super) page_marks: PageMarks,
    pub(super) page_traces: PageTraces,
    pub(super) main_thread_budget: Duration,
    pub(super) cpu_time: CpuTime,
    pub(super) page_spans: Option<Arc<dyn PageSpanSink>>,
}

impl IpcBuilder {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: Arc::from(name),
            queue_capacity: 10_000,
            overflow: Overflow::DropNewest,
            limits: Limits::default(),
            runtime: None,
            tracer: None,
            origins: OriginPolicy::default(),
            // These three defaults trust the page least: no message without a nonce, no series from
            // the page's marks, no trace that the page chooses.
            page_events: PageEvents::default(),
            page_marks: PageMarks::default(),
            page_traces: PageTraces::default(),
            main_thread_budget: DEFAULT_BUDGET,
            cpu_time: CpuTime::default(),
            page_spans: None,
        }
    }

    /// Messages that may wait for the page. Default: 10,000; any number is taken, see
    /// [`QueueBuilder::capacity`](crate::queue::QueueBuilder::capacity).
    pub fn queue_capacity(mut self, messages: usize) -> Self {
        self.queue_capacity = messages;
        self
    }

    /// What happens to a message when the queue is full. Default: [`Overflow::DropNewest`].
    ///
    /// [`Overflow::Block`] makes `emit` wait. On the thread that runs the webview it would wait for
    /// itself.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Bounds on what crosses the wire. Default: [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The runtime on which async handlers run. Default: none, and `on_async` is an error;
    /// [`on_deferred`](super::Ipc::on_deferred) needs none.
    pub fn runtime(mut self, runtime: tokio::runtime::Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Where the spans of messages to the page go. Default: the global tracer provider.
    pub fn tracer_provider<P>(mut self, provider: &P) -> Self
    where
        P: TracerProvider,
        P::Tracer: Tracer<Span: Send + Sync + 'static> + Send + Sync + 'static,
    {
        self.tracer = Some(Box::new(provider.tracer(semconv::SCOPE)));
        self
    }

    /// Takes messages from this origin, for example `https://app.example`, and from no other that is
    /// not named too. Default: from the app's own, which is that of the first page that says it is
    /// there.
    ///
    /// The default trusts what is loaded first: name the origin when that is not the app, but for
    /// example a page to sign in. Opaque origins (`null`) are refused unless they are named.
    ///
    /// The nonce is checked in any case. A transport that does not tell the origin is trusted with
    /// that by the default, and refused once an origin is named. When the first page has none to
    /// tell, since it was given as text, the default refuses all that have one. What is no origin
    /// matches itself alone. A refused page's calls are rejected with `FORBIDDEN`.
    pub fn allow_origin(mut self, origin: &str) -> Self {
        self.origins.name(origin);
        self
    }

    /// Takes messages from any origin, for an app that goes from one to another; takes back what
    /// [`allow_origin`](Self::allow_origin) named. Each page that the webview loads then has the
    /// wire: what the app's handlers do, it can do.
    pub fn any_origin(mut self) -> Self {
        // It replaces the list, so a later `allow_origin` begins a new one.
        self.origins = OriginPolicy::Any;
        self
    }

    /// Which events of the page are accepted. Default:
    /// [`PageEvents::SpanwireOnly`].
    pub fn page_events(mut self, events: PageEvents) -> Self {
        self.page_events = events;
        self
    }

    /// What to do with the page's performance marks and measures. Default: [`PageMarks::Ignored`].
    pub fn page_marks(mut self, marks: PageMarks) -> Self {
        self.page_marks = marks;
        self
    }

    /// What to do with a `traceparent` from the page. Default: [`PageTraces::Ignored`].
    pub fn page_traces(mut self, traces: PageTraces) -> Self {
        self.page_traces = traces;
        self
    }

    /// How long a handler may run on the main thread. Default: 16 ms, a frame at 60 Hz.
    ///
    /// One that is registered with [`Ipc::on`](super::Ipc::on) and takes that long or longer on the thread that
    /// calls [`Ipc::next_script`](super::Ipc::next_script) is counted in `spanwire.main_thread.blocked` and marked on its
    /// span. It is never interrupted. `Duration::MAX` counts none.
    pub fn main_thread_budget(mut self, budget: Duration) -> Self {
        self.main_thread_budget = budget;
        self
    }

    /// Whether spans of handlers have `spanwire.cpu_time`, the seconds that their thread computed and
    /// did not wait. Default: [`CpuTime::Ignored`](crate::timer::CpuTime::Ignored).
    ///
    /// Linux only, with the feature `otlp`; of handlers that are registered with
    /// [`Ipc::on`](super::Ipc::on). One that is async has none, since its thread runs other tasks as well.
    pub fn cpu_time(mut self, cpu_time: CpuTime) -> Self {
        self.cpu_time = cpu_time;
        self
    }

    /// Takes the spans that an OpenTelemetry SDK in the page makes, from the exporter of the npm package
    /// `spanwire`: `page_spans(telemetry.page_spans())`. Default: none are taken, and the exporter says so.
    ///
    /// The page then writes into the app's traces what it likes, ids and names included, within limits
    /// and [`Limits::page_spans_per_second_max`].
    pub fn page_spans(mut self, sink: impl PageSpanSink + 'static) -> Self {
        self.page_spans = Some(Arc::new(sink));
        self
    }
}

impl std::fmt::Debug for IpcBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IpcBuilder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
