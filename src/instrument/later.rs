//! What an app's thread leaves to a thread of ours, which does it within moments.
//!
//! A thread that wakes has cold caches: a span and six metrics cost it 16 µs, and 3 µs each in a row.
//! So the caller puts its work into a queue, and a worker runs what has gathered there, in a row.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::caught_panic::catch_panic;
use super::recorder_id::{RecorderId, recorder};

/// Beyond it the caller does its work itself, so none is lost.
const WAITING_MAX: usize = 1_024;
/// How long the worker lets work come together. Far below the time for which tail sampling waits for
/// late spans.
const GATHERING: Duration = Duration::from_millis(20);

type Work = Box<dyn FnOnce() + Send>;

struct Later {
    sender: Sender<Work>,
    receiver: Receiver<Work>,
    wake: Sender<()>,
    /// The worker waits to be woken: a wake-up costs more than a push.
    is_asleep: AtomicBool,
    /// What the worker's work records with.
    recorder: AtomicUsize,
    /// Held while work is done, so that who waits for all of it has also what the worker does now.
    turn: Mutex<()>,
}

/// None where the system gives no thread.
static LATER: OnceLock<Option<Later>> = OnceLock::new();

thread_local! {
    static IS_AT_WORK: Cell<bool> = const { Cell::new(false) };
}

/// Does `work` soon, on another thread, without the caller's subscriber and context; at once where the
/// caller has a recorder of its own, as in tests.
pub(crate) fn later(work: impl FnOnce() + Send + 'static) {
    let Some(later) = LATER.get_or_init(start) else {
        return work();
    };
    let recorder = address();
    if recorder != 0 && recorder != later.recorder.load(Ordering::Relaxed) {
        // Or it is new, and the worker learns of it.
        later.wake();
        return work();
    }
    match later.sender.try_send(Box::new(work)) {
        Ok(()) => later.wake(),
        Err(TrySendError::Full(work) | TrySendError::Disconnected(work)) => work(),
    }
}

/// Does all that waits, and waits for what is being done.
pub(crate) fn finish() {
    if let Some(Some(later)) = LATER.get() {
        later.work();
    }
}

fn start() -> Option<Later> {
    let (sender, receiver) = bounded(WAITING_MAX);
    let (wake, wakes) = bounded(1);
    std::thread::Builder::new()
        .name("spanwire-later".into())
        .spawn(move || run(&wakes))
        .ok()?;
    Some(Later {
        sender,
        receiver,
        wake,
        is_asleep: AtomicBool::new(false),
        recorder: AtomicUsize::new(0),
        turn: Mutex::new(()),
    })
}

fn run(wakes: &Receiver<()>) {
    // The thread that starts this one is about to set it.
    let Some(later) = LATER.wait() else { return };
    loop {
        later.recorder.store(address(), Ordering::Relaxed);
        std::thread::sleep(GATHERING);
        if later.work() {
            continue;
        }
        later.is_asleep.store(true, Ordering::SeqCst);
        // Pairs with the fence in `wake`: either this sees the work, or its sender that it is asleep.
        fence(Ordering::SeqCst);
        if later.receiver.is_empty() && wakes.recv().is_err() {
            return;
        }
        later.is_asleep.store(false, Ordering::SeqCst);
    }
}

/// Of the recorder in force on this thread; 0: none.
fn address() -> usize {
    recorder().map_or(0, |RecorderId(address)| address)
}

impl Later {
    fn wake(&self) {
        fence(Ordering::SeqCst);
        // The load first: in a burst it is awake, and a swap would take the cache line from others.
        if self.is_asleep.load(Ordering::SeqCst) && self.is_asleep.swap(false, Ordering::SeqCst) {
            // Full means that a wake-up is on its way.
            let _ = self.wake.try_send(());
        }
    }

    /// Does what waits, and says whether that was anything.
    fn work(&self) -> bool {
        // Work is code of the app's in the end, which may ask for its telemetry to be flushed.
        if IS_AT_WORK.get() {
            return false;
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        IS_AT_WORK.set(true);
        let mut has_worked = false;
        // As much as there is now: threads that go on must not keep this one here.
        for work in self.receiver.try_iter().take(self.receiver.len()) {
            has_worked = true;
            // A panic must not end the thread.
            drop(catch_panic(work));
        }
        IS_AT_WORK.set(false);
        has_worked
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn all_work_is_done_once_however_much_comes() {
        let done = Arc::new(AtomicUsize::new(0));
        for _ in 0..3 * WAITING_MAX {
            let done = Arc::clone(&done);
            later(move || _ = done.fetch_add(1, Ordering::SeqCst));
        }
        finish();
        assert_eq!(done.load(Ordering::SeqCst), 3 * WAITING_MAX);
    }

    #[test]
    fn the_worker_comes_by_itself_and_again_after_a_sleep() {
        for pause in [Duration::ZERO, 5 * GATHERING] {
            std::thread::sleep(pause);
            let (sender, done) = bounded(1);
            later(move || sender.send(std::thread::current().id()).unwrap());
            let worker = done.recv_timeout(Duration::from_secs(30)).unwrap();
            assert_ne!(worker, std::thread::current().id());
        }
    }

    #[test]
    fn a_panic_and_work_that_waits_for_all_harm_nothing() {
        let done = Arc::new(AtomicUsize::new(0));
        later(|| panic!("of the app's code"));
        later(finish);
        let count = Arc::clone(&done);
        later(move || _ = count.fetch_add(1, Ordering::SeqCst));
        finish();
        assert_eq!(done.load(Ordering::SeqCst), 1);
    }
}
