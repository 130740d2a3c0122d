//! The recorder in front of all recorders of ours, which records nothing while telemetry is paused.
//!
//! A pause must cost nothing while there is none, so it is one relaxed read of a word that never
//! changes, in the handle that is written to anyway. It is here, and not in the instruments, since
//! an app's own metrics come through the same handles.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use metrics::atomics::AtomicU64;
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Level, Metadata,
    Recorder, SharedString, Unit,
};

use super::switch::Switch;
use crate::semconv;

/// Puts `recorder` behind `switch`.
pub(crate) fn pausable<R>(recorder: R, switch: &Arc<Switch>) -> Pausable<R> {
    Pausable {
        recorder: Arc::new(recorder),
        switch: Arc::clone(switch),
        totals: Arc::default(),
    }
}

/// Records nothing while its switch is off.
#[derive(Debug)]
pub(crate) struct Pausable<R> {
    recorder: Arc<R>,
    switch: Arc<Switch>,
    totals: Arc<Totals>,
}

impl<R: Recorder + Send + Sync + 'static> Pausable<R> {
    fn handle<H>(&self, key: &Key, register: fn(&R, &Key) -> H, noop: fn() -> H) -> Handle<H, R> {
        // The switch is read once, since the two fields below must agree: between two reads a pause
        // may begin, and the handle would have neither a series nor a way to get one.
        let is_paused = self.switch.is_paused();
        Handle {
            switch: Arc::clone(&self.switch),
            registered: match is_paused {
                true => OnceLock::new(),
                false => OnceLock::from(register(&self.recorder, key)),
            },
            late: is_paused.then(|| {
                Box::new(Registration {
                    recorder: Arc::downgrade(&self.recorder),
                    key: key.clone(),
                    register,
                })
            }),
            noop,
        }
    }
}

impl<R: Recorder + Send + Sync + 'static> Recorder for Pausable<R> {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.recorder.describe_counter(name, unit, text);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.recorder.describe_gauge(name, unit, text);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.recorder.describe_histogram(name, unit, text);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        // The caller's metadata is not kept: it is borrowed, and a registration may come long after
        // the call.
        let register = |recorder: &R, key: &Key| recorder.register_counter(key, &METADATA);
        Counter::from_arc(Arc::new(PausableCounter {
            handle: self.handle(key, register, Counter::noop),
            key: key.clone(),
            totals: Arc::clone(&self.totals),
            total: OnceLock::new(),
        }))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let register = |recorder: &R, key: &Key| recorder.register_gauge(key, &METADATA);
        Gauge::from_arc(Arc::new(PausableGauge {
            handle: self.handle(key, register, Gauge::noop),
            // The name is looked up once for each handle, and not at each value.
            is_ours: semconv::metric(key.name()).is_some(),
            carried: AtomicU64::new(0),
        }))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let register = |recorder: &R, key: &Key| recorder.register_histogram(key, &METADATA);
        Histogram::from_arc(Arc::new(PausableHistogram {
            handle: self.handle(key, register, Histogram::noop),
        }))
    }
}

/// A handle to a series.
///
/// The series of one that was registered in a pause begins with the first value after it: its
/// labels may show what happened in the pause.
struct Handle<H, R> {
    switch: Arc<Switch>,
    // Filled at once, unless the handle was made in a pause.
    registered: OnceLock<H>,
    /// How it is registered after the pause.
    late: Option<Box<Registration<H, R>>>,
    noop: fn() -> H,
}

struct Registration<H, R> {
    /// Weak, since the recorder leads to the exporters, which have handles.
    recorder: Weak<R>,
    key: Key,
    register: fn(&R, &Key) -> H,
}

impl<H, R> Handle<H, R> {
    /// What records; `None` while paused.
    #[inline]
    fn open(&self) -> Option<&H> {
        (!self.switch.is_paused()).then(|| self.registered())
    }

    #[inline]
    fn registered(&self) -> &H {
        self.registered.get_or_init(|| self.register())
    }

    #[cold]
    fn register(&self) -> H {
        let register = |late: &Registration<H, R>| {
            // Telemetry may have ended in its pause. The handle then records nothing for good.
            let recorder = late.recorder.upgrade()?;
            Some((late.register)(&recorder, &late.key))
        };
        let registered = self.late.as_deref().and_then(register);
        registered.unwrap_or_else(self.noop)
    }
}

