//! The listeners of each event, and how one message runs through them.

use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};

use super::call::{Call, HandlerResult, Reply, ReplyWanted};
use super::handler_outcome::HandlerOutcome;
use super::responder::{Deferral, Responder};
use super::series::EventSeries;
use crate::instrument::caught_panic::{CaughtPanic, catch_panic};
use crate::instrument::event_name::{NameError, check_event_name};
use crate::instrument::open_work::{WorkKind, WorkName};

/// Names one registered listener, to take it off again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId(u64);

/// Why a listener cannot be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The event's name has a character or a length that is not allowed.
    #[error("event name {name:?} {error}")]
    InvalidName {
        /// The name, of which no more than 100 characters.
        name: String,
        /// What is wrong with it.
        error: NameError,
    },
    /// An async handler has no runtime to run on.
    #[error("no runtime for async handlers: give one to IpcBuilder::runtime")]
    NoRuntime,
}

/// The listeners of every event. Reading takes no lock, and none is held while a listener runs.
pub(super) struct Listeners {
    events: ArcSwap<ListenersByEvent>,
    /// Held while a listener is added or taken off.
    changing: Mutex<()>,
    next_id: AtomicU64,
}

// Its hash has a random seed: a page chooses the names that are looked up.
type ListenersByEvent = HashMap<Arc<str>, Arc<EventListeners>, foldhash::quality::RandomState>;

/// One event's listeners, in the order in which they were registered.
#[derive(Clone)]
pub(super) struct EventListeners {
    pub(super) name: Arc<str>,
    pub(super) series: Arc<EventSeries>,
    /// Its handlers, while they hold a thread.
    pub(super) work: WorkName,
    listeners: Vec<(ListenerId, Listener)>,
}

#[derive(Clone)]
// Behind `Arc`s, since each change copies an event's list.
pub(super) enum Listener {
    Sync(Arc<SyncListener>),
    Async(Arc<AsyncListener>),
    Deferred(Arc<DeferredListener>),
}

