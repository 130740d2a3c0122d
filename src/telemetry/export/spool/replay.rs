//! The thread that sends what waits, oldest first.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::Receiver;
use http::{HeaderValue, Method, Request, Uri, header};
use opentelemetry::Context;

use super::Spool;
use super::reason;
use super::record::{Encoding, SpooledSignal};
use super::store::{Dropped, Place, StoredBy, StoredRequest};
use crate::clock::{self, Stamp};
use crate::instrument::handles;
use crate::semconv::{ExportErrorType, SpoolErrorType};
use crate::telemetry::diagnostics::quiet::quietly;
use crate::telemetry::diagnostics::reporter::Reporter;
use crate::telemetry::export::backoff::jittered;
use crate::telemetry::export::component::Server;
use crate::telemetry::export::export_log::ExportFailureLog;
use crate::telemetry::export::http_client::Client;
use crate::telemetry::export::result::{Acceptance, ExportError};
use crate::telemetry::export::signal::Signal;
use crate::telemetry::export::split::{SplitKind, halves};

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
    /// When the oldest may be tried; `None` while nothing waits.
    due: Option<Stamp>,
    /// How far the oldest is, when it was tried before.
    head: Option<Head>,
}

/// The oldest request of a lane, between two tries.
#[derive(Debug)]
struct Head {
    place: Place,
    /// What is still to be sent of it: all, or the rest of the pieces into which it was split.
    pieces: VecDeque<(Request<Bytes>, u64)>,
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
            due: None,
            head: None,
        }
    }

    /// Where the oldest was left, or its beginning.
    fn head(&mut self, taken: &StoredRequest) -> Head {
        let left = self.head.take().filter(|head| head.place == taken.place);
        left.unwrap_or_else(|| Head {
            place: taken.place,
            pieces: VecDeque::from([(
                self.request(taken.body.clone(), taken.encoding),
                taken.place.items,
            )]),
            exported: 0,
            rejected: 0,
            refused: 0,
            fails_alone: 0,
        })
    }

    /// Sends the pieces until one is not taken. Also how long the collector asks to be left alone.
    fn send(&self, head: &mut Head) -> (Result<(), ExportError>, Option<Duration>) {
        while let Some((request, items)) = head.pieces.pop_front() {
            let (outcome, asked) = self.client.send_once(&request);
            match outcome {
                Ok(Acceptance { rejected, .. }) => {
                    let rejected = rejected.min(items);
                    head.exported += items - rejected;
                    head.rejected += rejected;
                }
                Err(error) if error.kind == ExportErrorType::TooLarge => {
                    match halves(&request, self.split_kind()) {
                        Some([first, second]) => {
                            head.pieces.push_front(second);
                            head.pieces.push_front(first);
                        }
                        None => head.refused += items,
                    }
                }
                // It would be refused again, and what is behind it may not be.
                Err(error) if !error.is_temporary() && error.kind != ExportErrorType::Tls => {
                    head.refused += items;
                }
                Err(error) => {
                    head.pieces.push_front((request, items));
                    return (Err(error), asked);
                }
            }
        }
        (Ok(()), None)
    }

    /// Whether the collector takes a request with nothing in it.
    fn takes_empty(&self) -> bool {
        let empty = self.request(Bytes::new(), Encoding::Identity);
        self.client.send_once(&empty).0.is_ok()
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
        let pause = jittered(self.pause).max(asked);
        self.due = Some(clock::now().plus(pause));
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }

    fn is_due(&self, now: Stamp) -> bool {
        self.due.is_some_and(|due| due <= now)
    }
}

pub(super) fn start(
    spool: Arc<Spool>,
    targets: Vec<ReplayTarget>,
    reporter: Reporter,
) -> std::io::Result<()> {
    let wakes = spool.wakes.clone();
    let replay = Replay {
        spool,
        targets,
        failure_log: ExportFailureLog::new("spool", reporter),
        unknown: 0,
    };
    std::thread::Builder::new()
        .name("spanwire-spool".into())
        .spawn(move || replay.run(&wakes))
        .map(drop)
}

