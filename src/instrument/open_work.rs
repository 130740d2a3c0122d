//! What runs now, since when and on which thread: for the history, which shows it when the
//! process ends before the work does.
//!
//! While no history records, a start costs one relaxed load; otherwise a slot is taken by one
//! exchange, as a rule, and given back by one store. A reader never holds up those that work.

#![cfg_attr(
    not(feature = "history"),
    allow(dead_code, reason = "only the history reads what is open")
)]

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::record_sink::{self, ThreadName};
use crate::clock::Stamp;

/// What sort of work it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum WorkKind {
    Operation,
    /// A handler of a message from the page, while it holds its thread.
    Handler,
}

impl WorkKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Operation => "operation",
            Self::Handler => "handler",
        }
    }
}

/// A name of work: a number, which costs nothing to keep. 0 for names beyond the bound, whose work
/// is not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkName(u32);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Work {
    kind: WorkKind,
    name: Arc<str>,
    webview: Arc<str>,
}

#[derive(Default)]
struct Names {
    // Both collections only grow: a number that a slot holds must mean the same name for ever.
    numbers: HashMap<Work, u32>,
    names: Vec<Work>,
}

/// Names have caps of their own; this one bounds all of them.
const NAMES_MAX: usize = 10_000;

static NAMES: LazyLock<Mutex<Names>> = LazyLock::new(Mutex::default);

impl WorkName {
    /// The same number for the same name.
    pub(crate) fn new(kind: WorkKind, name: &Arc<str>, webview: &Arc<str>) -> Self {
        let work = Work {
            kind,
            name: Arc::clone(name),
            webview: Arc::clone(webview),
        };
        let names = &mut *names();
        if let Some(number) = names.numbers.get(&work) {
            return Self(*number);
        }
        // The work runs as ever, and the history does not show it as open.
        if names.names.len() >= NAMES_MAX {
            return Self(0);
        }
        names.names.push(work.clone());
        let number = u32::try_from(names.names.len()).unwrap_or(0);
        names.numbers.insert(work, number);
        Self(number)
    }

    /// An operation, which belongs to no webview.
    pub(crate) fn of_operation(name: &Arc<str>) -> Self {
        Self::new(WorkKind::Operation, name, &Arc::from(""))
    }

    /// Work of this name began on this thread; it is open until what is returned is dropped.
    #[inline]
    pub(crate) fn begin(self, began: Stamp) -> OpenWork {
        match record_sink::is_on() {
            false => OpenWork::none(),
            true => OpenWork(self.take_slot(began)),
        }
    }

    fn take_slot(self, began: Stamp) -> u16 {
        if self.0 == 0 {
            return NO_SLOT;
        }
        // Threads begin at places of their own, so they seldom write to the same line of memory.
        let first = first_slot();
        for probe in 0..PROBES {
            let place = (first + probe) % SLOTS.len();
            let Some(slot) = SLOTS.get(place) else { break };
            // A load first, since a failed exchange would take the line of memory from its owner.
            if slot.began.load(Ordering::Relaxed) != FREE {
                continue;
            }
            // Acquire: what the one before wrote into the slot comes before what we write.
            let taken =
                slot.began
                    .compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed);
            if taken.is_ok() {
                // Release: who sees this name or thread sees that the slot is no longer as it was.
                slot.name.store(self.0, Ordering::Release);
                let thread = ThreadName::current().number();
                slot.thread.store(thread, Ordering::Release);
                // A stamp may be as low as 1, which means `TAKEN` here.
                let began = began.as_nanos().max(TAKEN + 1);
                // Release: who sees the time sees the name and the thread.
                slot.began.store(began, Ordering::Release);
                // Work that stays open, such as what is awaited, does not stand in the way of the next.
                FIRST.set(Some(place));
                return u16::try_from(place).unwrap_or(NO_SLOT);
            }
        }
        NO_SLOT
    }
}

/// Work is open until this is dropped, on whatever thread.
#[derive(Debug)]
#[must_use = "the work is open while it is held"]
pub(crate) struct OpenWork(u16);

impl OpenWork {
    /// Of work that ended already.
    pub(crate) const fn none() -> Self {
        Self(NO_SLOT)
    }
}

impl Drop for OpenWork {
    #[inline]
    fn drop(&mut self) {
        if let Some(slot) = SLOTS.get(usize::from(self.0)) {
            // Release: pairs with the exchange by which the next one takes the slot. The drop may
            // be on another thread than the begin.
            slot.began.store(FREE, Ordering::Release);
        }
    }
}

struct Slot {
    /// When the work began, in the clock's nanoseconds.
    began: AtomicU64,
    name: AtomicU32,
    thread: AtomicU32,
}

// States and time share one word, so a single exchange takes a slot.
const FREE: u64 = 0;
const TAKEN: u64 = 1;
const NO_SLOT: u16 = u16::MAX;
/// What is open at once and can be seen; 16 kB. What finds no place is not seen.
const SLOTS_MAX: usize = 1_024;
/// Places in which a thread looks for a free one.
const PROBES: usize = 16;
/// Places between those at which two threads begin to look: a line of memory.
const SLOTS_OF_THREAD: usize = 4;

