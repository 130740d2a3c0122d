//! The one `metrics` recorder of the process, which hands on to that of the telemetry in force.
//!
//! The facade's recorder is set once and for good, and the library keeps handles by it. A Python
//! process installs and shuts down as often as it likes, tests above all. So the handles given out
//! here find the recorder in force again when it has changed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};

use arc_swap::ArcSwapOption;
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Level, Metadata,
    Recorder, SharedString, Unit,
};

type SharedRecorder = Arc<dyn Recorder + Send + Sync>;

/// Counts the recorders; 0 when none is in force.
static GENERATION: AtomicU64 = AtomicU64::new(0);
// Never reset, so a handle from before a pause without a recorder cannot match a later generation.
static INSTALLED: AtomicU64 = AtomicU64::new(0);
// No lock: each use of a handle after a change reads it, on any thread.
static CURRENT: ArcSwapOption<SharedRecorder> = ArcSwapOption::const_empty();
// The library describes its metrics once. A recorder that comes later is told from here.
static DESCRIBED: Mutex<Option<HashMap<KeyName, Description>>> = Mutex::new(None);

static IS_ABANDONED: AtomicBool = AtomicBool::new(false);

const METADATA: Metadata<'static> = Metadata::new("spanwire", Level::INFO, Some("spanwire"));

/// Puts `recorder` in force, or none.
pub(crate) fn set(recorder: Option<SharedRecorder>) {
    static GLOBAL: Once = Once::new();
    GLOBAL.call_once(|| {
        // No other library can have set one: this extension links a `metrics` facade of its own.
        let _ = metrics::set_global_recorder(ProcessRecorder { _not_empty: 0 });
    });
    match recorder {
        None => {
            GENERATION.store(0, Ordering::Release);
            CURRENT.store(None);
        }
        Some(recorder) => {
            // Held until it is in force: what is described meanwhile would otherwise reach the older
            // recorder alone. A recorder runs no code of the app's, and describes nothing itself.
            let described = described();
            for (name, description) in described.iter().flatten() {
                description.tell(&*recorder, name);
            }
            // The swap precedes the new generation: a handle that sees the new number finds the
            // recorder of that number, or a newer one.
            let older = CURRENT.swap(Some(Arc::new(recorder)));
            drop(described);
            // The drop follows the release of the lock, since it may be the end of the older
            // recorder.
            drop(older);
            let generation = INSTALLED.fetch_add(1, Ordering::Relaxed) + 1;
            GENERATION.store(generation, Ordering::Release);
        }
    }
}

/// Leaves the recorder in force, in a forked child, without touching it: its locks may be held by threads
/// that are not here.
pub(crate) fn abandon() {
    GENERATION.store(0, Ordering::Release);
    IS_ABANDONED.store(true, Ordering::Release);
}

fn described() -> std::sync::MutexGuard<'static, Option<HashMap<KeyName, Description>>> {
    DESCRIBED.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Description {
    kind: Kind,
    unit: Option<Unit>,
    text: SharedString,
}

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Description {
    fn tell(&self, recorder: &(dyn Recorder + Send + Sync), name: &KeyName) {
        let (name, unit, text) = (name.clone(), self.unit, self.text.clone());
        match self.kind {
            Kind::Counter => recorder.describe_counter(name, unit, text),
            Kind::Gauge => recorder.describe_gauge(name, unit, text),
            Kind::Histogram => recorder.describe_histogram(name, unit, text),
        }
    }
}

/// Not empty, since the library takes a recorder without a size for the facade's own, which does
/// nothing.
struct ProcessRecorder {
    _not_empty: u8,
}

impl ProcessRecorder {
    fn describe(&self, name: KeyName, description: Description) {
        if IS_ABANDONED.load(Ordering::Acquire) {
            return;
        }
        // The lock precedes the read of the recorder, so that no recorder is set between the two:
        // it would not get this description.
        let mut described = described();
        if let Some(recorder) = &*CURRENT.load() {
            description.tell(&***recorder, &name);
        }
        described.get_or_insert_default().insert(name, description);
    }
}

impl Recorder for ProcessRecorder {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        let kind = Kind::Counter;
        self.describe(name, Description { kind, unit, text });
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        let kind = Kind::Gauge;
        self.describe(name, Description { kind, unit, text });
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        let kind = Kind::Histogram;
        self.describe(name, Description { kind, unit, text });
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(Handle::new(key, |recorder, key| {
            recorder.register_counter(key, &METADATA)
        })))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(Handle::new(key, |recorder, key| {
            recorder.register_gauge(key, &METADATA)
        })))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Handle::new(key, |recorder, key| {
            recorder.register_histogram(key, &METADATA)
        })))
    }
}

/// A handle that registers again when the recorder in force is another.
struct Handle<H> {
    key: Key,
    register: fn(&dyn Recorder, &Key) -> H,
    // Number and handle in one value: two fields could be of two recorders.
    bound: ArcSwapOption<(u64, H)>,
}

impl<H> Handle<H> {
    fn new(key: &Key, register: fn(&dyn Recorder, &Key) -> H) -> Self {
        Self {
            key: key.clone(),
            register,
            bound: ArcSwapOption::empty(),
        }
    }

    #[inline]
    fn with(&self, f: impl FnOnce(&H)) {
        let generation = GENERATION.load(Ordering::Acquire);
        if generation == 0 {
            return;
        }
        if let Some(bound) = &*self.bound.load()
            && bound.0 == generation
        {
            return f(&bound.1);
        }
        self.bind(generation, f);
    }

    #[cold]
    fn bind(&self, generation: u64, f: impl FnOnce(&H)) {
        let Some(recorder) = CURRENT.load_full() else {
            return;
        };
        // Two threads may both register. The recorder gives them the same series, so either may
        // stay.
        let bound = Arc::new((generation, (self.register)(&**recorder, &self.key)));
        self.bound.store(Some(Arc::clone(&bound)));
        f(&bound.1);
    }
}

impl CounterFn for Handle<Counter> {
    fn increment(&self, value: u64) {
        self.with(|counter| counter.increment(value));
    }

    fn absolute(&self, value: u64) {
        self.with(|counter| counter.absolute(value));
    }
}

impl GaugeFn for Handle<Gauge> {
    fn increment(&self, value: f64) {
        self.with(|gauge| gauge.increment(value));
    }

    fn decrement(&self, value: f64) {
        self.with(|gauge| gauge.decrement(value));
    }

    fn set(&self, value: f64) {
        self.with(|gauge| gauge.set(value));
    }
}

impl HistogramFn for Handle<Histogram> {
    fn record(&self, value: f64) {
        self.with(|histogram| histogram.record(value));
    }
}
