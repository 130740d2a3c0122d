//! The metric series of one webview: handles kept per event, registered when first used.

use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use super::call_series::{CallSeries, OpenCalls};
use super::event_sending::EventSending;
use super::last_vitals::LastVitals;
use super::page_life::PageVitals;
use super::page_load::PageLoad;
use super::page_state::PageState;
use super::protocol::direction::Direction;
use super::protocol::inbound_message::{
    PageErrorKind, PageTime, WebVital, WebVitalName, WebVitalRating,
};
use super::spans::names::SpanNames;
use crate::clock::Stamp;
use crate::instrument::cardinality::{CappedNames, NameSource};
use crate::instrument::ended::{EndedCounter, Subject, are_events_read};
use crate::instrument::event_name::is_event_name;
use crate::instrument::handles::{self, GaugeSums, Instruments};
use crate::instrument::open_work::{OpenWork, WorkKind, WorkName};
use crate::instrument::record_sink::{self, CallDetails, Name, Record, RecordKind, RecordOutcome};
use crate::semconv::{self, ErrorType};

/// How a message ended: well, or with an error.
pub(super) type Outcome = Result<(), ErrorType>;

/// Errors that are no failure of the other side's: it had no chance to take the message, or the app
/// closed the wire.
const fn is_dropped(error: ErrorType) -> bool {
    use ErrorType::{PageShed, QueueFull, Shutdown, Superseded};
    matches!(error, QueueFull | Superseded | Shutdown | PageShed)
}

/// The `spanwire.outcome` attribute's value.
pub(super) const fn outcome_value(outcome: Outcome) -> &'static str {
    match outcome {
        Ok(()) => "ok",
        Err(error) if is_dropped(error) => "dropped",
        Err(_) => "failed",
    }
}

const ERRORS: usize = ErrorType::ALL.len();

/// The series of one webview.
#[derive(Debug)]
pub(super) struct WebviewSeries {
    webview: Arc<str>,
    events: CappedNames<EventSeries>,
    sizes: [Instruments<Sizes>; 2],
    retries: Instruments<Counter>,
    // Arrays of two are by `Direction`, larger ones by the enum that gives their length.
    spans_skipped: [Instruments<Counter>; 2],
    transit: [Instruments<Histogram>; 2],
    loads: [Instruments<Counter>; PageLoad::ALL.len()],
    page_errors: [Instruments<Counter>; PageErrorKind::ALL.len()],
    protocol_errors: [Instruments<Counter>; ERRORS],
    state: Instruments<StateGauges>,
    in_flight: Instruments<InFlightGauges>,
    startup: Instruments<Histogram>,
    age: Instruments<Gauge>,
    visible: Instruments<Gauge>,
    inert: Instruments<Gauge>,
    long_tasks: Instruments<Histogram>,
    vitals: [[Instruments<Histogram>; WebVitalRating::ALL.len()]; WebVitalName::ALL.len()],
    last_vitals: LastVitals,
}

/// Seconds for which the page's thread can be said to have done one thing.
// The same as `LONGEST` in `page/src/long_tasks.ts`.
const LONG_TASK_MAX_S: f64 = 10.0;

/// An app names its webviews itself, but one that names them after its documents must not make
/// series without end.
static LABELS: LazyLock<CappedNames<Arc<str>>> = LazyLock::new(|| CappedNames::new(Arc::clone));

#[derive(Debug)]
struct Sizes {
    message: Histogram,
    batch: Histogram,
}

