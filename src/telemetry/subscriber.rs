//! The process's `tracing` subscriber, whose place is left to the app until the first span.
//!
//! There is one place, and it is given once: `tracing_subscriber::fmt::init` panics where it is
//! taken. So `install` does not take it, whatever is to be exported: a later `init` of the app's
//! works with every environment. Where no subscriber came until the first span that we would
//! export, ours is in force for that span and for all that follow: at first on that thread alone, so
//! that an `init` which follows still finds the place free, and after a second, or when another
//! thread has a span, in the process's place.
//!
//! `tracing` tells when that is: it asks every subscriber that there is, in force or not, about each
//! call site that is reached for the first time. It does so once there are two, and there are: the
//! one that is to take the place, and the [`Watcher`].

mod first_thread;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use tracing::callsite::{Identifier, rebuild_interest_cache};
use tracing::dispatcher::{self, Dispatch, set_global_default};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, NoSubscriber};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::{Layer, Registry};

use super::config::warning::Warning;
use super::diagnostics::problems::Problem;
use super::diagnostics::reporter::{self, Reporter};
use crate::instrument::fresh_thread::on_fresh_thread;
use crate::instrument::span_delivery;
use crate::layer::{SubscriberFilter, has_span_layer};
use crate::semconv::EVENT_CONFIGURATION_WARNING;

/// What takes the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TakenBy {
    /// The first span.
    Span,
    /// The first span or event, since the app's code, and not the environment, asks for logs.
    SpanOrEvent,
}

/// The place, wanted for our subscriber as long as this is there and the app does not take it.
#[derive(Debug)]
pub(super) struct Place(Arc<Wanted>);

#[derive(Debug)]
struct Wanted {
    /// `None` once it is in its place or given up.
    subscriber: Mutex<Option<Dispatch>>,
    is_open: AtomicBool,
    phase: Mutex<Phase>,
    phase_changed: Condvar,
}

/// How far our subscriber is on its way to the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No span has come.
    Waiting,
    /// In force on the thread of the first span alone.
    Begun(ThreadId),
    /// That thread makes another subscriber, which may be for the place.
    Yielded,
    /// In the place, or given up.
    Over,
}

/// How long an app has for its `init` after a span.
const GRACE: Duration = Duration::from_secs(1);

/// From the making of the app's subscriber until it is in the place: it takes microseconds.
const YIELD: Duration = Duration::from_millis(200);

/// The one place of the process.
static WANTED: Mutex<Option<(Arc<Wanted>, Dispatch)>> = Mutex::new(None);

/// Whether the first thread may leave ours, without a lock for those that are not the first.
///
/// Relaxed: it leaves with one of its next spans.
static IS_OVER: AtomicBool = AtomicBool::new(false);

static REPORTER: Mutex<Reporter> = Mutex::new(Reporter::Quiet);

impl Place {
    /// Wants the place for `subscriber`, which has `filter`; `None` when it is another's.
    pub(super) fn want(
        subscriber: impl Subscriber + Send + Sync,
        filter: SubscriberFilter,
        taken_by: TakenBy,
        reporter: Reporter,
    ) -> Option<Self> {
        // Held to the end, so that two telemetries do not both find the place free.
        let mut place = WANTED.lock().unwrap_or_else(PoisonError::into_inner);
        if place.is_some() || is_taken() {
            return None;
        }
        let wanted = Arc::new(Wanted {
            // The dispatch is made now: its making takes the lock of `tracing`'s registry for
            // writing, and `take` runs while that lock is held for reading.
            subscriber: Mutex::new(Some(Dispatch::new(subscriber))),
            is_open: AtomicBool::new(false),
            phase: Mutex::new(Phase::Waiting),
            phase_changed: Condvar::new(),
        });
        let watcher = Dispatch::new(Watcher {
            wanted: Arc::clone(&wanted),
            filter,
            taken_by,
            known: Mutex::default(),
        });
        // The registry has only weak references, so the watcher lives as long as this does.
        *place = Some((Arc::clone(&wanted), watcher));
        // The watcher was just asked about the call sites that were reached before.
        wanted.is_open.store(true, Ordering::Relaxed);
        *REPORTER.lock().unwrap_or_else(PoisonError::into_inner) = reporter;
        Some(Self(wanted))
    }

