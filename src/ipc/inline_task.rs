//! A future without a runtime: whoever wakes it runs it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::future::BoxFuture;

/// Runs a future on the thread that starts it, and then on each thread that wakes it.
///
/// For futures of ours alone, which wait for what another thread does and do no work of their own.
pub(super) struct InlineTask(Mutex<State>);

enum State {
    Waiting(BoxFuture<'static, ()>),
    Running,
    /// It was woken while it ran, so it runs once more.
    RunningWoken,
    Done,
}

impl InlineTask {
    pub(super) fn start(future: BoxFuture<'static, ()>) {
        Arc::new(Self(Mutex::new(State::Waiting(future)))).run();
    }

    fn run(self: Arc<Self>) {
        let Some(mut future) = self.take() else {
            return;
        };
        let waker = Waker::from(Arc::clone(&self));
        // Without the lock: what the future ends may wake the task again, or another one.
        while future
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
        {
            match self.put_back(future) {
                Poll::Pending => return,
                Poll::Ready(woken) => future = woken,
            }
        }
        drop(future);
        // The state changes after the drop: a wake that comes from the drop finds `Running` and no
        // future to run.
        self.replace(|_| (State::Done, ()));
    }

    /// The future, if it waits.
    fn take(&self) -> Option<BoxFuture<'static, ()>> {
        self.replace(|state| match state {
            State::Waiting(future) => (State::Running, Some(future)),
            // The running thread polls again; to wait for it here could wait for this very thread.
            State::Running | State::RunningWoken => (State::RunningWoken, None),
            State::Done => (State::Done, None),
        })
    }

    /// Has the future wait, unless it was woken meanwhile.
    fn put_back(&self, future: BoxFuture<'static, ()>) -> Poll<BoxFuture<'static, ()>> {
        self.replace(|state| match state {
            State::RunningWoken => (State::Running, Poll::Ready(future)),
            _ => (State::Waiting(future), Poll::Pending),
        })
    }

    fn replace<R>(&self, by: impl FnOnce(State) -> (State, R)) -> R {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The lock is held while `by` runs, and that only moves the state about.
        let (next, result) = by(std::mem::replace(&mut *state, State::Done));
        *state = next;
        result
    }
}

impl Wake for InlineTask {
    fn wake(self: Arc<Self>) {
        self.run();
    }
}

impl fmt::Debug for InlineTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InlineTask").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_future_that_wakes_itself_while_it_runs_is_run_again_and_not_within_itself() {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        InlineTask::start(
            std::future::poll_fn(move |context| {
                let inside = counted.load(Ordering::SeqCst);
                context.waker().wake_by_ref();
                assert_eq!(counted.load(Ordering::SeqCst), inside);
                match counted.fetch_add(1, Ordering::SeqCst) {
                    0..4 => Poll::Pending,
                    _ => Poll::Ready(()),
                }
            })
            .boxed(),
        );
        assert_eq!(runs.load(Ordering::SeqCst), 5);
    }

    #[test]
    fn a_future_that_is_done_is_dropped_and_a_late_wake_does_nothing() {
        let held = Arc::new(());
        let waker = Arc::new(Mutex::new(None::<Waker>));
        let (guard, kept) = (Arc::clone(&held), Arc::clone(&waker));
        InlineTask::start(
            std::future::poll_fn(move |context| {
                let _guard = &guard;
                let before = kept.lock().unwrap().replace(context.waker().clone());
                match before {
                    None => Poll::Pending,
                    Some(_) => Poll::Ready(()),
                }
            })
            .boxed(),
        );
        assert_eq!(Arc::strong_count(&held), 2);
        let wake = || {
            let kept = waker.lock().unwrap().clone();
            kept.unwrap().wake();
        };
        wake();
        assert_eq!(Arc::strong_count(&held), 1);
        wake();
    }
}