impl WebviewSeries {
    pub(super) fn new(webview: &Arc<str>) -> Self {
        // Capped across the process: each webview brings its own set of series.
        let webview = &*LABELS.get(webview, NameSource::Registered, Arc::clone);
        Self {
            webview: Arc::clone(webview),
            events: CappedNames::new(|name| EventSeries::new(webview, name)),
            sizes: [const { Instruments::new() }; 2],
            retries: Instruments::new(),
            spans_skipped: [const { Instruments::new() }; 2],
            transit: [const { Instruments::new() }; 2],
            loads: [const { Instruments::new() }; PageLoad::ALL.len()],
            page_errors: [const { Instruments::new() }; PageErrorKind::ALL.len()],
            protocol_errors: [const { Instruments::new() }; ERRORS],
            state: Instruments::new(),
            in_flight: Instruments::new(),
            startup: Instruments::new(),
            age: Instruments::new(),
            visible: Instruments::new(),
            inert: Instruments::new(),
            long_tasks: Instruments::new(),
            vitals: [const { [const { Instruments::new() }; WebVitalRating::ALL.len()] };
                WebVitalName::ALL.len()],
            last_vitals: LastVitals::default(),
        }
    }

    /// The value of `spanwire.webview.name`: the webview's name, or `_OTHER`.
    pub(super) fn webview(&self) -> &Arc<str> {
        &self.webview
    }

    pub(super) fn event(&self, name: &str, source: NameSource) -> Arc<EventSeries> {
        self.events
            .get(name, source, |name| EventSeries::new(&self.webview, name))
    }

    /// The series of an event, if it has some of its own.
    pub(super) fn existing_event(&self, name: &str) -> Option<Arc<EventSeries>> {
        self.events.existing(name)
    }

    /// Calls `f` with each event that has a name of its own.
    #[cfg(feature = "system")]
    pub(super) fn for_each_event(&self, mut f: impl FnMut(&EventSeries)) {
        self.events.for_each(|event| {
            if *event.label != *semconv::OTHER {
                f(event);
            }
        });
    }

    #[cfg(feature = "system")]
    pub(super) fn last_vitals(&self) -> &LastVitals {
        &self.last_vitals
    }

    /// For messages so broken that they have no name: the series of `_OTHER`.
    pub(super) fn nameless(&self) -> &Arc<EventSeries> {
        self.events.other()
    }

    // This one is of the webview as a whole; each event has a metric of its own for its size.
    pub(super) fn message_size(&self, direction: Direction, bytes: usize) {
        if let Some(sizes) = self.sizes(direction) {
            sizes.message.record(bytes as f64);
        }
    }

    pub(super) fn batch_size(&self, direction: Direction, messages: usize) {
        if let Some(sizes) = self.sizes(direction) {
            sizes.batch.record(messages as f64);
        }
    }

    pub(super) fn retried(&self, times: u64) {
        let register = || {
            handles::counter(
                &semconv::IPC_RETRIES,
                &[(semconv::WEBVIEW_NAME, &self.webview)],
            )
        };
        if let Some(retries) = self.retries.get(register) {
            retries.increment(times);
        }
    }

    /// Records how long a batch was on its way.
    pub(super) fn transit(&self, direction: Direction, took: Duration) {
        let register = || {
            let labels = [
                (semconv::WEBVIEW_NAME, &*self.webview),
                (semconv::IPC_DIRECTION, direction.as_str()),
            ];
            handles::histogram(&semconv::IPC_TRANSIT_DURATION, &labels)
        };
        if let Some(transit) = self.transit[direction as usize].get(register) {
            transit.record(took.as_secs_f64());
        }
    }

    /// Records a delivery that waited for its page to be loaded.
    pub(super) fn startup_delivery(&self, took: Duration) {
        let register = || {
            let labels = [(semconv::WEBVIEW_NAME, &*self.webview)];
            handles::histogram(&semconv::IPC_STARTUP_DURATION, &labels)
        };
        if let Some(duration) = self.startup.get(register) {
            duration.record(took.as_secs_f64());
        }
    }

    /// Counts an event that got no spans.
    pub(super) fn span_skipped(&self, direction: Direction) {
        let register = || {
            let labels = [
                (semconv::WEBVIEW_NAME, &*self.webview),
                (semconv::IPC_DIRECTION, direction.as_str()),
            ];
            handles::counter(&semconv::IPC_SPANS_SKIPPED, &labels)
        };
        if let Some(skipped) = self.spans_skipped[direction as usize].get(register) {
            skipped.increment(1);
        }
    }