    /// Runs `f` with our subscriber in force on this thread, though it has not taken the place yet.
    pub(super) fn within<R>(&self, f: impl FnOnce() -> R) -> R {
        self.0.within(f)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.close();
        span_delivery::expect_none();
        // So that call sites no longer ask two subscribers that see nothing.
        give_up();
    }
}

impl Wanted {
    fn within<R>(&self, f: impl FnOnce() -> R) -> R {
        // This statement releases the lock first: in a `match` on it, the lock would be held while
        // `f` runs, and a new call site within `f` may `take` the place.
        let subscriber = self.subscriber().clone();
        match subscriber {
            // For warnings of the start, which are to be exported though no span has come yet.
            Some(subscriber) => dispatcher::with_default(&subscriber, f),
            None => f(),
        }
    }

    /// This thread is about to make a span: puts ours in force for it.
    fn span_comes(self: &Arc<Self>) {
        let mut phase = self.phase();
        match *phase {
            Phase::Waiting if self.is_open() && first_thread::is_free() => {
                let Some(subscriber) = self.subscriber().clone() else {
                    return;
                };
                *phase = Phase::Begun(thread::current().id());
                IS_OVER.store(false, Ordering::Relaxed);
                drop(phase);
                first_thread::enter(&subscriber, span_is_next);
                reporter::own_subscriber_is_in_force(true);
                let wanted = Arc::clone(self);
                let later = thread::Builder::new().name("spanwire-subscriber".to_owned());
                // Without a thread it takes the place now.
                if later.spawn(move || wanted.take_later()).is_err() {
                    self.take();
                }
            }
            Phase::Begun(thread) if thread == thread::current().id() => {}
            Phase::Waiting | Phase::Begun(_) | Phase::Yielded => {
                drop(phase);
                self.take();
            }
            Phase::Over => {}
        }
    }

    /// The app makes a subscriber on this thread.
    fn subscriber_comes(&self) {
        let mut phase = self.phase();
        match *phase {
            Phase::Begun(thread) if thread == thread::current().id() => {
                *phase = Phase::Yielded;
                drop(phase);
                self.phase_changed.notify_all();
                // Else the thread would keep ours though the app has its own.
                first_thread::leave();
                reporter::own_subscriber_is_in_force(false);
            }
            // The first thread cannot be made to leave ours from here, so the place is ours.
            Phase::Begun(_) => {
                drop(phase);
                self.take();
            }
            Phase::Waiting | Phase::Yielded | Phase::Over => {}
        }
    }

    fn take_later(&self) {
        let phase = self.phase();
        let wait = |phase, time, is: fn(&Phase) -> bool| {
            let waited = self
                .phase_changed
                .wait_timeout_while(phase, time, |it| is(it));
            waited.unwrap_or_else(PoisonError::into_inner).0
        };
        let phase = wait(phase, GRACE, |phase| matches!(phase, Phase::Begun(_)));
        let phase = wait(phase, YIELD, |phase| *phase == Phase::Yielded);
        drop(phase);
        self.take();
    }

    /// Gives the place up, since telemetry ends.
    fn close(&self) {
        let phase = *self.phase();
        match phase {
            // The first thread leaves ours below.
            Phase::Begun(thread) if thread == thread::current().id() => {
                reporter::own_subscriber_is_in_force(false);
            }
            // The first thread cannot drop ours from here. As the process's, ours does no harm there.
            Phase::Begun(_) => {
                self.take();
            }
            Phase::Waiting | Phase::Yielded | Phase::Over => {}
        }
        self.is_open.store(false, Ordering::Relaxed);
        self.over();
    }

    fn over(&self) {
        *self.phase() = Phase::Over;
        IS_OVER.store(true, Ordering::Relaxed);
        self.phase_changed.notify_all();
        first_thread::leave();
    }

    fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the place if it is still free. For the first that asks.
    fn take(&self) -> bool {
        // Relaxed: the swap alone decides, and the subscriber is behind a lock.
        if !self.is_open.swap(false, Ordering::Relaxed) {
            return false;
        }
        let Some(subscriber) = self.subscriber().clone() else {
            return false;
        };
        // It takes no lock of `tracing`'s registry, so it may be called from `register_callsite`.
        // The app may have been faster.
        let is_ours = set_global_default(subscriber).is_ok();
        reporter::own_subscriber_is_in_force(is_ours);
        self.over();
        is_ours
    }

