//! A message to the page that has not ended, as it is recorded at its end.

use std::sync::Arc;

use super::outstanding::Place;
use crate::clock::Stamp;
use crate::ipc::delivery::{self, DeliveryTiming, OutboundKind, PageExecution};
use crate::ipc::protocol::direction::Direction;
use crate::ipc::recorder::Recorder;
use crate::ipc::series::{EventSeries, Outcome};
use crate::ipc::spans::timed::TimedSpan;

/// What the page says of a message that was sent to it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Acknowledged {
    /// Nothing will say whether the page took it.
    Never,
    /// Nor will anything, and it left at that time, which is past.
    Left(Stamp),
    Now,
    /// Now, and it ran then.
    Ran(PageExecution),
    /// It ran then, which the page collected in a report that is younger.
    Reported(PageExecution),
}

impl Acknowledged {
    /// When the page ran it, if that is known.
    pub(super) fn execution(self) -> Option<PageExecution> {
        match self {
            Self::Never | Self::Left(_) | Self::Now => None,
            Self::Ran(execution) | Self::Reported(execution) => Some(execution),
        }
    }
}

#[derive(Debug)]
pub(super) struct OpenMessage {
    pub(super) kind: OutboundKind,
    pub(super) series: Arc<EventSeries>,
    pub(super) span: Option<Box<TimedSpan>>,
    pub(super) size: usize,
    pub(super) enqueued_at: Stamp,
    pub(super) timing: DeliveryTiming,
    /// Among those that the page was handed.
    pub(super) in_flight: Option<Place>,
}

impl OpenMessage {
    /// The message layer hands it to the webview.
    pub(super) fn sent(&mut self, recorder: &Recorder, batch: usize) {
        let now = recorder.clock.now();
        match self.timing.dispatched {
            None => {
                self.timing.dequeued = Some((now, now.since(self.enqueued_at)));
                // A layer that sends each message on its own would fill the histogram with ones.
                if batch > 1 {
                    recorder.series.batch_size(Direction::Outbound, batch);
                }
            }
            Some(_) => {
                recorder.series.retried(1);
                recorder.stats.retried(1);
            }
        }
        self.timing.dispatched = Some((now, batch));
        self.timing.attempts += 1;
    }

    /// When it was last handed over.
    pub(super) fn dispatched(&self) -> Option<Stamp> {
        self.timing.dispatched.map(|(at, _)| at)
    }

    /// When it was handed over, for one that was so once: then it cannot have run before.
    pub(super) fn dispatched_once(&self) -> Option<Stamp> {
        self.dispatched().filter(|_| self.timing.attempts == 1)
    }

    /// Records its end. Called without a lock, since a span's end is the app's code.
    pub(super) fn finish(
        self,
        recorder: &Recorder,
        outcome: Outcome,
        page: Acknowledged,
        is_startup: bool,
    ) {
        let now = recorder.clock.now();
        let at = match page {
            Acknowledged::Never | Acknowledged::Now | Acknowledged::Ran(_) => now,
            // A report comes when the page has collected it, so `now` would be too late.
            Acknowledged::Reported(execution) => execution.end,
            Acknowledged::Left(at) => at,
        };
        let delivery = delivery::Delivery {
            kind: self.kind,
            series: &self.series,
            span: self.span,
            size: self.size,
            enqueued_at: self.enqueued_at,
            timing: self.timing,
            execution: page.execution(),
            outcome,
            is_acknowledged: !matches!(page, Acknowledged::Never | Acknowledged::Left(_)),
            is_startup,
        };
        recorder.delivered(delivery, at);
    }
}
