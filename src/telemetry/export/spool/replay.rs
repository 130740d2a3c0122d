//! The thread of one lane: it sends what waits, oldest first, and while nothing does, what comes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use opentelemetry::Context;

use super::Spool;
use super::reason;
use super::record::{Encoding, SpooledSignal};
use super::store::{Dropped, GoneBy, Place, StoredBy, StoredRequest};
use crate::clock::{self, Stamp};
use crate::instrument::caught_panic::catch_panic;
use crate::instrument::handles;
use crate::semconv::{ExportErrorType, SpoolErrorType};
use crate::telemetry::consent::Epoch;
use crate::telemetry::diagnostics::quiet::quietly;
use crate::telemetry::diagnostics::reporter::Reporter;
use crate::telemetry::export::backoff::jittered;
use crate::telemetry::export::completion::Completion;
use crate::telemetry::export::component::Server;
use crate::telemetry::export::export_log::ExportFailureLog;
use crate::telemetry::export::http_client::Client;
use crate::telemetry::export::pieces::Pieces;
use crate::telemetry::export::result::{Acceptance, ExportError};
use crate::telemetry::export::signal::Signal;
use crate::telemetry::export::split::SplitKind;

/// How the requests of one lane reach their collector.
#[derive(Debug)]
pub(crate) struct ReplayTarget {
    lane: SpooledSignal,
    signal: &'static Signal,
    server: Option<Server>,
    url: Uri,
    /// One of its own, with the headers that are in force now.
    client: Client,
    pause: Duration,
    /// The collector is left alone until then.
    rest_until: Stamp,
    /// How far the oldest is, when it was tried before.
    head: Option<Head>,
}

/// The oldest request of a lane, between two tries.
#[derive(Debug)]
struct Head {
    place: Place,
    pieces: Pieces,
    /// Items that the collector took and rejected so far, and those that it refused with a status.
    exported: u64,
    rejected: u64,
    refused: u64,
    /// How often in a row the collector took an empty request right after it had not taken this.
    fails_alone: u32,
}

impl ReplayTarget {
    pub(crate) fn new(
        lane: SpooledSignal,
        signal: &'static Signal,
        url: Uri,
        client: Client,
    ) -> Self {
        Self {
            lane,
            signal,
            server: Server::of(&url),
            url,
            client,
            pause: PAUSE_MIN,
            rest_until: Stamp::NONE,
            head: None,
        }
    }

    pub(super) fn lane(&self) -> SpooledSignal {
        self.lane
    }

    /// Where the oldest was left, or its beginning.
    fn head(&mut self, taken: StoredRequest) -> Head {
        // Only if it is the same record: the one that was tried may have made room meanwhile.
        let left = self.head.take().filter(|head| head.place == taken.place);
        left.unwrap_or_else(|| Head {
            place: taken.place,
            pieces: Pieces::of(
                self.request(taken.body, taken.encoding),
                taken.place.items,
                Some(self.split_kind()),
            ),
            exported: 0,
            rejected: 0,
            refused: 0,
            fails_alone: 0,
        })
    }

    /// Sends the pieces until one is not taken. Also how long the collector asks to be left alone.
    fn send(&self, head: &mut Head, epoch: Epoch) -> (Result<(), ExportError>, Option<Duration>) {
        while let Some((request, items)) = head.pieces.next() {
            let (outcome, asked) = self.client.send_once(&request, epoch);
            match outcome {
                Ok(Acceptance { rejected, .. }) => {
                    let rejected = rejected.min(items);
                    head.exported += items - rejected;
                    head.rejected += rejected;
                }
                Err(error) if head.pieces.split(&request, &error) => {}
                Err(error) if keeps(&error) => {
                    // The pieces before it have arrived. Only the rest is tried again.
                    head.pieces.put_back(request, items);
                    return (Err(error), asked);
                }
                // For good, so the other pieces go on without it.
                Err(_) => head.refused += items,
            }
        }
        (Ok(()), None)
    }

    /// Whether the collector takes a request with nothing in it.
    fn takes_empty(&self, epoch: Epoch) -> bool {
        // An OTLP request without resources encodes to no bytes, so every collector takes it.
        let empty = self.request(Bytes::new(), Encoding::Identity);
        self.client.send_once(&empty, epoch).0.is_ok()
    }

    fn split_kind(&self) -> SplitKind {
        match self.lane {
            SpooledSignal::Traces => SplitKind::Traces,
            SpooledSignal::Logs => SplitKind::Logs,
        }
    }

