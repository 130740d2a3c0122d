//! Handles to the `metrics` recorder in force: registered once, kept, and found again cheaply.
//!
//! Recording through a kept handle costs a tenth of the macro with labels. What makes keeping them
//! hard is that a recorder may be installed after an `Ipc` or a queue was built. [`Instruments`]
//! solves that: it registers on first use under each recorder and never before there is one.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Unit};

#[cfg(any(feature = "prometheus", feature = "otlp"))]
use super::fresh_thread::on_fresh_thread;
use super::later;
pub(crate) use super::recorder_id::{RecorderId, recorder};
use crate::semconv::{Instrument, Metric};

/// Whether the process has a recorder. One of this thread alone does not count.
#[cfg(any(feature = "prometheus", feature = "otlp"))]
pub(crate) fn has_global_recorder() -> bool {
    on_fresh_thread(|| recorder().is_some())
}

/// A set of handles `H`, registered on first use with the recorder in force.
///
/// An app has one recorder, so the list has one node and a look-up is a comparison. Tests that run
/// side by side have one recorder each. Nodes are never removed: a process has few recorders.
#[derive(Debug)]
pub(crate) struct Instruments<H> {
    first: OnceLock<Box<Node<H>>>,
}

#[derive(Debug)]
struct Node<H> {
    recorder: RecorderId,
    handles: H,
    next: OnceLock<Box<Node<H>>>,
}

impl<H> Instruments<H> {
    pub(crate) const fn new() -> Self {
        Self {
            first: OnceLock::new(),
        }
    }

    /// The handles, or `None` when there is no recorder: then nothing need be measured.
    ///
    /// A thread without a recorder of its own uses the handles that another thread registered.
    #[inline]
    pub(crate) fn get(&self, register: impl FnOnce() -> H) -> Option<&H> {
        let recorder = recorder();
        match (self.first.get(), recorder) {
            (Some(node), Some(id)) if node.recorder == id => Some(&node.handles),
            // A local recorder is in force on one thread alone, and other threads work for it, as
            // in tests.
            (Some(node), None) => Some(&node.handles),
            (None, None) => None,
            // The first handles are another recorder's, or there are none yet.
            (_, Some(id)) => Some(self.find_or_register(id, register)),
        }
    }

    /// The handles that the recorder in force has already; registers nothing.
    pub(crate) fn existing(&self) -> Option<&H> {
        let recorder = recorder();
        let mut node = self.first.get()?;
        // As in `get`: without a recorder those of the first.
        while recorder.is_some_and(|id| id != node.recorder) {
            node = node.next.get()?;
        }
        Some(&node.handles)
    }

    #[cold]
    fn find_or_register(&self, id: RecorderId, register: impl FnOnce() -> H) -> &H {
        let mut slot = &self.first;
        while let Some(node) = slot.get() {
            if node.recorder == id {
                return &node.handles;
            }
            slot = &node.next;
        }
        // Not within the slot's initialisation, which is a lock: a recorder may be code of the app,
        // and come back here. Threads that race for the slot all register, which gives several
        // handles to one series. The first has its place in the list, and those of the others are
        // dropped.
        let mut node = Box::new(Node {
            recorder: id,
            handles: register(),
            next: OnceLock::new(),
        });
        loop {
            let refused = slot.set(node);
            let found = slot.get().expect("it was set, now or before");
            match refused {
                Err(ours) if found.recorder != id => {
                    node = ours;
                    slot = &found.next;
                }
                _ => return &found.handles,
            }
        }
    }
}

/// Registers `metric` with these labels at the recorder in force.
pub(crate) fn counter(metric: &'static Metric, labels: &[(&'static str, &str)]) -> Counter {
    debug_assert_eq!(metric.instrument, Instrument::Counter, "{}", metric.name);
    metrics::with_recorder(|recorder| {
        // Described with each registration, since no hook tells us of a new recorder.
        recorder.describe_counter(metric.name.into(), unit(metric), metric.description.into());
        recorder.register_counter(&key(metric, labels), &METADATA)
    })
}