    /// Counts a page that became ready.
    pub(super) fn page_loaded(&self, load: PageLoad) {
        if load != PageLoad::First {
            record_sink::record(|| {
                Record::new(RecordKind::PageLoad, load.as_str(), Duration::ZERO)
                    .webview(&self.webview)
            });
        }
        let register = || {
            let labels = [
                (semconv::WEBVIEW_NAME, &*self.webview),
                (semconv::PAGE_LOAD_TYPE, load.as_str()),
            ];
            handles::counter(&semconv::PAGE_LOADS, &labels)
        };
        if let Some(loads) = self.loads[load as usize].get(register) {
            loads.increment(1);
        }
    }

    /// Counts an error that the page reported of itself.
    pub(super) fn page_error(&self, error: PageErrorKind) {
        record_sink::record(|| page_error_record(error.as_str(), error).webview(&self.webview));
        let register = || self.register_page_error(error.as_str());
        if let Some(errors) = self.page_errors[error as usize].get(register) {
            errors.increment(1);
        }
    }

    /// Counts a breach of the wire's rules that belongs to no message.
    pub(super) fn protocol_error(&self, error: ErrorType) {
        self.protocol_errors(error, 1);
    }

    /// Counts several of them.
    pub(super) fn protocol_errors(&self, error: ErrorType, count: u64) {
        // The same metric as the errors that the page reports; `error.type` tells them apart.
        let register = || self.register_page_error(error.as_str());
        if let Some(errors) = self.protocol_errors[error.index()].get(register) {
            errors.increment(count);
        }
    }

    /// Adds the page to the gauge of its state.
    pub(super) fn page_state(&self, now: PageState, sums: &mut GaugeSums) {
        let register = || {
            PageState::GAUGED.map(|state| {
                let labels = [
                    (semconv::WEBVIEW_NAME, &*self.webview),
                    (semconv::STATE, state.as_str()),
                ];
                handles::gauge(&semconv::PAGE_STATE, &labels)
            })
        };
        if let Some(gauges) = self.state.get(register) {
            for (gauge, state) in gauges.iter().zip(PageState::GAUGED) {
                // All states are written, so that the one that the page has left falls to 0.
                let of = is_in(now, state);
                sums.add_part(
                    &semconv::PAGE_STATE,
                    &self.webview,
                    state.as_str(),
                    gauge,
                    of,
                );
            }
        }
    }

    /// The wire is dropped and its state not published again, so the gauges get `gone` as their last
    /// value, unless another wire has its name: then the next publishing corrects it.
    pub(super) fn page_dropped(&self) {
        if let Some(gauges) = self.state.existing() {
            set_state(gauges, PageState::Gone);
        }
        if let Some(InFlightGauges { messages, age }) = self.in_flight.existing() {
            messages.set(0.0);
            age.set(0.0);
        }
        for gauge in [&self.age, &self.visible, &self.inert] {
            if let Some(gauge) = gauge.existing() {
                gauge.set(0.0);
            }
        }
        self.events.for_each(|event| event.calls.none_open());
    }

    /// Writes what is known of the page's life to its gauges.
    pub(super) fn page_vitals(&self, vitals: PageVitals, sums: &mut GaugeSums) {
        let register = |metric| handles::gauge(metric, &[(semconv::WEBVIEW_NAME, &*self.webview)]);
        if let Some(age) = self.age.get(|| register(&semconv::PAGE_AGE)) {
            let seconds = vitals.age.as_secs_f64();
            // Webviews of one name share the series: the age of the oldest page holds.
            sums.raise(&semconv::PAGE_AGE, &self.webview, age, seconds);
        }
        let told = [
            (&semconv::PAGE_VISIBLE, &self.visible, vitals.is_visible),
            (&semconv::PAGE_INERT, &self.inert, vitals.is_inert),
        ];
        for (metric, gauge, is_so) in told {
            // What no page said is not there, and 0 once one had.
            let gauge = match is_so {
                Some(_) => gauge.get(|| register(metric)),
                None => gauge.existing(),
            };
            if let Some(gauge) = gauge {
                let count = f64::from(u8::from(is_so == Some(true)));
                sums.add(metric, &self.webview, gauge, count);
            }
        }
    }