static SLOTS: [Slot; SLOTS_MAX] = [const {
    Slot {
        began: AtomicU64::new(FREE),
        name: AtomicU32::new(0),
        thread: AtomicU32::new(0),
    }
}; SLOTS_MAX];

thread_local! {
    /// The slot that this thread took last. It needs no drop, so it can be read to the very end of the
    /// thread.
    static FIRST: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Where this thread begins to look.
fn first_slot() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    FIRST.get().unwrap_or_else(|| {
        let thread = THREADS.fetch_add(1, Ordering::Relaxed);
        let first = thread.wrapping_mul(SLOTS_OF_THREAD) % SLOTS_MAX;
        FIRST.set(Some(first));
        first
    })
}

/// Work that did not end yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenWorkSnapshot {
    pub(crate) kind: WorkKind,
    pub(crate) name: Arc<str>,
    /// Empty where it belongs to none.
    pub(crate) webview: Arc<str>,
    pub(crate) age: Duration,
    /// The thread that it began on, if that has a name.
    pub(crate) thread: Option<Arc<str>>,
}

/// What has been open for so long or longer by `now`, the oldest first.
pub(crate) fn open_work(now: Stamp, age_min: Duration) -> Vec<OpenWorkSnapshot> {
    let mut open = Vec::new();
    for slot in &SLOTS {
        let began = slot.began.load(Ordering::Acquire);
        // Free, or taken by a thread that has not written its name yet.
        if began <= TAKEN {
            continue;
        }
        let age = now.since(Stamp::NONE.plus(Duration::from_nanos(began)));
        if age < age_min {
            continue;
        }
        // Acquire, so that these loads come before the second look at `began`, which would
        // otherwise prove nothing.
        let (name, thread) = (
            slot.name.load(Ordering::Acquire),
            slot.thread.load(Ordering::Acquire),
        );
        // It ended, and another may have its place.
        if slot.began.load(Ordering::Acquire) == began {
            open.push((age, name, ThreadName::of_number(thread)));
        }
    }
    open.sort_by_key(|(age, ..)| std::cmp::Reverse(*age));
    // Only after the slots were read: `WorkName::new` needs this lock, so it should be held
    // shortly.
    let names = names();
    let open = open.into_iter().filter_map(|(age, name, thread)| {
        let place = usize::try_from(name).ok()?.checked_sub(1)?;
        let work = names.names.get(place)?.clone();
        Some(OpenWorkSnapshot {
            kind: work.kind,
            name: work.name,
            webview: work.webview,
            age,
            thread: thread.text(),
        })
    });
    open.collect()
}

fn names() -> MutexGuard<'static, Names> {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slots are the process's.
    static ALONE: Mutex<()> = Mutex::new(());

    fn at(ms: u64) -> Stamp {
        Stamp::NONE.plus(Duration::from_millis(ms))
    }

    fn open_of(name: &str, now: Stamp) -> Vec<OpenWorkSnapshot> {
        let all = open_work(now, Duration::from_secs(1));
        all.into_iter().filter(|open| &*open.name == name).collect()
    }

    #[test]
    fn work_is_seen_from_its_age_on_until_it_ends_on_any_thread() {
        let _alone = ALONE.lock().unwrap();
        let name = WorkName::of_operation(&Arc::from("open_work_test"));
        let slot = OpenWork(name.take_slot(at(1_000)));
        assert_eq!(open_of("open_work_test", at(1_999)), []);
        let open = open_of("open_work_test", at(2_500));
        assert_eq!(open.len(), 1);
        assert_eq!(open[0].age, Duration::from_millis(1_500));
        assert_eq!(open[0].kind, WorkKind::Operation);
        assert_eq!(open[0].thread.as_deref(), std::thread::current().name());
        std::thread::spawn(move || drop(slot)).join().unwrap();
        assert_eq!(open_of("open_work_test", at(2_500)), []);
    }

    #[test]
    fn work_beyond_the_slots_is_not_seen_and_what_waits_does_not_hide_the_next() {
        let _alone = ALONE.lock().unwrap();
        std::thread::spawn(|| {
            let name = WorkName::of_operation(&Arc::from("open_work_flood"));
            let begin = || OpenWork(name.take_slot(at(1_000)));
            let seen = || open_of("open_work_flood", at(3_000)).len();
            let mut open: Vec<OpenWork> = (0..5 * PROBES).map(|_| begin()).collect();
            assert_eq!(seen(), 5 * PROBES);
            open.extend((0..3 * SLOTS_MAX).map(|_| begin()));
            let all = seen();
            assert!((5 * PROBES..=SLOTS_MAX).contains(&all), "{all}");
            drop(open);
            assert_eq!(seen(), 0);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_name_has_one_number_for_each_kind_and_webview() {
        let (name, main): (Arc<str>, Arc<str>) = (Arc::from("same"), Arc::from("main"));
        let handler = WorkName::new(WorkKind::Handler, &name, &main);
        assert_eq!(handler, WorkName::new(WorkKind::Handler, &name, &main));
        assert_ne!(handler, WorkName::of_operation(&name));
    }
}