/// Registers `metric` with these labels at the recorder in force.
pub(crate) fn gauge(metric: &'static Metric, labels: &[(&'static str, &str)]) -> Gauge {
    // The facade has one kind for both.
    debug_assert!(
        matches!(
            metric.instrument,
            Instrument::Gauge | Instrument::UpDownCounter
        ),
        "{}",
        metric.name
    );
    metrics::with_recorder(|recorder| {
        recorder.describe_gauge(metric.name.into(), unit(metric), metric.description.into());
        recorder.register_gauge(&key(metric, labels), &METADATA)
    })
}

/// Registers `metric` with these labels at the recorder in force.
pub(crate) fn histogram(metric: &'static Metric, labels: &[(&'static str, &str)]) -> Histogram {
    debug_assert_eq!(metric.instrument, Instrument::Histogram, "{}", metric.name);
    metrics::with_recorder(|recorder| {
        recorder.describe_histogram(metric.name.into(), unit(metric), metric.description.into());
        recorder.register_histogram(&key(metric, labels), &METADATA)
    })
}

fn key(metric: &'static Metric, labels: &[(&'static str, &str)]) -> Key {
    debug_assert!(
        labels
            .iter()
            .all(|(name, _)| metric.attributes.contains(name)),
        "{} has a label that semconv.rs does not list",
        metric.name
    );
    let labels: Vec<Label> = labels
        .iter()
        // The facade keeps labels for as long as it likes, so a value that is borrowed here is
        // copied.
        .map(|(name, value)| Label::new(*name, value.to_string()))
        .collect();
    Key::from_parts(metric.name, labels)
}

fn unit(metric: &Metric) -> Option<Unit> {
    Some(match metric.unit {
        "s" => Unit::Seconds,
        "By" => Unit::Bytes,
        // The Prometheus exporter writes it as `_ratio`; the value is a ratio, not a percentage.
        "1" => Unit::Percent,
        _ => Unit::Count,
    })
}

const METADATA: Metadata<'static> = Metadata::new("spanwire", Level::INFO, Some("spanwire"));

/// Something whose state is written to its gauges at a scrape or an export, not each time that it
/// changes.
///
/// A gauge that is set on each push costs more than the push. So queues, pages and operations keep
/// their state in plain atomics and write it to their gauges when a scrape, an export or
/// [`publish`] asks.
pub(crate) trait Publish: Send + Sync {
    fn publish(&self, sums: &mut GaugeSums);
}

/// Gauges that several sources share, since the app gave them one name: each gets the sum.
#[derive(Default)]
pub(crate) struct GaugeSums(HashMap<GaugeSeries, (Gauge, f64)>);

/// Tells series apart: the metric, the app's name for its source, and its attributes.
type GaugeSeries = (&'static str, Arc<str>, Cow<'static, str>);

impl GaugeSums {
    /// Adds what one source has to a metric's series of the source's name.
    pub(crate) fn add(&mut self, metric: &'static Metric, name: &Arc<str>, gauge: &Gauge, of: f64) {
        self.add_part(metric, name, "", gauge, of);
    }

    /// The same for a series of which a source of that name has several: `part` tells them apart.
    pub(crate) fn add_part(
        &mut self,
        metric: &'static Metric,
        name: &Arc<str>,
        part: &'static str,
        gauge: &Gauge,
        of: f64,
    ) {
        *self.value(metric, name, Cow::Borrowed(part), gauge) += of;
    }

    /// The same for a series of one of a webview's events.
    pub(crate) fn add_event(
        &mut self,
        metric: &'static Metric,
        webview: &Arc<str>,
        event: &Arc<str>,
        gauge: &Gauge,
        of: f64,
    ) {
        *self.value(metric, webview, Cow::Owned(event.to_string()), gauge) += of;
    }

    /// Raises a metric's series of a source's name to what one source has: the largest holds.
    pub(crate) fn raise(
        &mut self,
        metric: &'static Metric,
        name: &Arc<str>,
        gauge: &Gauge,
        to: f64,
    ) {
        let value = self.value(metric, name, Cow::Borrowed(""), gauge);
        *value = value.max(to);
    }