    /// Writes what the page was handed and did not acknowledge to its gauges.
    pub(super) fn in_flight(&self, in_flight: InFlight, now: Stamp, sums: &mut GaugeSums) {
        let register = || {
            let labels = [(semconv::WEBVIEW_NAME, &*self.webview)];
            InFlightGauges {
                messages: handles::gauge(&semconv::IPC_IN_FLIGHT, &labels),
                age: handles::gauge(&semconv::IPC_IN_FLIGHT_AGE, &labels),
            }
        };
        if let Some(InFlightGauges { messages, age }) = self.in_flight.get(register) {
            let oldest = in_flight
                .oldest
                .map_or(0.0, |oldest| now.since(oldest).as_secs_f64());
            let count = in_flight.messages as f64;
            sums.add(&semconv::IPC_IN_FLIGHT, &self.webview, messages, count);
            // Of several webviews of one name the oldest message counts; the numbers add up.
            sums.raise(&semconv::IPC_IN_FLIGHT_AGE, &self.webview, age, oldest);
        }
    }

    /// Writes the calls that are not settled to their gauges.
    pub(super) fn open_calls(&self, open: &OpenCalls, now: Stamp, sums: &mut GaugeSums) {
        self.events
            .for_each(|event| event.calls.publish(open, now, sums));
    }

    /// Records a web vital of the page.
    pub(super) fn vital(&self, vital: WebVital) {
        let WebVital {
            name,
            rating,
            value,
        } = vital;
        // The value is set even without a recorder, since the performance client reads it from
        // here.
        self.last_vitals.set(name, value);
        let register = || {
            let labels = [
                (semconv::WEB_VITAL_NAME, name.as_str()),
                (semconv::WEB_VITAL_RATING, rating.as_str()),
            ];
            handles::histogram(&semconv::PAGE_WEB_VITAL_DURATION, &labels)
        };
        if let Some(duration) = self.vitals[name as usize][rating as usize].get(register) {
            duration.record(value.as_ms() / 1_000.0);
        }
    }

    /// Records that the page's thread did one thing for so long.
    pub(super) fn long_task(&self, took: PageTime) {
        let register = || {
            let labels = [(semconv::WEBVIEW_NAME, &*self.webview)];
            handles::histogram(&semconv::PAGE_LONG_TASK_DURATION, &labels)
        };
        if let Some(duration) = self.long_tasks.get(register) {
            // The page script tells of none that is longer, and what another page says must not spoil the sum.
            duration.record((took.as_ms() / 1_000.0).min(LONG_TASK_MAX_S));
        }
    }

    fn register_page_error(&self, error: &'static str) -> Counter {
        let labels = [
            (semconv::WEBVIEW_NAME, &*self.webview),
            (semconv::ERROR_TYPE, error),
        ];
        handles::counter(&semconv::PAGE_ERRORS, &labels)
    }

    fn sizes(&self, direction: Direction) -> Option<&Sizes> {
        self.sizes[direction as usize].get(|| {
            let labels = [
                (semconv::WEBVIEW_NAME, &*self.webview),
                (semconv::IPC_DIRECTION, direction.as_str()),
            ];
            Sizes {
                message: handles::histogram(&semconv::IPC_MESSAGE_SIZE, &labels),
                batch: handles::histogram(&semconv::IPC_BATCH_SIZE, &labels),
            }
        })
    }
}

/// The record of an error of the page's, under the name of its event or of its kind.
// No message carries such an error, so nothing else would keep it.
fn page_error_record(name: impl Into<Name>, error: PageErrorKind) -> Record {
    let mut record = Record::new(RecordKind::PageError, name, Duration::ZERO);
    record.outcome = RecordOutcome::Error;
    record.error_type = Some(error.as_str().into());
    record
}

