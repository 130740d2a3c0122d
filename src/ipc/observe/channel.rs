//! A stream of messages to the page.

use std::fmt;
use std::sync::Arc;

use super::shared::Shared;
use crate::ipc::protocol::direction::Direction;
use crate::ipc::series::EventSeries;
use crate::semconv::ErrorType;

/// A stream of messages to the page under one name; made by
/// [`Observer::channel`](super::Observer::channel).
///
/// Its messages are counted and measured as events to the page, and have no spans: a stream is
/// dense. Send a message with [`Observer::send`](super::Observer::send) to trace it.
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
