//! The metric series of one webview: handles kept per event, registered when first used.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use super::page_load::PageLoad;
use super::page_state::PageState;
use super::protocol::direction::Direction;
use super::protocol::inbound_message::{PageErrorKind, WebVital, WebVitalName, WebVitalRating};
use super::spans::names::SpanNames;
use crate::instrument::cardinality::{CappedNames, NameSource};
use crate::instrument::handles::{self, GaugeSums, Instruments};
use crate::semconv::{self, ErrorType};

/// How a message ended: well, or with an error.
pub(super) type Outcome = Result<(), ErrorType>;

/// Errors that end a message before the other side had a chance to take it.
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
    spans_skipped: [Instruments<Counter>; 2],
    transit: [Instruments<Histogram>; 2],
    loads: [Instruments<Counter>; PageLoad::ALL.len()],
    page_errors: [Instruments<Counter>; PageErrorKind::ALL.len()],
    protocol_errors: [Instruments<Counter>; ERRORS],
    state: Instruments<StateGauges>,
    vitals: [[Instruments<Histogram>; WebVitalRating::ALL.len()]; WebVitalName::ALL.len()],
}

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
            vitals: [const { [const { Instruments::new() }; WebVitalRating::ALL.len()] };
                WebVitalName::ALL.len()],
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

    /// For messages so broken that they have no name: the series of `_OTHER`.
    pub(super) fn nameless(&self) -> &Arc<EventSeries> {
        self.events.other()
    }

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
    }

    /// Records a web vital of the page.
    pub(super) fn vital(&self, vital: WebVital) {
        let WebVital {
            name,
            rating,
            value,
        } = vital;
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
    ok: [Instruments<OkInstruments>; 2],
    not_ok: [[Instruments<Counter>; ERRORS]; 2],
    handler_errors: [Instruments<Histogram>; ERRORS],
    process: Instruments<Histogram>,
    blocked: Instruments<Counter>,
}

/// What a message that ended well is recorded in: a count and a duration.
#[derive(Debug)]
struct OkInstruments {
    messages: Counter,
    duration: Histogram,
}

impl EventSeries {
    fn new(webview: &Arc<str>, label: &Arc<str>) -> Self {
        Self {
            webview: Arc::clone(webview),
            label: Arc::clone(label),
            names: SpanNames::of(label),
            ok: [const { Instruments::new() }; 2],
            not_ok: [const { [const { Instruments::new() }; ERRORS] }; 2],
            handler_errors: [const { Instruments::new() }; ERRORS],
            process: Instruments::new(),
            blocked: Instruments::new(),
        }
    }

    pub(super) fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// What its spans are called.
    pub(super) fn names(&self) -> &SpanNames {
        &self.names
    }

    /// Counts a message from the page, and its handlers' time when they ran.
    pub(super) fn handled(&self, outcome: Outcome, took: Option<Duration>) {
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

    /// Counts a handler that kept the UI thread.
    pub(super) fn blocked(&self) {
        let register = || {
            let labels = [
                (semconv::WEBVIEW_NAME, &*self.webview),
                (semconv::IPC_EVENT, &*self.label),
            ];
            handles::counter(&semconv::MAIN_THREAD_BLOCKED, &labels)
        };
        if let Some(blocked) = self.blocked.get(register) {
            blocked.increment(1);
        }
    }

    fn ended(&self, direction: Direction, outcome: Outcome, took: Option<Duration>) {
        match outcome {
            Ok(()) => {
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

    /// Counts `count` messages that ended with `error`.
    pub(super) fn lost(&self, direction: Direction, error: ErrorType, count: u64) {
        let register = || self.messages(direction, Err(error));
        if let Some(messages) = self.not_ok[direction as usize][error.index()].get(register) {
            messages.increment(count);
        }
    }

    fn register_ok(&self, direction: Direction) -> OkInstruments {
        let duration = match direction {
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
        labels.extend(
            outcome
                .err()
                .map(|error| (semconv::ERROR_TYPE, error.as_str())),
        );
        handles::counter(&semconv::IPC_MESSAGES, &labels)
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