/// Messages that the page was handed and did not acknowledge.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct InFlight {
    pub(super) messages: usize,
    /// When the oldest of them was handed over.
    pub(super) oldest: Option<Stamp>,
}

impl InFlight {
    /// Adds a message that was handed over `at`.
    pub(super) fn add(&mut self, at: Stamp) {
        self.messages += 1;
        self.oldest = Some(self.oldest.map_or(at, |oldest| oldest.min(at)));
    }
}

#[derive(Debug)]
struct InFlightGauges {
    messages: Gauge,
    age: Gauge,
}

type StateGauges = [Gauge; PageState::GAUGED.len()];

fn set_state(gauges: &StateGauges, now: PageState) {
    for (gauge, state) in gauges.iter().zip(PageState::GAUGED) {
        gauge.set(is_in(now, state));
    }
}

/// How many pages a page is in that state: one or none.
fn is_in(now: PageState, state: PageState) -> f64 {
    if state == now.gauged() { 1.0 } else { 0.0 }
}

/// The series of one event of one webview.
#[derive(Debug)]
pub(super) struct EventSeries {
    webview: Arc<str>,
    /// The value of `spanwire.ipc.event`: the event's name, or `_OTHER`.
    label: Arc<str>,
    names: SpanNames,
    /// Of the event in all webviews.
    counted: Arc<EndedCounter>,
    // The end of nearly every message: one look-up finds both of its instruments.
    ok: [Instruments<OkInstruments>; 2],
    // Registered when an error first happens: a healthy event has no series for errors.
    not_ok: [[Instruments<Counter>; ERRORS]; 2],
    handler_errors: [Instruments<Histogram>; ERRORS],
    process: Instruments<Histogram>,
    sizes: [Instruments<Histogram>; 2],
    transit: [Instruments<Histogram>; 2],
    wait: Instruments<Histogram>,
    calls: CallSeries,
    blocked: Instruments<Counter>,
    unheard: Instruments<Counter>,
    listener_errors: Instruments<Counter>,
    /// Whether its events to the page replace each other, and how many there were.
    sending: EventSending,
    /// Of its handlers in another message layer.
    // A number from a table that never shrinks, so it is taken with the first use.
    work: OnceLock<WorkName>,
}

/// What a message that ended well is recorded in: a count and a duration.
#[derive(Debug)]
struct OkInstruments {
    messages: Counter,
    duration: Histogram,
}

impl EventSeries {
    /// The value of `spanwire.webview.name`.
    pub(super) fn webview(&self) -> &Arc<str> {
        &self.webview
    }

    fn new(webview: &Arc<str>, label: &Arc<str>) -> Self {
        Self {
            webview: Arc::clone(webview),
            label: Arc::clone(label),
            names: SpanNames::of(label),
            counted: EndedCounter::of(Subject::Event, label),
            ok: [const { Instruments::new() }; 2],
            not_ok: [const { [const { Instruments::new() }; ERRORS] }; 2],
            handler_errors: [const { Instruments::new() }; ERRORS],
            process: Instruments::new(),
            sizes: [const { Instruments::new() }; 2],
            transit: [const { Instruments::new() }; 2],
            wait: Instruments::new(),
            calls: CallSeries::new(webview, label),
            blocked: Instruments::new(),
            unheard: Instruments::new(),
            listener_errors: Instruments::new(),
            sending: EventSending::default(),
            work: OnceLock::new(),
        }
    }

    /// A handler of it, which another message layer runs, holds this thread until what is returned is
    /// dropped.
    pub(super) fn handler_began(&self, began: Stamp) -> OpenWork {
        if !record_sink::is_on() {
            // Only the history reads open work.
            return OpenWork::none();
        }
        let name = || WorkName::new(WorkKind::Handler, &self.label, &self.webview);
        self.work.get_or_init(name).begin(began)
    }

    pub(super) fn sending(&self) -> &EventSending {
        &self.sending
    }

