//! One wire: the handle that the app, the transport and the handlers share.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures_util::future::AbortHandle;

use super::builder::{IpcBuilder, PageEvents, PageMarks};
use super::call::{Call, HandlerResult};
use super::handler_slot::HeldMessages;
use super::listeners::{Listener, ListenerId, Listeners, RegisterError};
use super::nonce::nonce;
use super::origins::Origins;
use super::outbound::{Effects, EndedMessage, Outbound, Sender, undelivered};
use super::page::Page;
use super::page_load::PageLoad;
use super::page_state::{PagePhase, PageState};
use super::protocol::direction::Direction;
use super::protocol::envelope::is_page_id;
use super::protocol::inbound_message::Ready;
use super::protocol::limits::Limits;
use super::protocol::script::Script;
use super::recorder::{Recorder, RecorderSettings};
use super::responder::Responder;
use super::stats::IpcMetrics;
use super::waker::Waker;
use crate::clock::Stamp;
use crate::instrument::cardinality::NameSource;
use crate::instrument::handles::{self, GaugeSums, Publish};
use crate::instrument::page_snapshots::{self, HasPage};
use crate::instrument::page_spans::PageSpanSource;
use crate::instrument::record_sink::CallDetails;
use crate::queue::MessageQueue;
use crate::semconv::ErrorType;
use crate::startup::Phase;

/// The wire between one page and the host.
///
/// Clones are handles to one wire, usable from any thread. Dropping the last one is as
/// [`close`](Self::close), also while async handlers run; a handler that holds one keeps its wire. A wire that was built before telemetry
/// is installed reports from then on.
#[derive(Clone)]
pub struct Ipc(pub(super) Arc<Inner>);

// This block is not in `builder.rs`, since this file imports that one, and `tests/imports.rs` fails
// when two files import each other.
impl IpcBuilder {
    /// Builds the wire.
    #[must_use]
    pub fn build(self) -> Ipc {
        Ipc::new(self)
    }
}

pub(super) struct Inner {
    pub(super) config: IpcBuilder,
    /// What the page script proves itself with.
    pub(super) nonce: String,
    pub(super) recorder: Recorder,
    pub(super) listeners: Listeners,
    pub(super) queue: MessageQueue<Outbound>,
    /// Whose messages are taken.
    pub(super) origins: Origins,
    /// The page's own SDK, when it has one.
    pub(super) page_spans: Arc<PageSpanSource>,
    // Shared with each `HandlerSlot`, which the app's handlers may hold longer than the wire lives.
    pub(super) held_messages: Arc<HeldMessages>,
    /// What the adapter keeps of its transport, of a type that only the adapter knows.
    #[cfg(feature = "wry")]
    // `ipc` must not import `webview`, so the type is opaque here.
    pub(super) transport: std::sync::OnceLock<Box<dyn std::any::Any + Send + Sync>>,
    pub(super) waker: Arc<Waker>,
    page: Mutex<Page>,
}

/// A page cannot be announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PageReadyError {
    /// The id is not 1 to 32 of `0-9a-z`.
    #[error("the page's id is not 1 to 32 characters of 0-9 and a-z")]
    InvalidId,
    /// The id is that of the page now, or of one before.
    #[error("the page's id was used before: give each load a new one")]
    UsedBefore,
    /// The wire is closed.
    #[error("the wire is closed")]
    Closed,
}

impl Ipc {
    /// Starts building a wire. The name tells webviews apart in metrics: use few, fixed names.
    pub fn builder(name: &str) -> IpcBuilder {
        IpcBuilder::new(name)
    }

