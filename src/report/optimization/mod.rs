//! Settings that can change while the app runs.

mod batches;
mod changed;
mod coalescing;
mod event_spans;
#[cfg(feature = "otlp")]
mod traces;

use std::sync::Arc;

use serde::Serialize;

use super::facts::Facts;
use crate::ipc::WeakIpc;
#[cfg(feature = "otlp")]
use crate::telemetry::SamplingRate;

pub(super) use batches::is_backed_up;
pub(super) use coalescing::chatty_event;
pub(super) use event_spans::has_many_events;

/// Something that can be changed while the app runs, and changed back.
///
/// ```
/// use spanwire::report::Optimization;
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// struct SmallPreviews(Arc<AtomicUsize>);
///
/// impl Optimization for SmallPreviews {
///     fn id(&self) -> &str {
///         "app.small_previews"
///     }
///     fn title(&self) -> &str {
///         "Smaller previews"
///     }
///     fn setting(&self) -> String {
///         format!("{} pixels", self.0.load(Ordering::Relaxed))
///     }
///     fn apply(&self) -> bool {
///         self.0.swap(128, Ordering::Relaxed) != 128
///     }
///     fn undo(&self) -> bool {
///         self.0.swap(512, Ordering::Relaxed) != 512
///     }
/// }
/// ```
pub trait Optimization: Send + Sync {
    /// Tells it apart: what it changes, and of what.
    fn id(&self) -> &str;

    /// What it does, for people.
    fn title(&self) -> &str;

    /// The setting that it changes, as it is now.
    fn setting(&self) -> String;

    /// What speaks for it, if anything does. Default: nothing.
    fn evidence(&self, facts: &Facts) -> Option<String> {
        let _ = facts;
        None
    }

    /// Whether the app does all that it did before. One that is not lossless is never applied by
    /// itself. Default: it is not.
    fn is_lossless(&self) -> bool {
        false
    }

    /// Whether what it is for has gone: then it is not offered any more. Default: never.
    fn is_gone(&self) -> bool {
        false
    }

    /// Changes the setting; whether that changed anything.
    fn apply(&self) -> bool;

    /// Changes it back; whether that changed anything.
    fn undo(&self) -> bool;
}

/// What can be optimised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OptimizationInfo {
    /// For [`apply_optimization`](super::PerformanceClient::apply_optimization).
    pub id: String,
    /// What it does.
    pub title: String,
    /// The setting that it changes, as it is now.
    pub setting: String,
    /// What speaks for it; `None` when nothing does, as far as is known.
    pub evidence: Option<String>,
    /// Whether the app does all that it did before. One that is not lossless is never applied by
    /// itself.
    pub is_lossless: bool,
    /// Whether it is applied now.
    pub is_applied: bool,
}

/// The id of ours: what it changes, and of what.
pub(super) fn optimization_id(what: &str, of: &str) -> String {
    format!("{what}:{of}")
}

pub(super) const LARGER_BATCHES: &str = "ipc.batch_len";
pub(super) const COALESCE: &str = "ipc.coalesce";
pub(super) const EVENT_SPANS: &str = "ipc.event_spans";
/// How many events of a wire are offered to be coalesced.
const COALESCED_MAX: usize = 20;

/// That of how many traces are kept.
#[cfg(feature = "otlp")]
pub(super) fn of_sampling(rate: &SamplingRate) -> Arc<dyn Optimization> {
    Arc::new(traces::FewerTraces::new(rate.clone()))
}

/// All that there are now of these wires.
pub(super) fn of_wires(wires: &[WeakIpc]) -> Vec<Arc<dyn Optimization>> {
    let mut all: Vec<Arc<dyn Optimization>> = Vec::new();
    for weak in wires {
        // The optimisations get the weak handle: they are kept for as long as the client.
        let Some(ipc) = weak.upgrade() else { continue };
        let weak = || weak.clone();
        let name = ipc.name();
        all.push(Arc::new(batches::LargerBatches::new(weak(), name)));
        all.push(Arc::new(event_spans::FewerEventSpans::new(weak(), name)));
        // The most frequent come first. The others would hardly make a difference.
        for (event, _) in ipc.emitted_events().into_iter().take(COALESCED_MAX) {
            let coalescing = coalescing::Coalescing::new(weak(), name, &event);
            all.push(Arc::new(coalescing));
        }
    }
    all
}
