//! A stream of messages to the page.

use std::fmt;
use std::sync::Arc;

use super::shared::Shared;
use crate::instrument::later::later;
use crate::instrument::record_sink;
use crate::ipc::protocol::direction::Direction;
use crate::ipc::series::EventSeries;
use crate::ipc::spans::parent::TraceParent;
use crate::semconv::ErrorType;

/// A stream of messages to the page under one name; made by
/// [`Observer::channel`](super::Observer::channel).
///
/// Its messages are counted and measured as events to the page, and have no spans: a stream is
/// dense. [`event`](Self::event) and [`Observer::send`](super::Observer::send) trace a message.
#[derive(Clone)]
pub struct Channel {
    shared: Arc<Shared>,
    series: Arc<EventSeries>,
}

impl Channel {
    pub(super) fn new(shared: Arc<Shared>, series: Arc<EventSeries>) -> Self {
        Self { shared, series }
    }

    /// A message of `bytes` was handed to the webview.
    pub fn message(&self, bytes: usize) {
        let recorder = &self.shared.recorder;
        recorder.series.message_size(Direction::Outbound, bytes);
        recorder.stats.accepted();
        // Accepted and ended at once: nothing will say what the page did with it.
        recorder.stats.sent(Ok(()), None);
        self.series.size(Direction::Outbound, bytes);
        self.series.sent(Ok(()), None);
    }

    /// An event of `bytes` was handed to the webview here and now, within the span that is current, and
    /// nothing will say whether the page took it.
    ///
    /// It is recorded as one that [`Observer::send`](super::Observer::send) begins and
    /// [`Delivery::handed_over`](super::Delivery::handed_over) ends, with a span, and costs the caller
    /// a fraction of it: it is recorded some 20 ms later, on another thread, with this moment as its
    /// time. A reader of metrics, `Telemetry::flush`, `pause` and `shutdown`, and
    /// [`Observer::set_page_state`](super::Observer::set_page_state) wait for what is still to be
    /// recorded. The caller records it where more than 1,024 events wait, a history is kept, or its
    /// thread has a recorder of its own.
    pub fn event(&self, bytes: usize) {
        let at = self.shared.recorder.clock.now();
        let parent = TraceParent::current();
        let (shared, series) = (Arc::clone(&self.shared), Arc::clone(&self.series));
        let record = move || shared.event_left(series, bytes, &parent, at);
        if record_sink::is_on() {
            // A record of the history tells of its thread.
            record();
        } else {
            later(record);
        }
    }

    /// A message did not reach the page.
    pub fn failed(&self, error: ErrorType) {
        let recorder = &self.shared.recorder;
        recorder.stats.accepted();
        recorder.stats.sent(Err(error), None);
        self.series.sent(Err(error), None);
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("event", self.series.label())
            .finish_non_exhaustive()
    }
}
