//! A call of the page that is not settled.

use std::sync::Arc;

use super::call_series::OpenCalls;
use super::series::EventSeries;
use crate::clock::Stamp;

/// A call that is not settled.
#[derive(Clone, Debug)]
pub(super) struct OpenCall {
    pub(super) series: Arc<EventSeries>,
    /// When the page made it, as far as that is known.
    pub(super) began: Stamp,
}

impl OpenCall {
    /// Counts it among those of its event.
    pub(super) fn add_to(&self, open: &mut OpenCalls) {
        open.add(self.series.label(), self.began);
    }
}
