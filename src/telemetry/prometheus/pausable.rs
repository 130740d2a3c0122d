//! An exposition that is not read while telemetry is paused.

use std::sync::Arc;

use super::endpoint::Render;
use crate::telemetry::consent::Switch;

/// Renders as what is behind it, unless its switch is off.
#[derive(Debug)]
pub(crate) struct PausableExposition<R> {
    pub(crate) exposition: R,
    pub(crate) switch: Arc<Switch>,
}

impl<R: Render> Render for PausableExposition<R> {
    fn text(&self) -> String {
        // Not asked for in a pause: the endpoint asks `is_paused` first, and answers 503.
        self.exposition.text()
    }

    fn openmetrics(&self) -> Option<String> {
        self.exposition.openmetrics()
    }

    fn upkeep(&self) {
        // The upkeep runs in a pause as well, since the crate's recorder frees memory in it.
        self.exposition.upkeep();
    }

    fn is_paused(&self) -> bool {
        self.switch.is_paused()
    }
}
