//! A request that is sent before it is on disk, and gets there when its answer takes long.
//!
//! The thread of a lane sends it, so the one that exports is never stuck in the network: it waits
//! for the answer as long as it may, and then writes the request to disk, where it stays until that
//! answer. The request is not sent a second time for that.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};
use http::Request;

use super::Spool;
use super::record::SpooledSignal;
use super::store::Place;
use crate::clock::Stamp;
use crate::telemetry::consent::Epoch;
use crate::telemetry::export::result::{Acceptance, ExportError};

/// What became of it.
pub(crate) type Answer = Result<Acceptance, ExportError>;

/// A request on its way.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(super) request: Request<Bytes>,
    pub(super) epoch: Epoch,
    /// How long it is worth repeating at once.
    pub(super) again_until: Stamp,
    /// How long its answer is waited for.
    pub(super) until: Stamp,
    state: Mutex<State>,
    answers: Sender<Answer>,
    answer: Receiver<Answer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    InMemory,
    OnDisk(Place),
    /// The answer is on its way to the thread that exports.
    Answered,
    /// No answer is waited for any more, and the disk did not take it.
    GivenUp,
}

/// What became of the wish to have it on disk.
#[derive(Debug)]
pub(crate) enum Landing {
    OnDisk,
    /// It was answered right before.
    Answered(Answer),
    /// The disk does not take it, and it is still on its way.
    NotTaken(io::Error),
}

impl Flight {
    pub(super) fn new(
        request: Request<Bytes>,
        epoch: Epoch,
        again_until: Stamp,
        until: Stamp,
    ) -> Self {
        let (answers, answer) = bounded(1);
        Self {
            request,
            epoch,
            again_until,
            until,
            state: Mutex::new(State::InMemory),
            answers,
            answer,
        }
    }

    /// Gives the answer, unless the request went to disk before.
    pub(crate) fn answer(&self) -> &Receiver<Answer> {
        &self.answer
    }

    /// Writes it to disk, for `why`.
    pub(crate) fn store(
        &self,
        spool: &Spool,
        lane: SpooledSignal,
        items: u64,
        why: &str,
    ) -> Landing {
        // Held while the disk writes: an answer that comes meanwhile waits in `land`, and then
        // finds the request on disk.
        let mut state = self.state();
        if *state == State::Answered
            && let Ok(answer) = self.answer.try_recv()
        {
            return Landing::Answered(answer);
        }
        match spool.append_in_flight(lane, &self.request, items, self.epoch, why) {
            Ok(place) => {
                *state = State::OnDisk(place);
                drop(state);
                // A lane whose thread is busy with what is older sends it from there.
                spool.wake(lane);
                Landing::OnDisk
            }
            // The state stays `InMemory`, so the answer still reaches the thread that exports.
            Err(error) => Landing::NotTaken(error),
        }
    }

    /// Waits for no answer any more.
    pub(crate) fn give_up(&self) {
        *self.state() = State::GivenUp;
    }

    pub(super) fn is_in_memory(&self) -> bool {
        *self.state() == State::InMemory
    }

    /// Hands the answer to the thread that exports; or, if the request is on disk meanwhile, says
    /// where.
    pub(super) fn land(&self, answer: &Answer) -> Option<Place> {
        let mut state = self.state();
        match *state {
            State::InMemory => {
                *state = State::Answered;
                // There is room for the only one.
                let _ = self.answers.try_send(answer.clone());
                None
            }
            // The thread that exports has counted it as spooled, so the lane's thread counts the
            // rest.
            State::OnDisk(place) => Some(place),
            State::Answered | State::GivenUp => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The next request of a lane that is to be sent before it is on disk.
#[derive(Debug, Default)]
pub(super) struct NextFlight(Mutex<Option<Arc<Flight>>>);

impl NextFlight {
    pub(super) fn put(&self, flight: &Arc<Flight>) {
        // One that is still here was put on disk or given up: the exporting thread launches the
        // next only when it is done with the one before.
        *self.slot() = Some(Arc::clone(flight));
    }

    pub(super) fn take(&self) -> Option<Arc<Flight>> {
        self.slot().take()
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<Flight>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