    fn request(&self, body: Bytes, encoding: Encoding) -> Request<Bytes> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        let mut put = |name, value| {
            request
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        };
        put(header::CONTENT_TYPE, "application/x-protobuf");
        put(header::USER_AGENT, USER_AGENT);
        if encoding == Encoding::Gzip {
            put(header::CONTENT_ENCODING, "gzip");
        }
        request
    }

    /// Tries no more for a while, and for twice as long the next time.
    fn back_off(&mut self, asked: Option<Duration>) {
        let asked = asked.unwrap_or_default().min(PAUSE_ASKED_MAX);
        // Apps that lost the same collector must not come back to it together. The collector may
        // ask for a longer pause, and not for a shorter one.
        let pause = jittered(self.pause).max(asked);
        self.rest_until = clock::now().plus(pause);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }

    /// The collector takes requests, or would.
    fn go_on(&mut self) {
        self.pause = PAUSE_MIN;
        self.rest_until = Stamp::NONE;
    }
}

/// Starts the thread, and says where its end is announced. It takes over the lanes that it `adopts`
/// from processes that ended.
pub(super) fn start(
    spool: Arc<Spool>,
    target: ReplayTarget,
    adopts: Vec<SpooledSignal>,
    reporter: Reporter,
) -> std::io::Result<Arc<Completion>> {
    let end: Arc<Completion> = Arc::default();
    let announced = Arc::clone(&end);
    let replay = Replay {
        spool,
        target,
        adopts,
        failure_log: ExportFailureLog::new("spool", reporter),
        unknown: 0,
    };
    std::thread::Builder::new()
        .name("spanwire-spool".into())
        .spawn(move || replay.run(&announced))?;
    Ok(end)
}

struct Replay {
    spool: Arc<Spool>,
    target: ReplayTarget,
    adopts: Vec<SpooledSignal>,
    failure_log: ExportFailureLog,
    /// What was in the folder and not made by us, as last told.
    unknown: u64,
}

impl Replay {
    fn run(mut self, end: &Completion) {
        let _ours_is_not_telemetry = Context::enter_telemetry_suppressed_scope();
        // What panics must not leave the app without its end: `wait_ended` waits for this thread.
        let _ = catch_panic(|| self.replay());
        // Given back before: the last one that has the spool removes its folder, and the app may
        // look at that once this thread has ended.
        drop(self);
        end.notify();
    }

    fn replay(&mut self) {
        let wakes = self.spool.wakes[self.target.lane.index()].1.clone();
        let mut adopt_at = clock::now();
        loop {
            if self.spool.switch().is_paused() {
                if self.spool.shutdown_deadline.is_closing() {
                    return;
                }
                // The end of the pause is a wake-up, and so is the shutdown.
                let _ = wakes.recv();
                adopt_at = clock::now();
                continue;
            }
            if clock::now() >= adopt_at {
                self.adopt();
                adopt_at = clock::now().plus(ADOPT_EVERY);
            }
            // The one who exports waits for the first.
            let sent = self.fly() || self.is_due() && self.try_oldest();
            self.report_drops();
            // Neither a collector that is away nor one that is slow keeps the app from its end.
            if self.spool.shutdown_deadline.is_closing() {
                let now = clock::now();
                // The limit lies before now once the shutdown's deadline has passed.
                let over = self.spool.shutdown_deadline.limit(now) < now;
                if over || !self.is_due() {
                    return;
                }
            }
            if !sent {
                // With nothing on disk only a wake-up or the next look for left folders brings
                // work.
                let due = match self.waits() {
                    true => self.target.rest_until.min(adopt_at),
                    false => adopt_at,
                };
                let _ = wakes.recv_timeout(due.since(clock::now()));
            }
        }
    }

    fn waits(&self) -> bool {
        self.spool.waits(self.target.lane)
    }

    fn is_due(&self) -> bool {
        self.waits() && self.target.rest_until <= clock::now()
    }

    /// Takes over what processes that ended have left; it can be tried at once.
    fn adopt(&mut self) {
        if self.adopts.is_empty() {
            return;
        }
        let mut store = self.spool.store();
        let unknown = store.adopt(&self.adopts);
        self.spool.settle(&mut store);
        drop(store);
        if unknown.count > self.unknown {
            self.failure_log.left_alone(unknown.count, &unknown.first);
        }
        self.unknown = unknown.count;
        for lane in &self.adopts {
            self.spool.wake(*lane);
        }
    }