type SyncListener = dyn Fn(&Call<'_>, ReplyWanted) -> Reply + Send + Sync;
type AsyncListener = dyn Fn(Call<'static>) -> BoxFuture<'static, Reply> + Send + Sync;
type DeferredListener = dyn Fn(Call<'static>, Responder) + Send + Sync;

impl Listener {
    pub(super) fn sync<R: HandlerResult>(
        f: impl Fn(&Call<'_>) -> R + Send + Sync + 'static,
    ) -> Self {
        Self::Sync(Arc::new(move |call, wanted| f(call).into_reply(wanted).0))
    }

    pub(super) fn future<F, R>(f: impl Fn(Call<'static>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = R> + Send + 'static,
        R: HandlerResult,
    {
        Self::Async(Arc::new(move |call| {
            let wanted = wanted(&call);
            f(call)
                .map(move |result| result.into_reply(wanted).0)
                .boxed()
        }))
    }

    pub(super) fn deferred(f: impl Fn(Call<'static>, Responder) + Send + Sync + 'static) -> Self {
        Self::Deferred(Arc::new(f))
    }
}

impl Listeners {
    pub(super) fn new() -> Self {
        Self {
            events: ArcSwap::default(),
            changing: Mutex::new(()),
            next_id: AtomicU64::new(1),
        }
    }

    pub(super) fn on(
        &self,
        name: &str,
        listener: Listener,
        series: impl FnOnce() -> Arc<EventSeries>,
    ) -> Result<ListenerId, RegisterError> {
        if let Err(error) = check_event_name(name) {
            let name = name.chars().take(100).collect();
            return Err(RegisterError::InvalidName { name, error });
        }
        // Relaxed: the number only has to be another one.
        let id = ListenerId(self.next_id.fetch_add(1, Ordering::Relaxed));
        self.change(|events| {
            // A copy: the map that is replaced shares the event's entry with messages that run.
            let mut event = match events.get(name) {
                Some(event) => EventListeners::clone(event),
                None => EventListeners::new(Arc::from(name), series()),
            };
            event.listeners.push((id, listener));
            events.insert(Arc::clone(&event.name), Arc::new(event));
        });
        Ok(id)
    }

    /// Takes a listener off; whether it was there. It finishes calls that it runs already.
    pub(super) fn off(&self, id: ListenerId) -> bool {
        self.change(|events| {
            let has = |event: &&Arc<EventListeners>| {
                event.listeners.iter().any(|(other, _)| *other == id)
            };
            let Some(mut event) = events
                .values()
                .find(has)
                .map(|event| EventListeners::clone(event))
            else {
                return false;
            };
            event.listeners.retain(|(other, _)| *other != id);
            if event.listeners.is_empty() {
                events.remove(&event.name);
            } else {
                events.insert(Arc::clone(&event.name), Arc::new(event));
            }
            true
        })
    }

    fn change<R>(&self, change: impl FnOnce(&mut ListenersByEvent) -> R) -> R {
        let changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        // Each change copies the whole map: apps register at their start, and each message looks up
        // a listener.
        let mut events = ListenersByEvent::clone(&self.events.load());
        let result = change(&mut events);
        let before = self.events.swap(Arc::new(events));
        drop(changing);
        // Without the lock: what a listener holds may use the wire again when it is dropped.
        drop(before);
        result
    }

    /// All events, for one look-up.
    pub(super) fn events(&self) -> Guard<Arc<ListenersByEvent>> {
        self.events.load()
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.events.load().keys()).finish()
    }
}

impl EventListeners {
    fn new(name: Arc<str>, series: Arc<EventSeries>) -> Self {
        Self {
            work: WorkName::new(WorkKind::Handler, &name, series.webview()),
            name,
            series,
            listeners: Vec::new(),
        }
    }

    /// Whether one of them is async.
    pub(super) fn is_async(&self) -> bool {
        self.has(|listener| matches!(listener, Listener::Async(_)))
    }

    /// Whether all of them are done when they return.
    pub(super) fn is_sync(&self) -> bool {
        !self.has(|listener| !matches!(listener, Listener::Sync(_)))
    }

    fn has(&self, is_so: impl Fn(&Listener) -> bool) -> bool {
        self.listeners.iter().any(|(_, listener)| is_so(listener))
    }

    /// Runs the listeners, all of which are sync, in order. The first one's reply is the caller's;
    /// the message is ok when every one of them was.
    pub(super) fn run(&self, call: &Call<'_>) -> HandlerOutcome {
        // Nearly every event has one listener, and then nothing is joined.
        if let [(_, Listener::Sync(listener))] = self.listeners.as_slice() {
            return run_sync(&**listener, call);
        }
        HandlerOutcome::of_all(
            self.listeners
                .iter()
                .filter_map(|(_, listener)| match listener {
                    Listener::Sync(listener) => Some(run_sync(&**listener, call)),
                    Listener::Async(_) | Listener::Deferred(_) => None,
                }),
        )
    }

    /// Calls the listeners in order; what comes of it is that of [`run`](Self::run), later.
    pub(super) fn start(
        &self,
        call: &Call<'_>,
        deferral: &Deferral,
    ) -> BoxFuture<'static, HandlerOutcome> {
        let owned = || call.clone().into_owned();
        if let [(_, listener)] = self.listeners.as_slice() {
            match listener {
                // Not alone here: where all listeners are sync, `dispatch` calls `run`.
                Listener::Sync(_) => {}
                Listener::Async(listener) => return run_async(&**listener, owned()),
                Listener::Deferred(listener) => {
                    return run_deferred(&**listener, owned(), deferral);
                }
            }
        }
        let outcomes = self.listeners.iter().map(|(_, listener)| match listener {
            Listener::Sync(listener) => std::future::ready(run_sync(&**listener, call)).boxed(),
            Listener::Async(listener) => run_async(&**listener, owned()),
            Listener::Deferred(listener) => run_deferred(&**listener, owned(), deferral),
        });
        // It collects the iterator at once, so the listeners are called here, and in order.
        join_all(outcomes)
            .map(|outcomes| HandlerOutcome::of_all(outcomes.into_iter()))
            .boxed()
    }
}

fn wanted(call: &Call<'_>) -> ReplyWanted {
    if call.wants_reply() {
        ReplyWanted::Yes
    } else {
        ReplyWanted::No
    }
}

fn run_sync(listener: &SyncListener, call: &Call<'_>) -> HandlerOutcome {
    // A panic ends the message and not the app.
    match catch_panic(|| listener(call, wanted(call))) {
        Ok(reply) => HandlerOutcome::of(reply),
        Err(panic) => HandlerOutcome::panicked(&panic),
    }
}

fn run_async(listener: &AsyncListener, call: Call<'static>) -> BoxFuture<'static, HandlerOutcome> {
    // Twice: an `async` block panics when it is polled, a function that makes a future may before.
    match catch_panic(|| listener(call)) {
        Ok(future) => AssertUnwindSafe(future)
            .catch_unwind()
            .map(|result| match result.map_err(CaughtPanic::new) {
                Ok(reply) => HandlerOutcome::of(reply),
                Err(panic) => HandlerOutcome::panicked(&panic),
            })
            .boxed(),
        Err(panic) => std::future::ready(HandlerOutcome::panicked(&panic)).boxed(),
    }
}

fn run_deferred(
    listener: &DeferredListener,
    call: Call<'static>,
    deferral: &Deferral,
) -> BoxFuture<'static, HandlerOutcome> {
    let (responder, outcome) = deferral.responder(wanted(&call));
    match catch_panic(|| listener(call, responder)) {
        Ok(()) => outcome.boxed(),
        // It has ended, wherever the responder is.
        Err(panic) => std::future::ready(HandlerOutcome::panicked(&panic)).boxed(),
    }
}
