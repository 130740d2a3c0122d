//! The thread that sends what waits, oldest first.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::Receiver;
use http::{HeaderValue, Method, Request, Uri, header};
use opentelemetry::Context;

use super::Spool;
use super::frame::{Encoding, Lane};
use super::reason;
use super::store::{Dropped, Origin, Taken};
use crate::clock::{self, Stamp};
use crate::instrument::handles;
use crate::semconv::{ExportErrorType, OTEL_COMPONENT_TYPE, SpoolErrorType};
use crate::telemetry::diagnostics::quiet::quietly;
use crate::telemetry::diagnostics::stderr::Voice;
use crate::telemetry::export::export_log::Complaints;
use crate::telemetry::export::http_client::Client;
use crate::telemetry::export::result::ExportResponse;
use crate::telemetry::export::signal::Signal;

/// How the requests of one lane reach their collector.
#[derive(Debug)]
pub(crate) struct Way {
    lane: Lane,
    signal: &'static Signal,
    url: Uri,
    /// One of its own, with the headers that are in force now.
    client: Client,
    pause: Duration,
    /// When the oldest may be tried; `None` while nothing waits.
    due: Option<Stamp>,
}

impl Way {
    pub(crate) fn new(lane: Lane, signal: &'static Signal, url: Uri, client: Client) -> Self {
        Self {
            lane,
            signal,
            url,
            client,
            pause: PAUSE_MIN,
            due: None,
        }
    }

    fn request(&self, taken: &Taken) -> Request<Bytes> {
        let mut request = Request::new(taken.body.clone());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        let mut put = |name, value| {
            request
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        };
        put(header::CONTENT_TYPE, "application/x-protobuf");
        put(header::USER_AGENT, USER_AGENT);
        if taken.encoding == Encoding::Gzip {
            put(header::CONTENT_ENCODING, "gzip");
        }
        request
    }

    /// Tries no more for a while, and for twice as long the next time.
    fn back_off(&mut self, asked: Option<Duration>) {
        let asked = asked.unwrap_or_default().min(PAUSE_ASKED_MAX);
        self.due = Some(clock::now().plus(self.pause.max(asked)));
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }

    fn is_due(&self, now: Stamp) -> bool {
        self.due.is_some_and(|due| due <= now)
    }
}

pub(super) fn start(spool: Arc<Spool>, ways: Vec<Way>, voice: Voice) -> std::io::Result<()> {
    let wakes = spool.wakes.clone();
    let replay = Replay {
        spool,
        ways,
        complaints: Complaints::new("spool", voice),
        strange: 0,
    };
    std::thread::Builder::new()
        .name("spanwire-spool".into())
        .spawn(move || replay.run(&wakes))
        .map(drop)
}

struct Replay {
    spool: Arc<Spool>,
    ways: Vec<Way>,
    complaints: Complaints,
    /// What was in the folder and not made by us, as last told.
    strange: u64,
}

impl Replay {
    fn run(mut self, wakes: &Receiver<()>) {
        let _ours_is_not_telemetry = Context::enter_telemetry_suppressed_scope();
        // What panics must not leave the app without its end: `wait_ended` waits for this thread.
        let _ = catch_unwind(AssertUnwindSafe(|| self.replay(wakes)));
        // Given back before: the last one that has the spool removes its folder, and the app may
        // look at that once this thread has ended.
        let end = Arc::clone(&self.spool.end);
        drop(self);
        end.come();
    }

    fn replay(&mut self, wakes: &Receiver<()>) {
        let mut adopt_at = clock::now();
        loop {
            let now = clock::now();
            if now >= adopt_at {
                self.adopt();
                adopt_at = now.plus(ADOPT_EVERY);
            }
            self.note_what_came();
            let mut sent = false;
            for place in 0..self.ways.len() {
                if self.ways[place].is_due(clock::now()) {
                    sent = true;
                    self.try_oldest(place);
                }
            }
            self.tell_drops();
            // Neither a collector that is away nor one that is slow keeps the app from its end.
            if self.spool.patience.is_closing() {
                let now = clock::now();
                let over = self.spool.patience.limit(now) < now;
                if over || !self.ways.iter().any(|way| way.is_due(now)) {
                    return;
                }
            }
            if !sent {
                let due = self.ways.iter().filter_map(|way| way.due).min();
                let due = due.map_or(adopt_at, |due| due.min(adopt_at));
                let _ = wakes.recv_timeout(due.since(clock::now()));
            }
        }
    }