    /// Sends a request that is not on disk; false when there is none.
    fn fly(&mut self) -> bool {
        let target = &mut self.target;
        let Some(flight) = self.spool.flights[target.lane.index()].take() else {
            return false;
        };
        if !flight.is_in_memory() {
            // It came too late to be sent first, and is on disk.
            return true;
        }
        // No lock is held: the exporting thread may put this flight on disk while it is sent.
        let (answer, asked) = quietly(|| {
            let client = &target.client;
            client.deliver(
                &flight.request,
                flight.epoch,
                flight.again_until,
                flight.until,
            )
        });
        match &answer {
            Err(error) if keeps(error) => target.back_off(asked),
            _ => target.go_on(),
        }
        let Some(place) = flight.land(&answer) else {
            return true;
        };
        match answer {
            Ok(Acceptance { rejected, .. }) => {
                let rejected = rejected.min(place.items);
                self.finished(&place, place.items - rejected, rejected, 0);
            }
            // It is tried again from the disk, where it can be split or given up.
            Err(error) => {
                self.spool.reasons[place.lane.index()].set(&error.message);
                self.give_back(&place);
            }
        }
        true
    }

    /// False when there is nothing to send.
    fn try_oldest(&mut self) -> bool {
        // Before it is taken: what is taken in a pause, or deleted by one, is not sent.
        let Some(epoch) = self.spool.switch().recording() else {
            return false;
        };
        let target = &mut self.target;
        let mut store = self.spool.store();
        let taken = store.take(target.lane);
        self.spool.settle(&mut store);
        // Released before the request is sent: exporting threads append meanwhile.
        drop(store);
        let taken = match taken {
            Ok(Some(taken)) => taken,
            Ok(None) => return false,
            // The disk does not let it be read now, for example with too many files open.
            Err(_) => {
                target.back_off(None);
                return true;
            }
        };
        let place = taken.place;
        let mut head = target.head(taken);
        let (outcome, asked) = quietly(|| target.send(&mut head, epoch));
        let Err(error) = outcome else {
            target.go_on();
            self.finished(&place, head.exported, head.rejected, head.refused);
            return true;
        };
        // A request that can never succeed must not keep what is behind it. It is told apart from a
        // collector that is away by an empty request, which a collector takes.
        let is_closing = self.spool.shutdown_deadline.is_closing();
        if !is_closing && quietly(|| target.takes_empty(epoch)) {
            head.fails_alone += 1;
        } else {
            head.fails_alone = 0;
        }
        if head.fails_alone >= FAILS_ALONE_MAX {
            target.go_on();
            let refused = head.refused + head.pieces.items();
            self.finished(&place, head.exported, head.rejected, refused);
            return true;
        }
        target.head = Some(head);
        target.back_off(asked);
        self.spool.reasons[place.lane.index()].set(&error.message);
        self.give_back(&place);
        true
    }

    fn give_back(&self, place: &Place) {
        let mut store = self.spool.store();
        store.give_back(place);
        self.spool.settle(&mut store);
    }

    /// Counts what became of a request, and takes it off the disk.
    fn finished(&self, place: &Place, exported: u64, rejected: u64, refused: u64) {
        let spool = &*self.spool;
        let (signal, server) = (self.target.signal, self.target.server.as_ref());
        if let Some(counters) = spool.counters[place.lane.index()].get() {
            match place.stored_by {
                StoredBy::ThisProcess => counters.unspool(exported),
                // Items of an earlier process are in none of this process's sums yet.
                StoredBy::EarlierProcess => counters.accept(exported),
            }
            counters.export(exported);
        }
        spool.with_meters(|meters| meters.replayed.increment(exported));
        spool.local_recorder.run(|| {
            let labels = signal.exporter.labels_to(server, None);
            handles::counter(signal.exported, &labels).increment(exported);
        });
        let mut store = spool.store();
        store.done(place);
        spool.settle(&mut store);
        drop(store);
        // These are not delivered, so they are counted as given up, with the reason.
        for (items, why) in [
            (rejected, SpoolErrorType::Rejected),
            (refused, SpoolErrorType::Refused),
        ] {
            spool.give_up(Dropped {
                lane: place.lane,
                items,
                stored_by: place.stored_by,
                why: GoneBy::Error(why),
            });
        }
    }

    fn report_drops(&mut self) {
        for why in SpoolErrorType::ALL {
            let items =
                self.spool.unreported[why.index()].swap(0, std::sync::atomic::Ordering::Relaxed);
            if items > 0 {
                self.failure_log.given_up(items, reason(*why));
            }
        }
    }
}

/// Whether what waits is kept for it. What is refused would be refused again, and what is behind it
/// may not be.
fn keeps(error: &ExportError) -> bool {
    error.is_temporary() || error.kind == ExportErrorType::Tls
}

const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// So often a request fails alone before it is given up: with the pauses about half a minute.
const FAILS_ALONE_MAX: u32 = 5;
/// What a collector's `Retry-After` is believed.
const PAUSE_ASKED_MAX: Duration = Duration::from_secs(300);
/// A process may end while this one runs.
const ADOPT_EVERY: Duration = Duration::from_secs(60);
const USER_AGENT: &str = concat!("spanwire/", env!("CARGO_PKG_VERSION"));
