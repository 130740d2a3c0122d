//! Metrics that a scrape has no room for, and the warning about each.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::semconv::EVENT_ENDPOINT_METRIC_CONFLICT;

/// A metric of the app's that is left out, wholly or in part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Conflict {
    /// As the app calls it.
    pub(super) name: String,
    /// As Prometheus calls its type.
    pub(super) kind: &'static str,
    /// What it would be called on `/metrics`.
    pub(super) shown: String,
}

/// The metrics that were warned of.
///
/// It grows with the app's names, as the recorder does: they come from code.
#[derive(Debug, Default)]
pub(super) struct Warned(Mutex<BTreeSet<Conflict>>);

impl Warned {
    /// Warns of each that is new.
    pub(super) fn warn(&self, conflicts: BTreeSet<Conflict>) {
        for conflict in conflicts {
            let mut warned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let is_new = warned.insert(conflict.clone());
            // A subscriber is code of the app.
            drop(warned);
            if is_new {
                let Conflict { name, kind, shown } = conflict;
                tracing::warn!(
                    name: EVENT_ENDPOINT_METRIC_CONFLICT,
                    "the {kind} {name:?} is left out of /metrics, wholly or in part: there it \
                     would be {shown}, and another metric has that name or one of its series; \
                     rename one of them"
                );
            }
        }
    }
}