    /// The same for a series of one of a webview's events.
    pub(crate) fn raise_event(
        &mut self,
        metric: &'static Metric,
        webview: &Arc<str>,
        event: &Arc<str>,
        gauge: &Gauge,
        to: f64,
    ) {
        let value = self.value(metric, webview, Cow::Owned(event.to_string()), gauge);
        *value = value.max(to);
    }

    fn value(
        &mut self,
        metric: &'static Metric,
        name: &Arc<str>,
        part: Cow<'static, str>,
        gauge: &Gauge,
    ) -> &mut f64 {
        let (_, value) = self
            .0
            // By name and not by the gauge: each source has a handle of its own to a shared series,
            // and handles cannot be compared.
            .entry((metric.name, Arc::clone(name), part))
            .or_insert_with(|| (gauge.clone(), 0.0));
        value
    }

    fn write(self) {
        for (gauge, sum) in self.0.into_values() {
            gauge.set(sum);
        }
    }
}

struct Source {
    scope: PublishScope,
    state: Weak<dyn Publish>,
}

/// Which recorders a source is published to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PublishScope {
    /// It was made before any recorder was in force, so to all.
    NotYet,
    /// The one that was in force where it was made.
    Recorder(RecorderId),
    /// All: the source itself writes only to handles that the recorder in force has.
    Everywhere,
}

static SOURCES: Mutex<Vec<Source>> = Mutex::new(Vec::new());

/// Publishes `state` at each [`publish`] until it is dropped.
pub(crate) fn register(state: Weak<dyn Publish>) {
    add(
        recorder().map_or(PublishScope::NotYet, PublishScope::Recorder),
        state,
    );
}

/// The same for process-wide state, which writes only to the handles that the recorder in force
/// has already: see [`Instruments::existing`].
pub(crate) fn register_everywhere(state: Weak<dyn Publish>) {
    add(PublishScope::Everywhere, state);
}

/// The same for process-wide state of which a recorder for one thread alone gets nothing, whenever it
/// is registered.
pub(crate) fn register_for_process(state: Weak<dyn Publish>) {
    add(PublishScope::NotYet, state);
}

fn add(scope: PublishScope, state: Weak<dyn Publish>) {
    let mut sources = SOURCES.lock().unwrap_or_else(PoisonError::into_inner);
    // Only a registration removes dead sources. Nothing else makes the list longer, so that bounds
    // it.
    sources.retain(|source| source.state.strong_count() > 0);
    sources.push(Source { scope, state });
}

/// Writes the state of every queue, page and operation to its gauges.
///
/// The Prometheus endpoint, the OTLP exporter and the system sampler call it by themselves. Call it
/// before you read gauges from a recorder of your own.
pub fn publish() {
    let own = recorder().map(PublishScope::Recorder);
    publish_where(|scope| {
        Some(scope) == own || matches!(scope, PublishScope::NotYet | PublishScope::Everywhere)
    });
}

/// The same for what was made under the recorder in force alone, so tests stay apart.
#[cfg_attr(
    not(feature = "testing"),
    expect(dead_code, reason = "for the in-memory capture")
)]
pub(crate) fn publish_own() {
    let own = recorder().map(PublishScope::Recorder);
    publish_where(|scope| Some(scope) == own || scope == PublishScope::Everywhere);
}

fn publish_where(wanted: impl Fn(PublishScope) -> bool) {
    // Counts that were left for a moment later belong to the totals.
    later::finish();
    let sources = SOURCES.lock().unwrap_or_else(PoisonError::into_inner);
    let due: Vec<Arc<dyn Publish>> = sources
        .iter()
        .filter(|source| wanted(source.scope))
        // The sources are kept alive by these handles while the lock is not held.
        .filter_map(|source| source.state.upgrade())
        .collect();
    // Publishing may drop the last handle of a queue, whose `Drop` must be free to register.
    drop(sources);
    let mut sums = GaugeSums::default();
    for state in &due {
        state.publish(&mut sums);
    }
    // Last: a gauge that several sources share is set once, to the sum of all.
    sums.write();
}

