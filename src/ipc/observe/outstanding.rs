//! What was reported to an observer and has not ended, the oldest first.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What has not ended, in the order in which it came.
#[derive(Debug)]
pub(super) struct Outstanding<T>(Mutex<Open<T>>);

#[derive(Debug)]
struct Open<T> {
    next: u64,
    // Places rise, so the map's order is that in which things came.
    all: BTreeMap<u64, T>,
}

/// The place of one of them.
#[derive(Debug)]
pub(super) struct Place(u64);

impl<T> Outstanding<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Open {
            next: 0,
            all: BTreeMap::new(),
        }))
    }

    pub(super) fn add(&self, item: T) -> Place {
        let mut open = self.lock();
        let place = open.next;
        open.next += 1;
        open.all.insert(place, item);
        Place(place)
    }

    pub(super) fn remove(&self, Place(place): Place) -> Option<T> {
        self.lock().all.remove(&place)
    }

    /// Calls `f` with each, the oldest first.
    pub(super) fn for_each(&self, f: impl FnMut(&T)) {
        self.lock().all.values().for_each(f);
    }

    fn lock(&self) -> MutexGuard<'_, Open<T>> {
        // The map is sound after each of its methods.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
