//! Tells of threshold events on a thread of its own, which begins with the first.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::event::{ThresholdEvent, ThresholdKind, ThresholdState};
use crate::instrument::caught_panic::catch_panic;
use crate::semconv::{
    EVENT_THRESHOLD_CROSSED, EVENT_THRESHOLD_RECOVERED, IPC_EVENT, OPERATION_NAME, THRESHOLD_KIND,
};
use crate::telemetry::background::in_background;

/// The app's own, see [`TelemetryBuilder::on_threshold`](crate::telemetry::TelemetryBuilder::on_threshold).
pub(crate) type ThresholdCallback = Arc<dyn Fn(&ThresholdEvent) + Send + Sync>;

/// Dropped, it lets the thread tell what waits, and end.
pub(super) struct Notifier {
    callback: Option<ThresholdCallback>,
    /// `None` inside when the system gave no thread.
    events: OnceLock<Option<Sender<ThresholdEvent>>>,
    lost: Arc<AtomicU64>,
}

impl Notifier {
    pub(super) fn new(callback: Option<ThresholdCallback>) -> Self {
        Self {
            callback,
            events: OnceLock::new(),
            lost: Arc::default(),
        }
    }

    /// Never waits: what does not fit is lost, and the log says how much.
    pub(super) fn tell(&self, event: ThresholdEvent) {
        // Most apps never cross a threshold, so the thread begins with the first event.
        let events = self.events.get_or_init(|| self.start());
        let told = events.as_ref().map(|events| events.try_send(event));
        // The event is lost, too, if the system gave no thread.
        if !matches!(told, Some(Ok(()))) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn start(&self) -> Option<Sender<ThresholdEvent>> {
        let (events, received) = bounded(WAITING_MAX);
        let (callback, lost) = (self.callback.clone(), Arc::clone(&self.lost));
        let told = move || tell_all(&received, callback.as_ref(), &lost);
        in_background("spanwire-thresholds", told).ok()?;
        Some(events)
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier")
            .field("callback", &self.callback.is_some())
            .finish_non_exhaustive()
    }
}

fn tell_all(
    events: &Receiver<ThresholdEvent>,
    callback: Option<&ThresholdCallback>,
    lost: &AtomicU64,
) {
    // It ends when the notifier is dropped, after what waits was told.
    for event in events {
        // The log precedes the callback, which may hang or panic.
        log(&event);
        if let Some(callback) = callback
            && catch_panic(|| callback(&event)).is_err()
        {
            tracing::warn!(target: TARGET, "the callback of thresholds panicked");
        }
        // The notifier reports lost events after each event, since the callback that made it fall
        // behind has just returned.
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(
                target: TARGET,
                "{lost} threshold events were not told, since the callback took too long"
            );
        }
    }
}

fn log(event: &ThresholdEvent) {
    let name = &*event.name;
    let (operation, of_event) = match event.kind {
        ThresholdKind::EventErrorRate => (None, Some(name)),
        _ => (Some(name), None),
    };
    let kind = event.kind.as_str();
    match event.state {
        ThresholdState::Crossed => tracing::event!(
            name: EVENT_THRESHOLD_CROSSED,
            target: TARGET,
            tracing::Level::WARN,
            {
                { THRESHOLD_KIND } = kind,
                { OPERATION_NAME } = operation,
                { IPC_EVENT } = of_event,
            },
            "{event}"
        ),
        ThresholdState::Recovered => tracing::event!(
            name: EVENT_THRESHOLD_RECOVERED,
            target: TARGET,
            tracing::Level::INFO,
            {
                { THRESHOLD_KIND } = kind,
                { OPERATION_NAME } = operation,
                { IPC_EVENT } = of_event,
            },
            "{event}"
        ),
    }
}

/// Of the log records.
const TARGET: &str = "spanwire::threshold";
/// Events that wait while a callback is at work.
const WAITING_MAX: usize = 64;
