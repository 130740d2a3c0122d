//! Queues that are not ours: the app says how many wait in them.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Weak};

use metrics::Gauge;

use crate::instrument::cardinality::{CappedNames, NameSource};
use crate::instrument::handles::{self, GaugeSums, Instruments, Publish};
use crate::semconv;

/// Says how many messages wait in a queue of the app's own that is no
/// [`MessageQueue`](super::MessageQueue).
///
/// It is `spanwire.queue.size` of that name, until it is said again; together with the size of a
/// `MessageQueue` of that name if there is one.
///
/// ```
/// use std::collections::VecDeque;
///
/// let jobs = VecDeque::from(["a", "b"]);
/// spanwire::queue::set_depth("jobs", jobs.len());
/// ```
pub fn set_depth(queue_name: &str, messages: usize) {
    let depth = DEPTHS
        .names
        .get(queue_name, NameSource::Registered, |name| {
            ReportedDepth::new(name)
        });
    // Relaxed: a value alone, and the next publishing reads whatever is newest.
    depth.depth.store(messages as u64, Ordering::Relaxed);
    // Registered here and only read when gauges are published, so a recorder gets the queues whose
    // depth was set under it and no others.
    depth.gauge.get(|| depth.register());
}

/// What [`set_depth`] was told last of that queue; `None` when it was never told.
#[cfg(feature = "system")]
pub(crate) fn reported_depth(queue_name: &str) -> Option<u64> {
    // A search instead of `names.get`, which would give the name a place.
    let mut found = None;
    DEPTHS.names.for_each(|depth| {
        let value = depth.depth.load(Ordering::Relaxed);
        // Names beyond the cap share `_OTHER`, so they are not found here.
        if *depth.label == *queue_name && value != UNSET {
            found = Some(value);
        }
    });
    found
}

struct ReportedDepth {
    label: Arc<str>,
    depth: AtomicU64,
    gauge: Instruments<Gauge>,
}

// The value of `_OTHER`, which exists before any depth was set, must not be published as 0.
const UNSET: u64 = u64::MAX;

impl ReportedDepth {
    fn new(label: &Arc<str>) -> Self {
        Self {
            label: Arc::clone(label),
            depth: AtomicU64::new(UNSET),
            gauge: Instruments::new(),
        }
    }

    fn register(&self) -> Gauge {
        handles::gauge(&semconv::QUEUE_SIZE, &[(semconv::QUEUE_NAME, &*self.label)])
    }
}

impl fmt::Debug for ReportedDepth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReportedDepth")
            .field("label", &self.label)
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}

struct Depths {
    names: CappedNames<ReportedDepth>,
    /// Keeps the registration alive.
    _gauges: Arc<dyn Publish>,
}

static DEPTHS: LazyLock<Depths> = LazyLock::new(|| {
    let gauges: Arc<dyn Publish> = Arc::new(Gauges);
    let weak: Weak<dyn Publish> = Arc::downgrade(&gauges);
    // Everywhere: the state is the process's, and `publish` below writes only where a depth was
    // set.
    handles::register_everywhere(weak);
    Depths {
        names: CappedNames::new(ReportedDepth::new),
        _gauges: gauges,
    }
});

/// Publishes at recorders where a depth was set.
struct Gauges;

impl Publish for Gauges {
    fn publish(&self, sums: &mut GaugeSums) {
        DEPTHS.names.for_each(|depth| {
            let value = depth.depth.load(Ordering::Relaxed);
            if let Some(gauge) = depth.gauge.existing()
                && value != UNSET
            {
                sums.add(&semconv::QUEUE_SIZE, &depth.label, gauge, value as f64);
            }
        });
    }
}
