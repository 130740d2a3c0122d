//! The Prometheus side: a recorder that keeps every series in atomics, and the text to scrape.
//!
//! `metrics-exporter-prometheus` is not used because it keeps each histogram sample until somebody
//! drains them: a burst of five million records takes 80 MB before an upkeep once a second can act.
//! Buckets that are counted as they are recorded need no upkeep and no thread, and a third of the
//! time.

mod endpoint;
mod hosts;
mod recorder;
mod target_info;
mod text;

use std::sync::Arc;

use opentelemetry_sdk::Resource;

pub(crate) use endpoint::{Endpoint, EndpointError, EndpointOptions};
pub(crate) use recorder::PrometheusRecorder;

use crate::instruments::publish;
use recorder::State;

/// A recorder, and what renders it.
pub(crate) fn recorder(resource: &Resource) -> (PrometheusRecorder, Exposition) {
    let state = Arc::new(State::default());
    let exposition = Exposition {
        state: Arc::clone(&state),
        target_info: target_info::render(resource).into(),
        publish,
    };
    (PrometheusRecorder::new(state), exposition)
}

/// Renders a recorder's series.
#[derive(Clone, Debug)]
pub(crate) struct Exposition {
    state: Arc<State>,
    target_info: Arc<str>,
    publish: fn(),
}

impl Exposition {
    /// The metrics as they are now, in the text format that [`TEXT`] names.
    ///
    /// Another format is another writer beside `text`, chosen by the endpoint from `Accept`.
    pub(crate) fn render(&self) -> String {
        (self.publish)();
        let mut out = self.target_info.to_string();
        text::write(&mut out, &self.state);
        out
    }
}

/// The media type of the text format.
pub(crate) const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

#[cfg(test)]
mod tests;