    /// Takes over what processes that ended have left; it can be tried at once.
    fn adopt(&mut self) {
        let lanes: Vec<Lane> = self.ways.iter().map(|way| way.lane).collect();
        let mut store = self.spool.store();
        let strange = store.adopt(&lanes);
        self.spool.settle(&mut store);
        drop(store);
        if strange.count > self.strange {
            self.complaints.left_alone(strange.count, &strange.first);
        }
        self.strange = strange.count;
        for way in &mut self.ways {
            if way.due.is_none() && self.spool.waits(way.lane) {
                way.due = Some(clock::now());
            }
        }
    }

    /// What came into an empty lane did so since the collector is away.
    fn note_what_came(&mut self) {
        for way in &mut self.ways {
            match (way.due, self.spool.waits(way.lane)) {
                (None, true) => way.back_off(None),
                (Some(_), false) => {
                    way.due = None;
                    way.pause = PAUSE_MIN;
                }
                _ => {}
            }
        }
    }

    fn try_oldest(&mut self, place: usize) {
        let way = &mut self.ways[place];
        let mut store = self.spool.store();
        let taken = store.take(way.lane);
        self.spool.settle(&mut store);
        drop(store);
        let taken = match taken {
            Ok(Some(taken)) => taken,
            Ok(None) => return,
            Err(_) => return way.back_off(None),
        };
        let request = way.request(&taken);
        let (outcome, asked) = quietly(|| way.client.send_once(&request));
        match outcome {
            Ok(receipt) => {
                way.pause = PAUSE_MIN;
                way.due = Some(clock::now());
                let signal = way.signal;
                self.delivered(&taken, &receipt, signal);
            }
            // It would be refused again, and what is behind it may not be.
            Err(error) if error.kind == ExportErrorType::Refused => {
                way.pause = PAUSE_MIN;
                way.due = Some(clock::now());
                self.finish(&taken, taken.items, SpoolErrorType::Refused);
            }
            Err(error) => {
                way.back_off(asked);
                self.spool.reasons[way.lane.index()].set(&error.message);
                let mut store = self.spool.store();
                store.give_back(&taken);
                self.spool.settle(&mut store);
            }
        }
    }

    fn delivered(&self, taken: &Taken, receipt: &ExportResponse, signal: &'static Signal) {
        let spool = &*self.spool;
        let rejected = receipt.rejected.min(taken.items);
        let delivered = taken.items - rejected;
        if let Some(tally) = spool.tallies[taken.lane().index()].get() {
            match taken.origin {
                Origin::This => tally.unspool(delivered),
                Origin::Earlier => tally.accept(delivered),
            }
            tally.export(delivered);
        }
        spool.with_meters(|meters| meters.replayed.increment(delivered));
        spool.recording.run(|| {
            let labels = [(OTEL_COMPONENT_TYPE, signal.exporter)];
            handles::counter(signal.exported, &labels).increment(delivered);
        });
        self.finish(taken, rejected, SpoolErrorType::Rejected);
    }

    /// Takes the request off the disk, with so many items that did not make it.
    fn finish(&self, taken: &Taken, lost: u64, why: SpoolErrorType) {
        let mut store = self.spool.store();
        store.done(taken);
        self.spool.settle(&mut store);
        drop(store);
        self.spool.give_up(Dropped {
            lane: taken.lane(),
            items: lost,
            origin: taken.origin,
            why,
        });
    }

    fn tell_drops(&mut self) {
        for why in SpoolErrorType::ALL {
            let items =
                self.spool.untold[why.index()].swap(0, std::sync::atomic::Ordering::Relaxed);
            if items > 0 {
                self.complaints.given_up(items, reason(*why));
            }
        }
    }
}

const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// What a collector's `Retry-After` is believed.
const PAUSE_ASKED_MAX: Duration = Duration::from_secs(300);
/// A process may end while this one runs.
const ADOPT_EVERY: Duration = Duration::from_secs(60);
const USER_AGENT: &str = concat!("spanwire/", env!("CARGO_PKG_VERSION"));
