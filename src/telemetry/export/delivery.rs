//! The way of one signal's requests: to the collector, or to disk while it is away.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::select;
use http::Request;

use super::http_client::{Client, Connection, origin};
use super::pieces::Pieces;
use super::result::{ExportError, Outcome, Sent};
use super::shutdown_deadline::ShutdownDeadline;
use super::split::SplitKind;
use super::spool::{Answer, Flight, Landing, Spool, SpooledSignal};
use crate::clock::{self, Stamp};
use crate::semconv::ExportErrorType;
use crate::telemetry::consent::Epoch;

/// Delivers the requests of one signal.
pub(crate) struct Delivery {
    client: Client,
    deadline: Arc<ShutdownDeadline>,
    /// What its requests hold, if they can be split.
    signal: Option<SplitKind>,
    /// Where requests go while the collector is away.
    spool: Option<(Arc<Spool>, SpooledSignal)>,
}

impl Delivery {
    /// With a spool it puts on disk what it cannot deliver for a reason that passes.
    pub(crate) fn new(
        connection: Connection,
        deadline: Arc<ShutdownDeadline>,
        signal: Option<SplitKind>,
        spool: Option<(Arc<Spool>, SpooledSignal)>,
    ) -> Self {
        Self {
            client: Client::new(connection, Arc::clone(&deadline)),
            deadline,
            signal,
            spool,
        }
    }

    /// The epoch in which something is taken in now; `None` while telemetry is paused.
    pub(crate) fn recording(&self) -> Option<Epoch> {
        self.deadline.switch().recording()
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.deadline.switch().is_paused()
    }

    /// Delivers a request of so many items, none of which was queued before `queued`. One that is
    /// too large for the collector is delivered in halves, each of which has an outcome of its own.
    ///
    /// They were taken in during `epoch`, or before and are kept. In a pause they wait, unless it
    /// deletes them.
    pub(crate) fn deliver(
        &self,
        request: Request<Bytes>,
        items: u64,
        queued: Stamp,
        epoch: Epoch,
    ) -> Vec<Sent> {
        // One time-out for the request with all its pieces and repetitions.
        let mut until = clock::now().plus(self.client.timeout());
        let mut sent = Vec::new();
        let mut pieces = Pieces::of(request, items, self.signal);
        while let Some((request, items)) = pieces.next() {
            let outcome = loop {
                let Some(waited) = self.wait_until_wanted(epoch) else {
                    break Ok(Outcome::Discarded);
                };
                // The pause is no time that the collector took.
                if waited {
                    until = clock::now().plus(self.client.timeout());
                }
                let before = self.deadline.switch().now();
                let outcome = self.deliver_piece(&request, items, queued, epoch, until);
                let turned = self.deadline.switch().now() != before;
                match outcome {
                    // It may have been kept back, and is asked about anew.
                    Err(error) if turned && error.is_temporary() => {
                        until = clock::now().plus(self.client.timeout());
                    }
                    outcome => break outcome,
                }
            };
            let outcome = match outcome {
                Ok(outcome) => outcome,
                // The halves come next, so the request has no outcome of its own.
                Err(error) if pieces.split(&request, &error) => continue,
                Err(error) => Outcome::Lost(error),
            };
            sent.push(Sent { items, outcome });
        }
        sent
    }

    fn deliver_piece(
        &self,
        request: &Request<Bytes>,
        items: u64,
        queued: Stamp,
        epoch: Epoch,
        until: Stamp,
    ) -> Result<Outcome, ExportError> {
        let Some((spool, lane)) = &self.spool else {
            let (answer, _) = self.client.deliver(request, epoch, until, until);
            return answer.map(Outcome::Exported);
        };
        let spooled = SpooledDelivery {
            delivery: self,
            spool,
            lane: *lane,
            epoch,
            answer_by: queued.plus(ANSWER_WITHIN),
            until,
        };
        spooled.deliver(request, items)
    }

    /// Waits for the end of a pause, and says whether it had to; `None` when what was taken in
    /// during `epoch` is not wanted any more, or when the shutdown comes first.
    fn wait_until_wanted(&self, epoch: Epoch) -> Option<bool> {
        let switch = self.deadline.switch();
        let mut waited = false;
        loop {
            // First, so that a change after the looks below is not missed.
            let change = switch.next_change();
            if !switch.keeps(epoch) {
                return None;
            }
            if !switch.is_paused() {
                return Some(waited);
            }
            // Metrics are sent again by the next export, with what came since.
            if self.signal.is_none() || self.deadline.is_closing() {
                return None;
            }
            waited = true;
            select! {
                recv(change) -> _ => {}
                recv(self.deadline.closing()) -> _ => {}
            }
        }
    }
}