struct PausableCounter<R> {
    handle: Handle<Counter, R>,
    key: Key,
    totals: Arc<Totals>,
    total: OnceLock<Arc<Total>>,
}

/// The counters that get totals (`absolute`), by series. A series may have many handles.
// A pause is subtracted once for each series, so all handles of a series share one entry.
#[derive(Debug, Default)]
struct Totals(Mutex<HashMap<Key, Arc<Total>>>);

#[derive(Debug, Default)]
struct Total {
    /// The last total that the counter got.
    seen: AtomicU64,
    /// How much of it came in pauses.
    hidden: AtomicU64,
}

impl Totals {
    fn of(&self, key: &Key) -> Arc<Total> {
        let mut totals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(totals.entry(key.clone()).or_default())
    }
}

impl<R: Send + Sync> CounterFn for PausableCounter<R> {
    #[inline]
    fn increment(&self, value: u64) {
        if let Some(counter) = self.handle.open() {
            counter.increment(value);
        }
    }

    /// A counter gets its total once before each pause and once before the pause ends, so what came
    /// in between is known exactly.
    fn absolute(&self, value: u64) {
        let total = self.total.get_or_init(|| self.totals.of(&self.key));
        // Relaxed: the two numbers order no other memory. `fetch_max`, since two threads may bring
        // their totals in the wrong order.
        let seen = total.seen.fetch_max(value, Ordering::Relaxed);
        match self.handle.open() {
            Some(counter) => {
                let hidden = total.hidden.load(Ordering::Relaxed);
                // A thread that read its total before a pause may come after it, with less than
                // what the pause hid.
                counter.absolute(value.saturating_sub(hidden));
            }
            None => {
                // A total that is older than one seen before adds nothing.
                let more = value.saturating_sub(seen);
                total.hidden.fetch_add(more, Ordering::Relaxed);
            }
        }
    }
}

/// A gauge says how things are, and in a pause things move on. So ours follow, in memory, and are
/// right after it. Of the app's a value that is set in a pause is dropped; steps count on, since a
/// gauge of what is open would never be right again without them.
struct PausableGauge<R> {
    handle: Handle<Gauge, R>,
    is_ours: bool,
    /// What it came to in a pause before it had a series.
    carried: AtomicU64,
}

impl<R: Send + Sync> PausableGauge<R> {
    fn gauge(&self) -> &Gauge {
        // `get_or_init` runs one thread's closure, so what was carried is added once.
        self.handle.registered.get_or_init(|| {
            let gauge = self.handle.register();
            let carried = f64::from_bits(self.carried.load(Ordering::Relaxed));
            // `increment` and not `set`: another handle may have given the series a value.
            if carried != 0.0 {
                gauge.increment(carried);
            }
            gauge
        })
    }

    /// Does it where the value is now.
    fn write(&self, to_gauge: impl FnOnce(&Gauge), to_carried: impl FnOnce(&AtomicU64)) {
        // The three cases of a value: recorded, recorded in a pause into a series that is there,
        // and kept until there is one.
        if !self.handle.switch.is_paused() {
            to_gauge(self.gauge());
        } else if let Some(gauge) = self.handle.registered.get() {
            to_gauge(gauge);
        } else {
            to_carried(&self.carried);
        }
    }
}

impl<R: Send + Sync> GaugeFn for PausableGauge<R> {
    fn increment(&self, value: f64) {
        self.write(
            |gauge| gauge.increment(value),
            |carried| GaugeFn::increment(carried, value),
        );
    }

    fn decrement(&self, value: f64) {
        self.write(
            |gauge| gauge.decrement(value),
            |carried| GaugeFn::decrement(carried, value),
        );
    }

    #[inline]
    fn set(&self, value: f64) {
        if self.is_ours || !self.handle.switch.is_paused() {
            self.write(
                |gauge| gauge.set(value),
                |carried| GaugeFn::set(carried, value),
            );
        }
    }
}

struct PausableHistogram<R> {
    handle: Handle<Histogram, R>,
}

impl<R: Send + Sync> HistogramFn for PausableHistogram<R> {
    #[inline]
    fn record(&self, value: f64) {
        if let Some(histogram) = self.handle.open() {
            histogram.record(value);
        }
    }

    fn record_many(&self, value: f64, count: usize) {
        if let Some(histogram) = self.handle.open() {
            histogram.record_many(value, count);
        }
    }
}

/// Recorders of ours do not look at it.
const METADATA: Metadata<'static> = Metadata::new("spanwire", Level::INFO, Some("spanwire"));