static INSTALLS: AtomicU64 = AtomicU64::new(0);

/// Says that OpenTelemetry's global parts were set, after they were.
#[cfg(any(feature = "prometheus", feature = "otlp"))]
pub(crate) fn installed() {
    // Release: a thread that sees the new number finds the provider that was set before it.
    INSTALLS.fetch_add(1, Ordering::Release);
}

/// Changes with each [`installed`]: code that found no global tracer need not look again before.
#[inline]
pub(crate) fn install_epoch() -> u64 {
    INSTALLS.load(Ordering::Acquire)
}

static PAGES: AtomicU64 = AtomicU64::new(0);

/// Says that a page is there, whose processes a probe may not know yet.
pub(crate) fn page_appeared() {
    // Relaxed: the number orders nothing, and a probe that reads the old one looks again soon.
    PAGES.fetch_add(1, Ordering::Relaxed);
}

/// Changes with each [`page_appeared`].
#[cfg(feature = "system")]
pub(crate) fn page_epoch() -> u64 {
    PAGES.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics_util::registry::{AtomicStorage, Registry};
    use std::sync::atomic::AtomicUsize;

    struct Recorder(Registry<Key, AtomicStorage>);

    impl metrics::Recorder for Recorder {
        fn describe_counter(&self, _: metrics::KeyName, _: Option<Unit>, _: metrics::SharedString) {
        }
        fn describe_gauge(&self, _: metrics::KeyName, _: Option<Unit>, _: metrics::SharedString) {}
        fn describe_histogram(
            &self,
            _: metrics::KeyName,
            _: Option<Unit>,
            _: metrics::SharedString,
        ) {
        }
        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            self.0.get_or_create_counter(key, |c| c.clone().into())
        }
        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            self.0.get_or_create_gauge(key, |g| g.clone().into())
        }
        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            self.0.get_or_create_histogram(key, |h| h.clone().into())
        }
    }

    fn recorder() -> Recorder {
        Recorder(Registry::new(AtomicStorage))
    }

    #[test]
    fn an_install_changes_the_epoch() {
        let before = install_epoch();
        installed();
        assert_ne!(install_epoch(), before);
    }

    #[test]
    fn a_recorder_of_this_thread_alone_is_not_the_process_s() {
        metrics::with_local_recorder(&self::recorder(), || {
            assert!(super::recorder().is_some());
            assert!(!has_global_recorder());
        });
    }

    #[test]
    fn without_a_recorder_nothing_is_registered() {
        let instruments = Instruments::<()>::new();
        assert!(instruments.get(|| unreachable!()).is_none());
    }

    #[test]
    fn each_recorder_registers_once_and_threads_without_one_share() {
        let instruments = Instruments::new();
        let registrations = AtomicUsize::new(0);
        let register = || registrations.fetch_add(1, Ordering::Relaxed);
        let (a, b) = (recorder(), recorder());
        for _ in 0..3 {
            assert_eq!(
                metrics::with_local_recorder(&a, || instruments.get(register)),
                Some(&0)
            );
            assert_eq!(
                metrics::with_local_recorder(&b, || instruments.get(register)),
                Some(&1)
            );
        }
        assert_eq!(instruments.get(register), Some(&0));
        assert_eq!(registrations.into_inner(), 2);
    }

    #[test]
    fn publish_own_leaves_out_what_another_recorder_owns() {
        struct Counted(AtomicUsize);
        impl Publish for Counted {
            fn publish(&self, _: &mut GaugeSums) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let (a, b) = (recorder(), recorder());
        let state = Arc::new(Counted(AtomicUsize::new(0)));
        metrics::with_local_recorder(&a, || register(Arc::downgrade(&state) as Weak<dyn Publish>));
        metrics::with_local_recorder(&b, publish_own);
        assert_eq!(state.0.load(Ordering::Relaxed), 0);
        metrics::with_local_recorder(&a, publish_own);
        assert_eq!(state.0.load(Ordering::Relaxed), 1);
    }
}
