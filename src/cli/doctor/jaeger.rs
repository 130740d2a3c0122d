//! Jaeger's query service: does it have the app's traces?

use serde_json::Value;

use super::super::text::{few, shown};
use super::finding::Finding;
use super::places::Place;
use super::web::{Ahead, Trouble, Web};
use crate::clock::Stamp;

/// What it said.
pub(super) struct Said {
    place: Place,
    services: Result<Vec<String>, Trouble>,
    ahead: Option<Ahead>,
}

pub(super) fn ask(place: &Place, until: Stamp) -> Said {
    let web = Web::new(&place.url, until);
    let answer = match web.json("/api/v3/services") {
        // Of before Jaeger 1.x had it.
        Err(Trouble::Strange(_)) => web.json("/api/services"),
        other => other,
    };
    let (services, ahead) = match answer {
        Ok((value, answer)) => (
            services(&value).ok_or(Trouble::Strange(answer.status)),
            answer.ahead,
        ),
        Err(trouble) => (Err(trouble), None),
    };
    Said {
        place: place.clone(),
        services,
        ahead,
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

impl Said {
    pub(super) fn ahead(&self) -> Option<Ahead> {
        self.ahead
    }

    /// `service` is the app's name, if it is known.
    pub(super) fn judge(&self, service: Option<&str>) -> Vec<Finding> {
        let url = self.place.shown();
        let services = match &self.services {
            Ok(services) => services,
            Err(trouble) => return vec![self.place.missing(WHAT, trouble, "--jaeger")],
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
