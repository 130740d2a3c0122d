//! Requests that wait to be read, bounded in number and in bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::clock::{self, Stamp};
use crate::instrument::page_spans::{PageSpanRequest, PageSpanSource, PageSpansRefused};
use crate::telemetry::consent::{Epoch, Switch};

/// Requests that may wait: a page's SDK sends one for each 512 spans, or one for each span.
const REQUESTS_MAX: usize = 256;
/// Their bytes.
const BYTES_MAX: usize = 8 << 20;

/// A request, still unread.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) source: Arc<PageSpanSource>,
    /// As the page says.
    pub(super) spans: u32,
    pub(super) json: Box<str>,
    /// When it was taken in.
    pub(super) epoch: Epoch,
}

impl Job {
    /// Spans, as the page says: of a few bytes it may say that they are millions.
    pub(super) fn spans_at_most(&self) -> u64 {
        u64::from(self.spans).min(self.json.len() as u64)
    }
}

/// Between the threads that receive and the one that reads. At the bound the newest is refused.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    // The reader waits on it, and so do the threads that wait for the reader. They are few, so each
    // change wakes all of them.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    bytes: usize,
    taken: u64,
    done: u64,
    /// Nothing more is taken, and what is not read by then is lost.
    closed: Option<Stamp>,
    ended: bool,
}

impl State {
    fn room_for(&self, bytes: usize) -> Result<(), PageSpansRefused> {
        if self.closed.is_some() {
            return Err(PageSpansRefused::Shutdown);
        }
        if self.jobs.len() >= REQUESTS_MAX || self.bytes.saturating_add(bytes) > BYTES_MAX {
            return Err(PageSpansRefused::QueueFull);
        }
        Ok(())
    }
}

impl Queue {
    /// Takes a copy of `request`, in `epoch`. Each caller holds the lock for a few instructions.
    pub(super) fn push(
        &self,
        request: PageSpanRequest<'_>,
        epoch: Epoch,
    ) -> Result<(), PageSpansRefused> {
        let bytes = request.json.len();
        // Asked before the copy is made, which would be in vain, and again once it is.
        self.state().room_for(bytes)?;
        let job = Job {
            source: Arc::clone(request.source),
            spans: request.spans,
            json: request.json.into(),
            epoch,
        };
        let mut state = self.state();
        state.room_for(bytes)?;
        state.bytes += bytes;
        state.taken += 1;
        state.jobs.push_back(job);
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// The next request, once there is one and telemetry is not paused; `None` when there will be
    /// none.
    pub(super) fn next(&self, switch: &Switch) -> Option<Job> {
        let mut state = self.state();
        loop {
            // After the close the reader takes the remaining jobs in a pause as well, to count them
            // as discarded.
            if switch.is_paused() && state.closed.is_none() {
                // Nothing is read.
            } else if let Some(job) = state.jobs.pop_front() {
                state.bytes -= job.json.len();
                return Some(job);
            } else if state.closed.is_some() {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Has the reader look whether telemetry is paused.
    pub(super) fn look_at_switch(&self) {
        // Not between a look and the wait.
        drop(self.state());
        self.changed.notify_all();
    }

    /// Deletes what waits, and says how many spans the pages said that is, as far as that can be.
    pub(super) fn discard(&self) -> u64 {
        let mut state = self.state();
        let jobs = std::mem::take(&mut state.jobs);
        state.bytes = 0;
        // A flush that waits for them goes on.
        state.done += jobs.len() as u64;
        drop(state);
        self.changed.notify_all();
        jobs.iter().map(Job::spans_at_most).sum()
    }

    /// What [`next`](Self::next) gave last is done.
    pub(super) fn done(&self) {
        self.state().done += 1;
        self.changed.notify_all();
    }

    /// The reader has ended, or there is none.
    pub(super) fn ended(&self) {
        self.state().ended = true;
        self.changed.notify_all();
    }

    /// Takes no more; what is not read by `deadline` is lost. The first to close sets it.
    pub(super) fn close(&self, deadline: Stamp) {
        self.state().closed.get_or_insert(deadline);
        self.changed.notify_all();
    }

    /// Whether nothing more is taken.
    pub(super) fn is_closed(&self) -> bool {
        self.state().closed.is_some()
    }

    /// Whether it is too late to read.
    pub(super) fn is_late(&self) -> bool {
        let closed = self.state().closed;
        closed.is_some_and(|deadline| clock::now() > deadline)
    }

    /// Waits until what was taken so far is read; `false` when that was not so by `until`.
    pub(super) fn wait_read(&self, until: Stamp) -> bool {
        // What comes later is not waited for, or a busy page would keep a flush for ever.
        let ticket = self.state().taken;
        self.wait(until, |state| state.done >= ticket)
    }

    /// Waits until the reader has ended; `false` when that was not so by `until`.
    pub(super) fn wait_ended(&self, until: Stamp) -> bool {
        self.wait(until, |state| state.ended)
    }

    fn wait(&self, until: Stamp, is_over: impl Fn(&State) -> bool) -> bool {
        let mut state = self.state();
        while !is_over(&state) && !state.ended {
            let left = until.since(clock::now());
            if left.is_zero() {
                return false;
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