    fn new(mut config: IpcBuilder) -> Self {
        let queue = MessageQueue::<Outbound>::builder(&config.name)
            .capacity(config.queue_capacity)
            .overflow(config.overflow)
            // The recorder counts each message by event and outcome; a counter of the queue's own
            // would count it twice.
            .uncounted()
            // A message's span and its record carry its wait, and neither needs a metrics recorder.
            .always_stamped()
            .build();
        let settings = RecorderSettings {
            tracer: config.tracer.take(),
            event_spans_per_second_max: config.limits.event_spans_per_second_max,
            main_thread_budget: config.main_thread_budget,
            page_traces: config.page_traces,
            // `emit` and its siblings are `#[track_caller]`, so the caller's line is the app's.
            names_call_sites: true,
        };
        let recorder = Recorder::new(&config.name, settings);
        let waker = Arc::new(Waker::new(recorder.clock.clone()));
        queue.on_wake({
            let waker = Arc::clone(&waker);
            // It holds the waker and not the wire: the wire owns the queue that owns this closure.
            move || waker.wake()
        });
        let page_spans = PageSpanSource::new(
            &config.name,
            recorder.series.webview(),
            recorder.clock.clone(),
            config.limits.page_spans_per_second_max,
        );
        let inner = Arc::new(Inner {
            nonce: nonce(),
            recorder,
            listeners: Listeners::new(),
            queue,
            origins: Origins::new(std::mem::take(&mut config.origins)),
            page_spans: Arc::new(page_spans),
            held_messages: Arc::default(),
            #[cfg(feature = "wry")]
            transport: std::sync::OnceLock::new(),
            waker,
            page: Mutex::new(Page::new(config.limits)),
            config,
        });
        // Weak, so that neither list keeps a wire whose last handle the app has dropped.
        handles::register(Arc::downgrade(&inner) as Weak<dyn Publish>);
        page_snapshots::register(Arc::downgrade(&inner) as Weak<dyn HasPage>);
        Self(inner)
    }