struct Replay {
    spool: Arc<Spool>,
    targets: Vec<ReplayTarget>,
    failure_log: ExportFailureLog,
    /// What was in the folder and not made by us, as last told.
    unknown: u64,
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
        end.notify();
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
            for place in 0..self.targets.len() {
                if self.targets[place].is_due(clock::now()) {
                    sent = true;
                    self.try_oldest(place);
                }
            }
            self.report_drops();
            // Neither a collector that is away nor one that is slow keeps the app from its end.
            if self.spool.shutdown_deadline.is_closing() {
                let now = clock::now();
                let over = self.spool.shutdown_deadline.limit(now) < now;
                if over || !self.targets.iter().any(|target| target.is_due(now)) {
                    return;
                }
            }
            if !sent {
                let due = self.targets.iter().filter_map(|target| target.due).min();
                let due = due.map_or(adopt_at, |due| due.min(adopt_at));
                let _ = wakes.recv_timeout(due.since(clock::now()));
            }
        }
    }

    /// Takes over what processes that ended have left; it can be tried at once.
    fn adopt(&mut self) {
        let signals: Vec<SpooledSignal> = self.targets.iter().map(|target| target.lane).collect();
        let mut store = self.spool.store();
        let unknown = store.adopt(&signals);
        self.spool.settle(&mut store);
        drop(store);
        if unknown.count > self.unknown {
            self.failure_log.left_alone(unknown.count, &unknown.first);
        }
        self.unknown = unknown.count;
        for target in &mut self.targets {
            if target.due.is_none() && self.spool.waits(target.lane) {
                target.due = Some(clock::now());
            }
        }
    }

    /// What came into an empty lane did so since the collector is away.
    fn note_what_came(&mut self) {
        for target in &mut self.targets {
            match (target.due, self.spool.waits(target.lane)) {
                (None, true) => target.back_off(None),
                (Some(_), false) => {
                    target.due = None;
                    target.pause = PAUSE_MIN;
                }
                _ => {}
            }
        }
    }

    fn try_oldest(&mut self, place: usize) {
        let target = &mut self.targets[place];
        let mut store = self.spool.store();
        let taken = store.take(target.lane);
        self.spool.settle(&mut store);
        drop(store);
        let taken = match taken {
            Ok(Some(taken)) => taken,
            Ok(None) => return,
            Err(_) => return target.back_off(None),
        };
        let mut head = target.head(&taken);
        let (outcome, asked) = quietly(|| target.send(&mut head));
        let error = match outcome {
            Ok(()) => {
                target.pause = PAUSE_MIN;
                target.due = Some(clock::now());
                let (signal, server) = (target.signal, target.server.clone());
                return self.finished(&taken.place, &head, signal, server.as_ref());
            }
            Err(error) => error,
        };
        // A request that can never succeed must not keep what is behind it. It is told apart from a
        // collector that is away by an empty request, which a collector takes.
        let is_closing = self.spool.shutdown_deadline.is_closing();
        if !is_closing && quietly(|| target.takes_empty()) {
            head.fails_alone += 1;
        } else {
            head.fails_alone = 0;
        }
        if head.fails_alone >= FAILS_ALONE_MAX {
            target.pause = PAUSE_MIN;
            target.due = Some(clock::now());
            head.refused += head.pieces.drain(..).map(|(_, items)| items).sum::<u64>();
            let (signal, server) = (target.signal, target.server.clone());
            return self.finished(&taken.place, &head, signal, server.as_ref());
        }
        target.head = Some(head);
        target.back_off(asked);
        self.spool.reasons[target.lane.index()].set(&error.message);
        let mut store = self.spool.store();
        store.give_back(&taken.place);
        self.spool.settle(&mut store);
    }

    /// Counts what became of a request, and takes it off the disk.
    fn finished(
        &self,
        place: &Place,
        head: &Head,
        signal: &'static Signal,
        server: Option<&Server>,
    ) {
        let spool = &*self.spool;
        if let Some(counters) = spool.counters[place.lane.index()].get() {
            match place.stored_by {
                StoredBy::ThisProcess => counters.unspool(head.exported),
                StoredBy::EarlierProcess => counters.accept(head.exported),
            }
            counters.export(head.exported);
        }
        spool.with_meters(|meters| meters.replayed.increment(head.exported));
        spool.local_recorder.run(|| {
            let labels = signal.exporter.labels_to(server, None);
            handles::counter(signal.exported, &labels).increment(head.exported);
        });
        let mut store = spool.store();
        store.done(place);
        spool.settle(&mut store);
        drop(store);
        for (items, why) in [
            (head.rejected, SpoolErrorType::Rejected),
            (head.refused, SpoolErrorType::Refused),
        ] {
            spool.give_up(Dropped {
                lane: place.lane,
                items,
                stored_by: place.stored_by,
                why,
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

const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// So often a request fails alone before it is given up: with the pauses about half a minute.
const FAILS_ALONE_MAX: u32 = 5;
/// What a collector's `Retry-After` is believed.
const PAUSE_ASKED_MAX: Duration = Duration::from_secs(300);
/// A process may end while this one runs.
const ADOPT_EVERY: Duration = Duration::from_secs(60);
const USER_AGENT: &str = concat!("spanwire/", env!("CARGO_PKG_VERSION"));
