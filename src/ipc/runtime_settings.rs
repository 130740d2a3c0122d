//! What may be set of a wire while it runs.

use std::sync::Arc;

use super::wire::Ipc;
use crate::instrument::cardinality::NameSource;
use crate::instrument::event_name::is_event_name;

impl Ipc {
    /// How many messages one script to the page has at most now.
    #[must_use]
    pub fn batch_len_max(&self) -> usize {
        self.0.page().batch_len_max()
    }

    /// Sets how many messages one script to the page has at most, at least one, from the next script on.
    ///
    /// Begins with [`Limits::batch_len_max`](super::Limits::batch_len_max).
    pub fn set_batch_len_max(&self, messages: usize) {
        self.0.page().set_batch_len_max(messages.max(1));
    }

    /// How many events a second of each direction may have spans now.
    #[must_use]
    pub fn event_spans_per_second_max(&self) -> u32 {
        self.0.recorder.tracer.events_per_second()
    }

    /// Sets how many events a second of each direction may have spans, from the next event on.
    ///
    /// Begins with [`Limits::event_spans_per_second_max`](super::Limits::event_spans_per_second_max).
    /// What had been admitted before counts against the new rate.
    pub fn set_event_spans_per_second_max(&self, events: u32) {
        self.0.recorder.tracer.set_events_per_second(events);
    }

    /// Whether [`emit`](Self::emit) of that event keeps the latest only.
    #[must_use]
    pub fn is_coalesced(&self, event: &str) -> bool {
        // A question must not take a place below the cap.
        let series = self.0.recorder.series.existing_event(event);
        series.is_some_and(|series| series.sending().is_coalesced())
    }

    /// Makes each [`emit`](Self::emit) of that event an [`emit_latest`](Self::emit_latest) from now
    /// on, or not any more; returns whether that changed anything.
    ///
    /// Events that the page has not taken yet are then replaced by the next one of their name, and
    /// counted as `superseded`: right for progress, positions and the like, wrong where each event
    /// counts. [`emit_replay`](Self::emit_replay) is left as it is. An event without series of its own,
    /// beyond the [`REGISTERED_NAMES_MAX`](crate::semconv::REGISTERED_NAMES_MAX) of a webview, cannot
    /// be coalesced so, nor can an invalid name.
    pub fn set_coalesced(&self, event: &str, coalesced: bool) -> bool {
        if !is_event_name(event) {
            return false;
        }
        let all = &self.0.recorder.series;
        let series = all.event(event, NameSource::Registered);
        // Events beyond the cap share one series, and must not become each other's latest.
        !Arc::ptr_eq(&series, all.nameless()) && series.sending().set_coalesced(coalesced)
    }
}