    /// The wire's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.config.name
    }

    /// What the page script proves itself with. Give it to nothing else.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.0.nonce
    }

    /// The text to run in each page before its own scripts, in its main frame only: the page script,
    /// called with what it needs to know: the nonce, how many credits, how many bytes, messages
    /// and levels of nesting a batch has, what it forwards of itself, and whether spans are taken.
    #[must_use]
    pub fn page_script(&self) -> String {
        let nonce = &self.0.nonce;
        let Limits {
            unanswered_max: credits,
            inbound_bytes_max: bytes,
            inbound_len_max: messages,
            depth_max: depth,
            ..
        } = self.0.config.limits;
        // A page that may send no message could not even say that it is there.
        let messages = messages.max(1);
        let marks = self.0.config.page_marks == PageMarks::Recorded;
        let compat = self.0.config.page_events == PageEvents::SpanwireAndPlain;
        let spans = self.0.config.page_spans.is_some();
        // Hex digits, numbers and booleans alone, so nothing needs an escape.
        format!(
            r#"({PAGE_SCRIPT})({{"nonce":"{nonce}","credits":{credits},"bytes":{bytes},"messages":{messages},"depth":{depth},"marks":{marks},"compat":{compat},"spans":{spans}}});"#
        )
    }

    /// Runs `handler` for each message of `event`.
    ///
    /// It runs on the thread that hands the message to [`receive`](Self::receive): with a webview
    /// that is the UI thread, so long work belongs into [`on_async`](Self::on_async). Its spans and
    /// log records become children of the message's span. Several listeners of one event run in the
    /// order in which they were registered; the first one's result is the caller's reply, and the
    /// message counts as ok when none of them failed. A panic ends the message and not the app,
    /// unless the app is built with `panic = "abort"`.
    ///
    /// # Errors
    ///
    /// [`RegisterError::InvalidName`].
    pub fn on<R: HandlerResult>(
        &self,
        event: &str,
        handler: impl Fn(&Call<'_>) -> R + Send + Sync + 'static,
    ) -> Result<ListenerId, RegisterError> {
        self.listen(event, Listener::sync(handler))
    }

    /// Runs `handler` for each message of `event`, on the runtime that the builder was given.
    ///
    /// A call that the page withdraws, or whose page goes away, is dropped at its next `await`.
    ///
    /// # Errors
    ///
    /// [`RegisterError::InvalidName`], or [`RegisterError::NoRuntime`].
    pub fn on_async<F, R>(
        &self,
        event: &str,
        handler: impl Fn(Call<'static>) -> F + Send + Sync + 'static,
    ) -> Result<ListenerId, RegisterError>
    where
        F: Future<Output = R> + Send + 'static,
        R: HandlerResult,
    {
        // `AsyncCall::spawn` relies on this check: it has no error to return to the app.
        if self.0.config.runtime.is_none() {
            return Err(RegisterError::NoRuntime);
        }
        self.listen(event, Listener::future(handler))
    }

    /// Runs `handler` for each message of `event`, as [`on`](Self::on) does, and leaves the reply to
    /// the [`Responder`] that it gets: kept, sent to another thread, or called back by what has no
    /// `Future`. It needs no runtime.
    ///
    /// The message ends with the response, and so do its span and its duration. A responder that is
    /// dropped rejects the page's promise; a panic ends the message at once. Beside others of the
    /// same event it counts as they do: the message ends when all of them have.
    ///
    /// ```
    /// use spanwire::ipc::{Call, DataError, Ipc};
    ///
    /// let ipc = Ipc::builder("main").build();
    /// ipc.on_deferred("thumbnail", |call: Call<'static>, responder| {
    ///     std::thread::spawn(move || {
    ///         let made = responder.in_scope(|| call.data::<String>().map(|path| path.len()));
    ///         // The page may have given up meanwhile: then there is nothing to do about it.
    ///         let _ = responder.respond(made);
    ///     });
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RegisterError::InvalidName`].
    pub fn on_deferred(
        &self,
        event: &str,
        handler: impl Fn(Call<'static>, Responder) + Send + Sync + 'static,
    ) -> Result<ListenerId, RegisterError> {
        self.listen(event, Listener::deferred(handler))
    }

    fn listen(&self, event: &str, listener: Listener) -> Result<ListenerId, RegisterError> {
        self.0.listeners.on(event, listener, || {
            self.0.recorder.series.event(event, NameSource::Registered)
        })
    }

    /// Takes a listener off; returns whether it was there. It finishes messages that it handles already.
    pub fn off(&self, listener: ListenerId) -> bool {
        self.0.listeners.off(listener)
    }

    /// Sets what to call when there is something for [`next_script`](Self::next_script).
    ///
    /// It is called at once, then from any thread, once per burst, and must only wake the thread that pumps:
    /// for example by an event-loop proxy. How long that thread then takes is the metric
    /// `spanwire.main_thread.delay`, and to measure it the closure is also called when the
    /// metrics are read, and while a history records, once a second at most.
    pub fn on_wake(&self, wake: impl Fn() + Send + Sync + 'static) {
        self.0.waker.set(wake);
    }

    /// The next script to evaluate in the page, or `None` when there is nothing to send now.
    ///
    /// Call it on each wake until it returns `None`. A closed wire has one last script for the page
    /// that was there: the notice that it is closed.
    pub fn next_script(&self) -> Option<Script> {
        let inner = &*self.0;
        let now = inner.recorder.clock.now();
        // At each look, since an app may move its event loop to another thread.
        inner.recorder.main_thread.set_current();
        // Re-armed before looking, so that what comes while we look wakes again.
        inner.waker.rearm(now);
        // The delay is read after the rearm, which adds the wake that this look answers to the
        // total.
        let delay = inner.waker.total_delay(now);
        // The queue has a flag of its own, for pushes: it too is armed before the look.
        inner.queue.rearm();
        let mut effects = Effects::default();
        let mut waits = Vec::new();
        // It runs under the page's lock, where no metric may be recorded: the waits are kept until
        // later.
        let mut pop = || {
            let popped = inner.queue.try_pop_unrecorded()?;
            waits.push(popped.wait);
            Some(popped)
        };
        let mut page = inner.page();
        let startup = page.startup();
        let script = page.next_script(now, delay, &mut pop, &mut effects);
        drop(page);
        // A message that waited for its page to load says nothing about the queue, so its wait
        // stays out of the histogram.
        waits.retain(|wait| !startup.had(now, *wait));
        // Without the lock, since the recorder is the app's.
        inner.queue.record_waits(&waits);
        inner.apply(effects);
        // A question about a raw script, a ping or credits alone are not a batch of messages.
        if let Some(script) = &script
            && !script.settles
            && !script.ids.is_empty()
        {
            inner
                .recorder
                .series
                .batch_size(Direction::Outbound, script.ids.len());
        }
        script
    }

    /// The next script that may be evaluated in whatever page is there, be it of a forbidden origin.
    ///
    /// It tells the page whose id it carries that there is no wire for it, and another page ignores it. [`next_script`](Self::next_script) hands these out too; call this one
    /// instead, until it returns `None`, where the page's address is not
    /// [allowed](Self::allows_origin) what else there is.
    pub fn next_close_script(&self) -> Option<Script> {
        let inner = &*self.0;
        let now = inner.recorder.clock.now();
        inner.recorder.main_thread.set_current();
        inner.waker.rearm(now);
        inner.page().next_close_script(now)
    }

    /// Whether messages from this origin are taken now, and may be sent there. `None`: the
    /// transport does not know it.
    ///
    /// [`IpcBuilder::allow_origin`] says which ones are.
    #[must_use]
    pub fn allows_origin(&self, origin: Option<&str>) -> bool {
        self.0.origins.allows(origin)
    }

    /// The state that the page is in, by what was heard from it.
    #[must_use]
    pub fn page_state(&self) -> PageState {
        self.0.state()
    }

    /// The page could not take `script`: its messages are sent again, three times at most.
    pub fn evaluation_failed(&self, script: Script) {
        let mut effects = Effects::default();
        // The guard ends here; `apply` records metrics and ends spans.
        let again = self.0.page().evaluation_failed(&script, &mut effects);
        self.0.apply(effects);
        // A message that failed for good made room among those in flight.
        if again || !self.0.queue.is_empty() {
            self.0.waker.wake();
        }
    }

    /// Announces a page, for transports whose pages do not send `ready` themselves.
    ///
    /// # Errors
    ///
    /// [`PageReadyError`] says why the page is not taken.
    pub fn page_ready(&self, page: &str) -> Result<(), PageReadyError> {
        // A transport's id is checked as the page's own: scripts hold it without an escape.
        if !is_page_id(page) {
            return Err(PageReadyError::InvalidId);
        }
        self.0
            .ready(page, Ready::default())
            .map_err(|error| match error {
                ErrorType::Shutdown => PageReadyError::Closed,
                _ => PageReadyError::UsedBefore,
            })
    }

    /// Another page is being loaded: what the one before had in flight ends with it.
    pub fn page_loading(&self) {
        self.0.page_left(PagePhase::Loading);
    }

    /// The page is gone, for example since its process crashed.
    pub fn page_gone(&self) {
        self.0.page_left(PagePhase::Gone);
    }

    /// Closes the wire: nothing more is accepted. Each message to the page that is open, sent or not,
    /// ends as dropped with the error `shutdown`; open calls of the page end with it, too.
    ///
    /// A page that is there gets a notice, so that its promises do not hang: pump once more, and on each
    /// wake as before, since a page that comes later gets one, too.
    pub fn close(&self) {
        self.0.close();
        self.0.wake();
    }

    /// What crossed this wire so far.
    #[must_use]
    pub fn metrics(&self) -> IpcMetrics {
        self.0
            .recorder
            .stats
            .snapshot(self.0.queue.peak(), &self.0.recorder.clock)
    }

    /// Zeroes [`metrics`](Self::metrics); the exported counters keep their values.
    pub fn reset_metrics(&self) {
        self.0.recorder.stats.reset();
        self.0.queue.reset_peak();
    }
}

impl fmt::Debug for Ipc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ipc")
            .field("name", &self.0.config.name)
            .field("phase", &self.0.page().phase())
            .field("queued", &self.0.queue.len())
            .finish_non_exhaustive()
    }
}

impl Inner {
    pub(super) fn page(&self) -> MutexGuard<'_, Page> {
        #[cfg(test)]
        PAGE_LOCKS.set(PAGE_LOCKS.get() + 1);
        // A poisoned lock means that we panicked, and a page is sound after each of its methods'
        // steps; the app must not suffer for it.
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What messages to the page are made with.
    pub(super) fn sender(&self) -> Sender<'_> {
        Sender {
            recorder: &self.recorder,
            waker: &self.waker,
        }
    }

    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    /// Whether async handlers and responders hold one message too many: a page's window bounds its
    /// own alone, and those of events outlive it.
    pub(super) fn has_too_many_held_messages(&self) -> bool {
        let limits = &self.config.limits;
        // One window for the page that is there, and three for handlers that outlived their pages.
        let count_max = (limits.unanswered_max as usize).saturating_mul(4);
        self.held_messages
            .is_beyond(count_max, limits.async_handler_bytes_max)
    }

    pub(super) fn state(&self) -> PageState {
        // While the event loop does not answer, what the page says does not get through either.
        let now = self
            .waker
            .unanswered_since()
            .unwrap_or(self.recorder.clock.now());
        self.page().state(now)
    }

    pub(super) fn ready(&self, page: &str, ready: Ready) -> Result<(), ErrorType> {
        let mut effects = Effects::default();
        let now = self.recorder.clock.now();
        let taken = self.page().ready(page, ready, now, &mut effects);
        self.apply(effects);
        let (load, aborts) = taken?;
        abort_all(aborts);
        self.recorder.series.page_loaded(load);
        self.recorder.startup.page_ready(load == PageLoad::First);
        // The webview may have started processes for it, so the system probe looks for them soon.
        handles::page_appeared();
        // Whatever was queued while the page was loading can go now.
        self.wake();
        Ok(())
    }

    pub(super) fn page_left(&self, phase: PagePhase) {
        let mut effects = Effects::default();
        let aborts = self.page().left(phase, &mut effects);
        self.apply(effects);
        abort_all(aborts);
    }

    fn close(&self) {
        // The wire closes the queue before it empties it, so that no new message gets a place
        // behind the sweep. A push that had its place before finds the queue closed and sweeps once
        // more itself.
        self.queue.close();
        let mut effects = Effects::default();
        let aborts = self.page().close(&mut effects);
        self.apply(effects);
        abort_all(aborts);
        self.drop_queued();
    }

    /// Ends what is left in the queue of a closed wire.
    pub(super) fn drop_queued(&self) {
        while let Some(popped) = self.queue.try_pop_timed() {
            self.undelivered(popped.message, ErrorType::Shutdown);
        }
    }

    /// Records what an input led to. Called without the lock.
    pub(super) fn apply(&self, effects: Effects) {
        let now = self.recorder.clock.now();
        // The call's span is taken last: the record before it needs its trace id.
        for mut ended in effects.ended {
            self.record_end(&mut ended, now);
            if self.recorder.startup.awaits(Phase::FirstCall)
                && let Some(at) = ended.answered(now)
            {
                self.recorder.startup.reached(Phase::FirstCall, at);
            }
            ended.end_call_span(now);
        }
        for (call, why) in effects.open_calls {
            let took = now.since(call.began);
            call.series
                .call_settled(Err(why), took, CallDetails::default());
        }
        for (span, why) in effects.open_spans {
            span.fail(why.as_str(), now);
        }
        if let Some(transit) = effects.transit {
            self.recorder.series.transit(Direction::Outbound, transit);
        }
        if effects.retries > 0 {
            self.recorder.series.retried(effects.retries);
            self.recorder.stats.retried(effects.retries);
        }
        // At most one for each range of an acknowledgement, so a batch's size bounds the loop.
        for _ in 0..effects.unknown_acks {
            self.recorder.series.protocol_error(ErrorType::UnknownAck);
        }
    }

    /// Ends a message that had been accepted and never left.
    pub(super) fn undelivered(&self, message: Outbound, error: ErrorType) {
        self.record_end(&mut undelivered(message, error), self.recorder.clock.now());
    }

    /// Records the end of a message that had been accepted.
    pub(super) fn record_end(&self, ended: &mut EndedMessage, now: Stamp) {
        if let Some((outcome, took)) = ended.settled_call(now) {
            let details = ended.call_details(now);
            ended.message.series.call_settled(outcome, took, details);
        }
        self.recorder.delivered(ended.delivery(), now);
    }
}

// Called without the page's lock: an abort may run an `InlineTask` on this thread, and the call
// that it drops takes the lock.
pub(super) fn abort_all(aborts: Vec<AbortHandle>) {
    for abort in aborts {
        abort.abort();
    }
}

impl Publish for Inner {
    fn publish(&self, sums: &mut GaugeSums) {
        // This call precedes the lock below, which `state` takes itself.
        self.recorder.series.page_state(self.state(), sums);
        let now = self.recorder.clock.now();
        let mut page = self.page();
        let wakes = page.beat(now);
        let vitals = page.vitals(now);
        let (in_flight, calls) = (page.in_flight(), page.open_calls());
        // The recorder is the app's.
        drop(page);
        self.recorder.series.page_vitals(vitals, sums);
        self.recorder.series.in_flight(in_flight, now, sums);
        self.recorder.series.open_calls(&calls, now, sums);
        if wakes {
            self.wake();
        }
    }
}

impl Drop for Inner {
    /// No page takes messages from here on: what is still open is counted as dropped.
    fn drop(&mut self) {
        self.close();
        self.recorder.series.page_dropped();
    }
}

/// The page's end of the wire: an expression that is a function of its configuration.
const PAGE_SCRIPT: &str = include_str!("../../page/spanwire.js");

#[cfg(test)]
thread_local! {
    /// How often this thread took a page's lock.
    static PAGE_LOCKS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_script_is_an_expression_that_can_be_called() {
        assert!(PAGE_SCRIPT.trim_end().ends_with('}'));
        assert!(PAGE_SCRIPT.contains("\n(config)=>{"));
    }

    /// How often the page's lock is taken while the wire receives this message.
    fn locks_of(ipc: &Ipc, message: &str) -> u32 {
        let nonce = ipc.nonce();
        let batch = format!(
            r#"{{"spanwire":1,"nonce":"{nonce}","page":"p1","sent":9,"messages":[{message}]}}"#
        );
        let before = PAGE_LOCKS.get();
        let _ = ipc.receive(&batch, None);
        PAGE_LOCKS.get() - before
    }

    fn wire(builder: IpcBuilder) -> Ipc {
        let ipc = builder.build();
        ipc.on("save", |_: &Call<'_>| ()).unwrap();
        ipc.page_ready("p1").unwrap();
        ipc
    }

    #[test]
    fn a_synchronous_call_takes_the_pages_lock_once_to_come_in_and_once_for_its_reply() {
        let ipc = wire(Ipc::builder("main"));
        assert_eq!(
            locks_of(&ipc, r#"{"kind":"call","id":1,"event":"save"}"#),
            2
        );
        assert_eq!(
            locks_of(&ipc, r#"{"kind":"event","id":2,"event":"save"}"#),
            2
        );
        assert_eq!(locks_of(&ipc, r#"{"kind":"ack","ids":[[1,1]]}"#), 2);
    }

    #[test]
    fn a_traced_call_takes_the_pages_lock_once_more_to_leave_its_span_with_the_page() {
        let provider = opentelemetry_sdk::trace::SdkTracerProvider::default();
        let ipc = wire(Ipc::builder("main").tracer_provider(&provider));
        let call = r#"{"kind":"call","id":1,"event":"save","at":8}"#;
        assert_eq!(locks_of(&ipc, call), 3);
    }
}