/// The way of a request that may go to disk.
struct SpooledDelivery<'a> {
    delivery: &'a Delivery,
    spool: &'a Spool,
    lane: SpooledSignal,
    epoch: Epoch,
    /// From then on it does not wait for an answer in memory.
    answer_by: Stamp,
    /// When its answer is waited for no more.
    until: Stamp,
}

impl SpooledDelivery<'_> {
    /// # Errors
    ///
    /// When it is neither delivered nor on disk, or is too large.
    fn deliver(&self, request: &Request<Bytes>, items: u64) -> Result<Outcome, ExportError> {
        let (spool, lane) = (self.spool, self.lane);
        if spool.waits(lane) {
            // In order, and without waiting for a collector that is away.
            let why = ExportError::new(ExportErrorType::Unavailable, spool.reason(lane));
            return self.spooled_unasked(request, items, why);
        }
        let is_late = || {
            let message = format!("{} did not answer in time", origin(request.uri()));
            ExportError::new(ExportErrorType::Timeout, message)
        };
        let deadline = &self.delivery.deadline;
        if deadline.limit_early(self.answer_by) <= clock::now() {
            return self.spooled_unasked(request, items, is_late());
        }
        let until = deadline.limit(self.until);
        // The request is repeated in memory only until `answer_by`. Later it is on disk, and the
        // spool's thread repeats it from there.
        let flight = spool.launch(lane, request.clone(), self.epoch, self.answer_by, until);
        // What is not answered by then goes to disk, which takes time too.
        let answer = self.wait(&flight, self.answer_by, ShutdownDeadline::limit_early);
        let answer = match answer {
            Some(answer) => answer,
            None => match flight.store(spool, lane, items, &is_late().message) {
                Landing::OnDisk => return Ok(Outcome::Spooled(is_late())),
                Landing::Answered(answer) => answer,
                // It is on its way already: better late than not at all.
                Landing::NotTaken(disk) => {
                    // Without room on the disk nothing is gained by stopping early, so this waits
                    // until the very end.
                    let answer = self.wait(&flight, self.until, ShutdownDeadline::limit);
                    // From here on this thread alone counts the request: an answer that comes later
                    // has no effect.
                    flight.give_up();
                    return match answer.unwrap_or_else(|| Err(is_late())) {
                        Ok(acceptance) => Ok(Outcome::Exported(acceptance)),
                        Err(error) => Err(not_taken(error, &disk)),
                    };
                }
            },
        };
        match answer {
            Ok(acceptance) => Ok(Outcome::Exported(acceptance)),
            Err(error) if error.is_temporary() => {
                // The collector has refused it for now, so it is not in flight: the spool's thread
                // tries it again like any other.
                match spool.append(lane, request, items, self.epoch, &error.message) {
                    Ok(()) => Ok(Outcome::Spooled(error)),
                    Err(disk) => Err(not_taken(error, &disk)),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Puts on disk what the collector was not asked about; if the disk does not take it, it is.
    fn spooled_unasked(
        &self,
        request: &Request<Bytes>,
        items: u64,
        why: ExportError,
    ) -> Result<Outcome, ExportError> {
        let stored = self
            .spool
            .append(self.lane, request, items, self.epoch, &why.message);
        match stored {
            Ok(()) => Ok(Outcome::Spooled(why)),
            // Out of order is better than not at all.
            Err(disk) => {
                let client = &self.delivery.client;
                match client
                    .deliver(request, self.epoch, self.until, self.until)
                    .0
                {
                    Ok(acceptance) => Ok(Outcome::Exported(acceptance)),
                    Err(error) => Err(not_taken(error, &disk)),
                }
            }
        }
    }

    /// The answer, if it comes by `until` as `limit` has it. A shutdown may begin meanwhile.
    fn wait(
        &self,
        flight: &Flight,
        until: Stamp,
        limit: fn(&ShutdownDeadline, Stamp) -> Stamp,
    ) -> Option<Answer> {
        let deadline = &self.delivery.deadline;
        let left = || limit(deadline, until).since(clock::now());
        // `closing` stays disconnected once a shutdown has begun. A `select!` over it would then
        // return at once and not wait for the answer.
        if !deadline.is_closing() {
            select! {
                recv(flight.answer()) -> answer => return answer.ok(),
                recv(deadline.closing()) -> _ => {}
                default(left()) => return None,
            }
        }
        flight.answer().recv_timeout(left()).ok()
    }
}

/// What is lost since neither the collector nor the disk takes it. What is too large for the one
/// may still be split.
fn not_taken(error: ExportError, disk: &io::Error) -> ExportError {
    match error.is_temporary() {
        true => ExportError {
            message: format!("{}; the spool does not take it: {disk}", error.message),
            ..error
        },
        false => error,
    }
}

/// What is decided is on disk a second later at the latest. That leaves the disk a fifth of it.
const ANSWER_WITHIN: Duration = Duration::from_millis(800);

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("client", &self.client)
            .field("spool", &self.spool.is_some())
            .finish()
    }
}
