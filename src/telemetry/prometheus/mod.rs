//! The Prometheus side: a recorder that keeps every series in atomics, and the text to scrape.
//!
//! `metrics-exporter-prometheus` is not used because it keeps each histogram sample until somebody
//! drains them: a burst of five million records takes 80 MB before an upkeep once a second can act.
//! Buckets that are counted as they are recorded need no upkeep and no thread, and a third of the
//! time.

mod conflicts;
mod content_negotiation;
mod endpoint;
mod exemplar;
#[cfg(feature = "otlp")]
mod exemplars;
#[cfg(feature = "metrics-exporter-prometheus")]
pub(super) mod exporter;
mod families;
mod host_validation;
mod labels;
mod names;
mod openmetrics;
mod pausable;
mod recorder;
mod series;
mod target_info;
mod text;

use std::sync::Arc;

use opentelemetry_sdk::Resource;

pub(crate) use endpoint::{Endpoint, EndpointError, EndpointOptions, Render};
#[cfg(feature = "otlp")]
pub(crate) use exemplars::Exemplars;
pub(crate) use pausable::PausableExposition;
pub(crate) use recorder::PrometheusRecorder;

use crate::instrument::handles::publish;
use families::{ExposedFamily, exposed};
use recorder::State;
use text::Text;

/// A recorder, and what renders it.
pub(crate) fn recorder(resource: &Resource) -> (PrometheusRecorder, Exposition) {
    let state = Arc::new(State::default());
    let exposition = Exposition {
        state: Arc::clone(&state),
        target: target_info::labels(resource).into(),
        publish,
    };
    (PrometheusRecorder::new(state), exposition)
}

/// Renders a recorder's series.
#[derive(Clone, Debug)]
pub(crate) struct Exposition {
    state: Arc<State>,
    /// The resource as labels.
    target: Arc<str>,
    publish: fn(),
}

impl Render for Exposition {
    fn text(&self) -> String {
        self.render()
    }

    fn openmetrics(&self) -> Option<String> {
        Some(self.render_openmetrics())
    }
}

impl Exposition {
    /// The metrics as they are now, in Prometheus' plain text format.
    pub(crate) fn render(&self) -> String {
        let mut out = String::new();
        text::write::<Text>(&mut out, &self.target, &self.families());
        out
    }

    /// The metrics as they are now, with exemplars, in the OpenMetrics text format.
    pub(crate) fn render_openmetrics(&self) -> String {
        let mut out = String::new();
        openmetrics::write(&mut out, &self.target, &self.families());
        out
    }

    fn families(&self) -> Vec<ExposedFamily> {
        // The publishing comes first, so that the scrape has the queues and pages of this moment.
        (self.publish)();
        let exposed = exposed(&self.state);
        // At a scrape, since only there it is known which names meet.
        self.state.warned.warn(exposed.conflicts);
        exposed.families
    }

    /// Where exemplars are kept.
    #[cfg(feature = "otlp")]
    pub(crate) fn exemplars(&self) -> Exemplars {
        Exemplars::new(Arc::clone(&self.state))
    }
}

#[cfg(test)]
mod tests;
