//! The series of one event's calls, as the page saw them: from `invoke` until the promise was
//! settled, or until the page gave it up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Gauge, Histogram};
use opentelemetry::trace::TraceId;

use crate::clock::Stamp;
use crate::instrument::handles::{self, GaugeSums, Instruments};
use crate::instrument::page_snapshots::OpenCallsSnapshot;
use crate::instrument::record_sink::{self, CallDetails, Record, RecordKind};
use crate::semconv::{self, ErrorType};

/// The series of one event's calls.
#[derive(Debug)]
pub(super) struct CallSeries {
    webview: Arc<str>,
    event: Arc<str>,
    ok: Instruments<Histogram>,
    // Registered when an error first happens, so an app has series only for errors that it had.
    not_ok: [Instruments<Histogram>; ErrorType::ALL.len()],
    open: Instruments<OpenGauges>,
}

/// Of the calls that are not settled.
#[derive(Debug)]
struct OpenGauges {
    active: Gauge,
    age: Gauge,
}

/// The calls of one webview that are not settled, by event.
#[derive(Debug, Default)]
// By label: all events beyond the cap are one entry, `_OTHER`.
pub(super) struct OpenCalls(HashMap<Arc<str>, OfEvent>);

#[derive(Clone, Copy, Debug)]
struct OfEvent {
    active: u32,
    oldest: Stamp,
}

impl OpenCalls {
    /// Adds a call of that event that `began` then.
    pub(super) fn add(&mut self, event: &Arc<str>, began: Stamp) {
        let of = self.0.entry(Arc::clone(event)).or_insert(OfEvent {
            active: 0,
            oldest: began,
        });
        of.active += 1;
        of.oldest = of.oldest.min(began);
    }

    /// Those of each event, by `now`.
    pub(super) fn snapshots(&self, now: Stamp) -> Vec<OpenCallsSnapshot> {
        let all = self.0.iter().map(|(event, of)| OpenCallsSnapshot {
            event: Arc::clone(event),
            count: of.active,
            age: now.since(of.oldest),
        });
        all.collect()
    }
}

impl CallSeries {
    pub(super) fn new(webview: &Arc<str>, event: &Arc<str>) -> Self {
        Self {
            webview: Arc::clone(webview),
            event: Arc::clone(event),
            ok: Instruments::new(),
            not_ok: [const { Instruments::new() }; ErrorType::ALL.len()],
            open: Instruments::new(),
        }
    }

    /// Records a call that the page got an answer to, gave up, or will get none to.
    pub(super) fn settled(
        &self,
        outcome: Result<(), ErrorType>,
        took: Duration,
        details: CallDetails,
    ) {
        record_sink::record(|| {
            // The history keeps the call also where there is no recorder.
            let mut record = Record::new(RecordKind::Call, &self.event, took)
                .webview(&self.webview)
                .outcome(outcome);
            record.stages = details.stages;
            record.trace_id = details.trace_id.unwrap_or(TraceId::INVALID);
            record
        });
        let duration = match outcome {
            Ok(()) => &self.ok,
            Err(error) => &self.not_ok[error.index()],
        };
        let register = || {
            let mut labels = self.labels().to_vec();
            let error = outcome.err();
            // Absent on success, as OpenTelemetry's conventions have it.
            labels.extend(error.map(|error| (semconv::ERROR_TYPE, error.as_str())));
            handles::histogram(&semconv::IPC_CALL_DURATION, &labels)
        };
        if let Some(duration) = duration.get(register) {
            duration.record(took.as_secs_f64());
        }
    }

    /// Writes those of this event to its gauges, which have been there since it had one.
    pub(super) fn publish(&self, open: &OpenCalls, now: Stamp, sums: &mut GaugeSums) {
        let of = open.0.get(&self.event);
        let gauges = match of {
            Some(_) => self.open.get(|| self.register_open()),
            None => self.open.existing(),
        };
        let Some(OpenGauges { active, age }) = gauges else {
            return;
        };
        let (webview, event) = (&self.webview, &self.event);
        let count = of.map_or(0.0, |of| f64::from(of.active));
        let oldest = of.map_or(0.0, |of| now.since(of.oldest).as_secs_f64());
        sums.add_event(&semconv::IPC_CALL_ACTIVE, webview, event, active, count);
        // Webviews of one name share both series: counts add up, of the ages the highest holds.
        sums.raise_event(&semconv::IPC_CALL_AGE, webview, event, age, oldest);
    }

    /// The wire is dropped, and with it every call.
    pub(super) fn none_open(&self) {
        if let Some(OpenGauges { active, age }) = self.open.existing() {
            active.set(0.0);
            age.set(0.0);
        }
    }

    fn register_open(&self) -> OpenGauges {
        OpenGauges {
            active: handles::gauge(&semconv::IPC_CALL_ACTIVE, &self.labels()),
            age: handles::gauge(&semconv::IPC_CALL_AGE, &self.labels()),
        }
    }

    fn labels(&self) -> [(&'static str, &str); 2] {
        [
            (semconv::WEBVIEW_NAME, &*self.webview),
            (semconv::IPC_EVENT, &*self.event),
        ]
    }
}