    pub(super) fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// The name of an event that has no series of its own; names that are not allowed are not shown.
    ///
    /// It is 128 bytes of printable text at most, as every name that is allowed.
    pub(super) fn original_name<'a>(&self, name: &'a str) -> Option<&'a str> {
        (*self.label != *name && is_event_name(name)).then_some(name)
    }

    /// Records a call that the page got an answer to, gave up, or will get none to.
    pub(super) fn call_settled(&self, outcome: Outcome, took: Duration, details: CallDetails) {
        self.calls.settled(outcome, took, details);
    }

    /// The record of a message of this event that ended now and on this thread.
    pub(super) fn kept_record(&self, kind: RecordKind, outcome: Outcome, took: Duration) -> Record {
        Record::new(kind, &self.label, took)
            .webview(&self.webview)
            .outcome(outcome)
    }

    /// What its spans are called.
    pub(super) fn names(&self) -> &SpanNames {
        &self.names
    }

    /// Counts a message from the page, and its handlers' time when they ran.
    pub(super) fn handled(&self, outcome: Outcome, took: Option<Duration>) {
        // This records the time of a message that ended well; below is that of one that failed,
        // whose series has `error.type`.
        self.ended(Direction::Inbound, outcome, took);
        if let (Err(error), Some(took)) = (outcome, took)
            && let Some(duration) = self.handler_errors[error.index()].get(|| {
                let error = (semconv::ERROR_TYPE, error.as_str());
                self.histogram(&semconv::IPC_HANDLER_DURATION, Some(error))
            })
        {
            duration.record(took.as_secs_f64());
        }
    }

    /// Counts a message to the page, and its time to the acknowledgement when there was one.
    pub(super) fn sent(&self, outcome: Outcome, took: Option<Duration>) {
        self.ended(Direction::Outbound, outcome, took);
    }

    /// Records how long the page was at work on a message.
    pub(super) fn processed(&self, took: Duration) {
        let register = || self.histogram(&semconv::IPC_PROCESS_DURATION, None);
        if let Some(duration) = self.process.get(register) {
            duration.record(took.as_secs_f64());
        }
    }

    /// Records the size of a message's payload.
    pub(super) fn size(&self, direction: Direction, bytes: usize) {
        let register = || self.one_way(&semconv::IPC_EVENT_SIZE, direction);
        if let Some(size) = self.sizes[direction as usize].get(register) {
            size.record(bytes as f64);
        }
    }

    /// Records how long a message was on its way.
    pub(super) fn transit(&self, direction: Direction, took: Duration) {
        let register = || self.one_way(&semconv::IPC_EVENT_TRANSIT_DURATION, direction);
        if let Some(transit) = self.transit[direction as usize].get(register) {
            transit.record(took.as_secs_f64());
        }
    }

    /// Records how long a message to the page waited until it was sent.
    pub(super) fn waited(&self, wait: Duration) {
        let register = || self.histogram(&semconv::IPC_EVENT_WAIT_DURATION, None);
        if let Some(duration) = self.wait.get(register) {
            duration.record(wait.as_secs_f64());
        }
    }

    /// Counts a handler that kept the UI thread.
    pub(super) fn blocked(&self) {
        let register = || self.counter(&semconv::MAIN_THREAD_BLOCKED);
        if let Some(blocked) = self.blocked.get(register) {
            blocked.increment(1);
        }
    }

    /// Counts events that the page ran, and that nothing there listened to.
    pub(super) fn unheard(&self, count: u32) {
        let register = || self.counter(&semconv::IPC_EVENTS_UNHEARD);
        if let Some(unheard) = self.unheard.get(register) {
            unheard.increment(count.into());
        }
    }

    /// Counts an error of one of its listeners on the page, which the page reported.
    pub(super) fn listener_failed(&self) {
        let error = PageErrorKind::Listener;
        record_sink::record(|| page_error_record(&self.label, error).webview(&self.webview));
        let register = || {
            let labels = [
                (semconv::WEBVIEW_NAME, &*self.webview),
                (semconv::IPC_EVENT, &*self.label),
                (semconv::ERROR_TYPE, error.as_str()),
            ];
            handles::counter(&semconv::PAGE_ERRORS, &labels)
        };
        if let Some(errors) = self.listener_errors.get(register) {
            errors.increment(1);
        }
    }

    fn counter(&self, metric: &'static semconv::Metric) -> Counter {
        let labels = [
            (semconv::WEBVIEW_NAME, &*self.webview),
            (semconv::IPC_EVENT, &*self.label),
        ];
        handles::counter(metric, &labels)
    }

    fn ended(&self, direction: Direction, outcome: Outcome, took: Option<Duration>) {
        match outcome {
            Ok(()) => {
                if are_events_read() {
                    // No duration: only operations are slow by their thresholds.
                    self.counted.count(Duration::ZERO, None, false);
                }
                let Some(ended) = self.ok[direction as usize].get(|| self.register_ok(direction))
                else {
                    return;
                };
                ended.messages.increment(1);
                if let Some(took) = took {
                    ended.duration.record(took.as_secs_f64());
                }
            }
            Err(error) => self.lost(direction, error, 1),
        }
    }

    /// Counts and keeps `count` messages that were refused before they were taken up: they took no
    /// time, and nothing else tells of them.
    pub(super) fn refused(&self, kind: RecordKind, error: ErrorType, count: u32) {
        // Every other kind of refused message came from the page.
        let direction = match kind {
            RecordKind::EventOut => Direction::Outbound,
            _ => Direction::Inbound,
        };
        self.lost(direction, error, count.into());
        // One record for all of them: `count` is their weight.
        record_sink::record(|| {
            let mut record = self.kept_record(kind, Err(error), Duration::ZERO);
            record.count = count;
            record
        });
    }

    /// Counts `count` messages that ended with `error`.
    fn lost(&self, direction: Direction, error: ErrorType, count: u64) {
        if are_events_read() {
            self.counted.count_failed(error, count);
        }
        let register = || self.messages(direction, Err(error));
        if let Some(messages) = self.not_ok[direction as usize][error.index()].get(register) {
            messages.increment(count);
        }
    }

    fn register_ok(&self, direction: Direction) -> OkInstruments {
        let duration = match direction {
            // Each direction has a metric of its own, so neither has a label for it.
            Direction::Inbound => &semconv::IPC_HANDLER_DURATION,
            Direction::Outbound => &semconv::IPC_DELIVERY_DURATION,
        };
        OkInstruments {
            messages: self.messages(direction, Ok(())),
            duration: self.histogram(duration, None),
        }
    }

    fn messages(&self, direction: Direction, outcome: Outcome) -> Counter {
        let mut labels = vec![
            (semconv::WEBVIEW_NAME, &*self.webview),
            (semconv::IPC_DIRECTION, direction.as_str()),
            (semconv::IPC_EVENT, &*self.label),
            (semconv::OUTCOME, outcome_value(outcome)),
        ];
        // Absent on success, as OpenTelemetry's conventions have it.
        labels.extend(
            outcome
                .err()
                .map(|error| (semconv::ERROR_TYPE, error.as_str())),
        );
        handles::counter(&semconv::IPC_MESSAGES, &labels)
    }

    fn one_way(&self, metric: &'static semconv::Metric, direction: Direction) -> Histogram {
        let labels = [
            (semconv::WEBVIEW_NAME, &*self.webview),
            (semconv::IPC_DIRECTION, direction.as_str()),
            (semconv::IPC_EVENT, &*self.label),
        ];
        handles::histogram(metric, &labels)
    }

    fn histogram(
        &self,
        metric: &'static semconv::Metric,
        error: Option<(&'static str, &str)>,
    ) -> Histogram {
        let mut labels = vec![
            (semconv::WEBVIEW_NAME, &*self.webview),
            (semconv::IPC_EVENT, &*self.label),
        ];
        labels.extend(error);
        handles::histogram(metric, &labels)
    }
}
