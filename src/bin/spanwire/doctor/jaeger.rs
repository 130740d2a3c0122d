//! Jaeger's query service: does it have the app's traces?

use serde_json::Value;
use spanwire::clock::Stamp;

use super::client::{ClockSkew, HttpClient};
use super::finding::Finding;
use super::probe_error::ProbeError;
use super::targets::Target;
use crate::text::{few, shown};

/// What it answered.
pub(super) struct JaegerProbe {
    target: Target,
    services: Result<Vec<String>, ProbeError>,
    clock_skew: Option<ClockSkew>,
}

pub(super) fn probe(target: &Target, deadline: Stamp) -> JaegerProbe {
    let client = HttpClient::new(target, deadline);
    // The stable interface first: the other one belongs to Jaeger's own page.
    let answer = match client.json("/api/v3/services") {
        // Of before Jaeger 1.x had it.
        Err(ProbeError::UnexpectedResponse(_)) => client.json("/api/services"),
        other => other,
    };
    let (services, clock_skew) = match answer {
        Ok((value, answer)) => (
            services(&value).ok_or(ProbeError::UnexpectedResponse(answer.status)),
            answer.clock_skew,
        ),
        Err(error) => (Err(error), None),
    };
    JaegerProbe {
        target: target.clone(),
        services,
        clock_skew,
    }
}

/// `services` in one interface, `data` in the other; neither is there when there is none.
fn services(value: &Value) -> Option<Vec<String>> {
    let object = value.as_object()?;
    let list = object.get("services").or_else(|| object.get("data"));
    let names = list.and_then(Value::as_array).into_iter().flatten();
    let names = names.filter_map(|name| name.as_str().map(str::to_owned));
    Some(names.collect())
}

impl JaegerProbe {
    pub(super) fn clock_skew(&self) -> Option<ClockSkew> {
        self.clock_skew
    }

    /// `service` is the app's name, if it is known.
    pub(super) fn evaluate(&self, service: Option<&str>) -> Vec<Finding> {
        let url = self.target.redacted();
        let services = match &self.services {
            Ok(services) => services,
            Err(error) => return vec![self.target.missing(WHAT, error, "--jaeger")],
        };
        let finding = match service {
            Some(service) if services.iter().any(|one| one == service) => {
                Finding::ok(WHAT, format!("{url} has traces of {}", shown(service)))
            }
            Some(service) => Finding::warn(
                WHAT,
                format!("{url} has no trace of {}", shown(service)),
                "use the app; if it stays so: does it have OTEL_EXPORTER_OTLP_ENDPOINT, and does \
                 the Collector send to Jaeger?",
            ),
            None if services.is_empty() => Finding::warn(
                WHAT,
                format!("{url} has no trace at all"),
                "use the app; if it stays so: does the Collector send to Jaeger?",
            ),
            None => Finding::ok(WHAT, format!("{url} has traces of {}", few(services))),
        };
        vec![finding]
    }
}

const WHAT: &str = "jaeger";