    fn subscriber(&self) -> MutexGuard<'_, Option<Dispatch>> {
        self.subscriber
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What wants the place of the process. The lock is free again: `give_up` takes it too.
fn wanted() -> Option<Arc<Wanted>> {
    let place = WANTED.lock().unwrap_or_else(PoisonError::into_inner);
    place.as_ref().map(|(wanted, _)| Arc::clone(wanted))
}

/// A span of ours is about to be made: on another thread than the first it takes the place.
fn span_is_next() {
    // The two checks take no lock: every thread comes here until the first one has left ours.
    if IS_OVER.load(Ordering::Relaxed) {
        return first_thread::leave();
    }
    if first_thread::is_here() {
        return;
    }
    if let Some(wanted) = wanted() {
        wanted.span_comes();
    }
}

/// Expects spans to arrive at our layer, in whatever subscriber it is.
pub(super) fn expect_spans() {
    span_delivery::expect(span_is_missing);
}

/// A span of ours is none of OpenTelemetry's: takes the place for the next, or says why.
fn span_is_missing() {
    // Its call site was reached before the install, so the watcher was not asked.
    if wanted().is_some_and(|wanted| wanted.take()) {
        return expect_spans();
    }
    give_up();
    // With our layer in force a filter of the app's refused the span; without it no exporter gets
    // the span.
    let (problem, warning) = if dispatcher::get_default(has_span_layer) {
        (Problem::SpansFiltered, Warning::SpansFiltered)
    } else {
        (Problem::SubscriberTaken, Warning::SubscriberTaken)
    };
    problem.found();
    tracing::warn!(name: EVENT_CONFIGURATION_WARNING, "{warning}");
    let reporter = *REPORTER.lock().unwrap_or_else(PoisonError::into_inner);
    reporter.report_unless_shown(&warning);
}

/// Forgets our subscriber, unless it has taken the place, so that call sites ask the app's alone.
fn give_up() {
    let mut place = WANTED.lock().unwrap_or_else(PoisonError::into_inner);
    let given_up = place.take();
    drop(place);
    if let Some((wanted, watcher)) = given_up {
        let subscriber = wanted.subscriber().take();
        // The drop is outside the lock, since the drop of a subscriber runs its layers' code.
        drop((subscriber, watcher));
        // Cached interests still have the two that are gone.
        rebuild_interest_cache();
    }
}

/// Whether the process has a subscriber. One of this thread alone does not count.
fn is_taken() -> bool {
    // `get_default` prefers a subscriber of the thread, and there is no way to ask for the global
    // one alone.
    on_fresh_thread(|| dispatcher::get_default(|dispatch| !dispatch.is::<NoSubscriber>()))
}

/// A subscriber that is never in force: it is told of each call site that is reached.
struct Watcher {
    wanted: Arc<Wanted>,
    filter: SubscriberFilter,
    taken_by: TakenBy,
    /// Those that it was told of: it is told again whenever another subscriber is made, which is not
    /// to lose its place by that.
    known: Mutex<HashSet<Identifier>>,
}

impl Watcher {
    fn takes(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span()
            // Our own events do not count: telemetry that warns at its start would take the place
            // before the app's `init`.
            || self.taken_by == TakenBy::SpanOrEvent && !metadata.target().starts_with("spanwire")
    }
}

impl Subscriber for Watcher {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = known.insert(metadata.callsite());
        drop(known);
        if !is_new {
            self.wanted.subscriber_comes();
        }
        // As ours would answer: `tracing` combines the answers of all, and another one would change
        // what the app's subscriber is asked.
        let interest = Layer::<Registry>::register_callsite(&self.filter, metadata);
        if is_new && !interest.is_never() && self.takes(metadata) {
            self.wanted.span_comes();
        }
        interest
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Layer::<Registry>::max_level_hint(&self.filter)
    }

    // The rest is never called, since the watcher is in force nowhere.
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_lock_is_held_while_our_subscriber_is_in_force() {
        // Not by `Place::want`, which takes the process's one place.
        let wanted = Wanted {
            subscriber: Mutex::new(Some(Dispatch::new(Registry::default()))),
            is_open: AtomicBool::new(false),
            phase: Mutex::new(Phase::Over),
            phase_changed: Condvar::new(),
        };
        wanted.within(|| {
            assert!(dispatcher::get_default(|dispatch| dispatch.is::<Registry>()));
            // A call site that is reached here for the first time takes the place, and this lock.
            assert!(wanted.subscriber.try_lock().is_ok());
        });
    }
}
