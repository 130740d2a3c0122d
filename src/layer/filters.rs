//! Which spans and events become telemetry.

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, Filter};

use crate::instrument::span_filter::SuppressionFilter;

/// Lets through what is important enough and does not come from our own transport.
///
/// Without it, each export would log and trace itself: with the transport's crates at `debug` one
/// log record became 35 within seconds. The answer is kept for each call site, so it costs nothing
/// afterwards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TelemetryFilter(pub(crate) LevelFilter);

impl TelemetryFilter {
    fn wants(self, metadata: &Metadata<'_>) -> bool {
        // This leaves out the app's own use of these crates too, since a target does not tell whose
        // request it is.
        *metadata.level() <= self.0 && !is_transport(metadata.target())
    }
}

impl<S> Filter<S> for TelemetryFilter {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.wants(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    // `tracing` compares each call site's level with the most verbose hint before it asks any
    // filter.
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.0)
    }
}

/// Lets events through alone, so that a layer which has no use for spans is no reason to keep them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventsOnly;

impl<S> Filter<S> for EventsOnly {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        // The layer of log records takes its trace's ids from OpenTelemetry's context, so it needs
        // no span of `tracing`'s.
        metadata.is_event()
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.is_event() {
            Interest::always()
        } else {
            Interest::never()
        }
    }
}

/// In front of a subscriber that has our layers alone: what none of them wants is nobody's.
///
/// Filters of single layers cannot say so. Behind a layer that takes everything, `tracing` would ask
/// again each time at every call site that they turned down, those of `trace!` in others' hot loops
/// included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SubscriberFilter {
    pub(crate) wanted: TelemetryFilter,
    pub(crate) has_spans: bool,
}

impl SubscriberFilter {
    fn wants(self, metadata: &Metadata<'_>) -> bool {
        self.wanted.wants(metadata) && (self.has_spans || !metadata.is_span())
    }
}

impl<S: Subscriber> Layer<S> for SubscriberFilter {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        // This filter asks both, since the call site's interest is `sometimes` for spans that are
        // wanted as a rule.
        self.wants(metadata) && SuppressionFilter::wants(metadata)
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.wants(metadata) {
            SuppressionFilter::interest(metadata)
        } else {
            // Nothing else is in this subscriber, so `tracing` may switch the call site off.
            Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.wanted.0)
    }
}

/// Whether a target is of a crate that carries telemetry.
fn is_transport(target: &str) -> bool {
    // Most targets are told by their first letter.
    // A crate that is added below with another first letter has to be added here as well.
    if !target.starts_with(['h', 'o', 'r', 't', 'u']) {
        return false;
    }
    // The whole crate name: `hyperdrive` is no `hyper`.
    let root = target.split("::").next().unwrap_or_default();
    root.starts_with("opentelemetry")
        || matches!(
            root,
            "h2" | "hyper"
                | "hyper_util"
                | "reqwest"
                | "rustls"
                | "tonic"
                | "tower"
                | "ureq"
                | "ureq_proto"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transport_crates_are_told_by_their_whole_name() {
        for transport in [
            "hyper",
            "hyper::proto::h1",
            "opentelemetry_sdk",
            "ureq::run",
        ] {
            assert!(is_transport(transport), "{transport}");
        }
        for other in ["hyperdrive", "app::hyper", "towers", "spanwire", ""] {
            assert!(!is_transport(other), "{other}");
        }
    }
}
