//! What a span says about its trace.

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;

use super::failures::Failure;
use super::fate::SpanClass;
use crate::semconv::{
    ERROR_TYPE, OPERATION_NAME, OTHER, RPC_METHOD, RPC_SYSTEM, RPC_SYSTEM_NAME, SCOPE, SLOW,
    STARTUP_PHASE,
};

/// Knows from when a span is slow.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) wire: Duration,
    pub(super) others: Duration,
    pub(super) named: HashMap<String, Duration>,
}

/// What a span says of its trace by itself.
#[derive(Debug)]
pub(super) struct Judgement<'a> {
    pub(super) class: SpanClass,
    /// Under which name it is compared with those before it, and how long it took. A span that
    /// failed is not, nor one of which the app said from when it is slow.
    pub(super) comparable: Option<(&'a str, Duration)>,
}

/// What the attributes tell of a span's kind.
#[derive(Debug, Default)]
struct SpanAttributes<'a> {
    is_wire: bool,
    event: Option<&'a str>,
    /// The timer measured it and knows the operation's threshold.
    is_operation: bool,
    operation: Option<&'a str>,
    is_slow: bool,
    is_startup: bool,
}

impl<'a> SpanAttributes<'a> {
    fn of(attributes: &'a [KeyValue]) -> Self {
        let mut facts = Self::default();
        for KeyValue { key, value, .. } in attributes {
            match (key.as_str(), value) {
                (RPC_SYSTEM_NAME, Value::String(system)) => {
                    facts.is_wire = system.as_str() == RPC_SYSTEM;
                }
                (RPC_METHOD, Value::String(event)) => facts.event = Some(event.as_str()),
                (OPERATION_NAME, value) => {
                    facts.is_operation = true;
                    if let Value::String(name) = value {
                        facts.operation = Some(name.as_str());
                    }
                }
                (STARTUP_PHASE, _) => facts.is_startup = true,
                (SLOW, value) => facts.is_slow = *value == Value::Bool(true),
                _ => {}
            }
        }
        facts
    }
}

impl Policy {
    #[cfg(test)]
    fn class(&self, span: &SpanData) -> SpanClass {
        self.judge(span).class
    }

    pub(super) fn judge<'a>(&self, span: &'a SpanData) -> Judgement<'a> {
        // The status comes first, since a failure decides whatever the span's times are.
        if matches!(span.status, Status::Error { .. }) {
            let failure = Failure::of(&span.name, error_type(&span.attributes));
            return Judgement {
                class: SpanClass::Failed(failure),
                comparable: None,
            };
        }
        let duration = span.end_time.duration_since(span.start_time);
        // A wall clock that was set back in between leaves no duration.
        let took = duration.clone().unwrap_or_default();
        let facts = SpanAttributes::of(&span.attributes);
        // A page's spans can say anything, but they are never of our scope. How slow a start was is
        // for its own budget to say.
        if facts.is_startup && span.instrumentation_scope.name() == SCOPE {
            return Judgement {
                class: SpanClass::Startup,
                comparable: None,
            };
        }
        let named = self.named(&span.name, &facts);
        let name = match facts.operation {
            // Those beyond the cap have nothing in common.
            Some(OTHER) => None,
            // Its span's name may be one of many.
            Some(operation) => Some(operation),
            None => Some(&*span.name),
        };
        // A name with a threshold of the app's is judged by that, and a span without a duration by
        // none.
        let name = name.filter(|_| named.is_none() && duration.is_ok());
        let is_slow = match named {
            Some(threshold) => took >= threshold,
            // The timer knows thresholds that are set at run time, so its word holds and the times
            // are not compared again.
            None if facts.is_slow || facts.is_operation => facts.is_slow,
            None => took >= self.unnamed(&facts),
        };
        Judgement {
            class: if is_slow {
                SpanClass::Slow
            } else {
                SpanClass::Fine
            },
            comparable: name.map(|name| (name, took)),
        }
    }

    /// From when a span that begins so will be slow.
    ///
    /// Spans of the wire that are made for others have their attributes later, but they have a kind
    /// that little else has.
    pub(super) fn slow_after(
        &self,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
    ) -> Duration {
        let mut facts = SpanAttributes::of(attributes);
        // Otherwise a hanging call would be judged by the threshold of operations.
        facts.is_wire |=
            attributes.is_empty() && matches!(kind, SpanKind::Client | SpanKind::Producer);
        self.named(name, &facts)
            .unwrap_or_else(|| self.unnamed(&facts))
    }

    fn named(&self, name: &str, facts: &SpanAttributes<'_>) -> Option<Duration> {
        // Most apps name none, and this runs for each span.
        if self.named.is_empty() {
            return None;
        }
        let name = match facts.event {
            // A span of the wire is named after a verb and its event, and the app knows the event.
            Some(event) if facts.is_wire => event,
            _ => name,
        };
        self.named.get(name).copied()
    }

    fn unnamed(&self, facts: &SpanAttributes<'_>) -> Duration {
        if facts.is_wire {
            self.wire
        } else {
            self.others
        }
    }
}

fn error_type(attributes: &[KeyValue]) -> Option<&str> {
    let found = attributes.iter().find(|of| of.key.as_str() == ERROR_TYPE)?;
    match &found.value {
        Value::String(error) => Some(error.as_str()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::InstrumentationScope;
    use opentelemetry::trace::{SpanContext, SpanId};
    use std::time::SystemTime;

    fn policy() -> Policy {
        let ms = Duration::from_millis;
        Policy {
            wire: ms(100),
            others: ms(1_000),
            named: [("save", 500), ("load", 20)]
                .map(|(name, after)| (name.to_owned(), ms(after)))
                .into(),
        }
    }

    fn span(name: &'static str, took: u64, attributes: Vec<KeyValue>) -> SpanData {
        let start_time = SystemTime::UNIX_EPOCH;
        SpanData {
            span_context: SpanContext::empty_context(),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: name.into(),
            start_time,
            end_time: start_time + Duration::from_millis(took),
            attributes,
            dropped_attributes_count: 0,
            events: Default::default(),
            links: Default::default(),
            status: Status::Unset,
            instrumentation_scope: Default::default(),
        }
    }

    fn wire(event: &'static str) -> Vec<KeyValue> {
        vec![
            KeyValue::new(RPC_SYSTEM_NAME, RPC_SYSTEM),
            KeyValue::new(RPC_METHOD, event),
        ]
    }

    fn operation(slow: Option<bool>) -> Vec<KeyValue> {
        let mut attributes = vec![KeyValue::new(OPERATION_NAME, "any")];
        attributes.extend(slow.map(|slow| KeyValue::new(SLOW, slow)));
        attributes
    }

    #[test]
    fn each_kind_of_span_has_its_threshold_and_a_name_beats_it() {
        for (name, attributes, threshold) in [
            ("work", vec![], 1_000),
            ("save", vec![], 500),
            ("open", wire("open"), 100),
            ("send open", wire("open"), 100),
            ("send save", wire("save"), 500),
            ("save", wire("open"), 100),
            ("load", wire("load"), 20),
            // Another RPC system's call is the app's own work.
            (
                "open",
                vec![
                    KeyValue::new(RPC_SYSTEM_NAME, "grpc"),
                    KeyValue::new(RPC_METHOD, "load"),
                ],
                1_000,
            ),
        ] {
            let policy = policy();
            let after = policy.slow_after(name, &SpanKind::Internal, &attributes);
            assert_eq!(after, Duration::from_millis(threshold), "{name}");
            for (took, class) in [
                (threshold - 1, SpanClass::Fine),
                (threshold, SpanClass::Slow),
            ] {
                let span = span(name, took, attributes.clone());
                assert_eq!(policy.class(&span), class, "{name} {took}");
            }
        }
    }

    #[test]
    fn a_span_that_has_no_attributes_yet_is_told_by_its_kind() {
        for (name, kind, attributes, threshold) in [
            ("open", SpanKind::Client, vec![], 100),
            ("send open", SpanKind::Producer, vec![], 100),
            ("save", SpanKind::Client, vec![], 500),
            ("open", SpanKind::Internal, vec![], 1_000),
            (
                "GET",
                SpanKind::Client,
                vec![KeyValue::new("http.request.method", "GET")],
                1_000,
            ),
        ] {
            let after = policy().slow_after(name, &kind, &attributes);
            assert_eq!(after, Duration::from_millis(threshold), "{name} {kind:?}");
        }
    }

    #[test]
    fn an_operation_is_as_slow_as_the_timer_says_unless_it_is_named() {
        let policy = policy();
        for (name, took, slow, class) in [
            ("draw", 5, Some(true), SpanClass::Slow),
            ("draw", 5_000, None, SpanClass::Fine),
            ("draw", 5_000, Some(false), SpanClass::Fine),
            ("load", 20, None, SpanClass::Slow),
            ("save", 20, Some(true), SpanClass::Fine),
        ] {
            let span = span(name, took, operation(slow));
            assert_eq!(policy.class(&span), class, "{name} {took} {slow:?}");
        }
    }

    #[test]
    fn a_start_is_one_however_long_it_took_and_only_of_our_own_scope() {
        let phase = || vec![KeyValue::new(STARTUP_PHASE, "window")];
        let mut start = span("startup window", 9_999, phase());
        assert_eq!(policy().class(&start), SpanClass::Slow, "of another scope");
        start.instrumentation_scope = InstrumentationScope::builder(SCOPE).build();
        assert_eq!(policy().class(&start), SpanClass::Startup);
    }

    #[test]
    fn a_span_is_compared_under_its_own_name_or_its_operations() {
        let named = |name: &'static str| vec![KeyValue::new(OPERATION_NAME, name)];
        for (name, attributes, compared) in [
            ("work", vec![], Some("work")),
            ("send open", wire("open"), Some("send open")),
            ("draw 0042", named("draw"), Some("draw")),
            ("draw 0042", named(OTHER), None),
            // The app said from when it is slow.
            ("load", vec![], None),
            ("send save", wire("save"), None),
        ] {
            let span = span(name, 5, attributes);
            let took = Duration::from_millis(5);
            let expected = compared.map(|name| (name, took));
            assert_eq!(policy().judge(&span).comparable, expected, "{name}");
        }
        let mut failed = span("work", 5, vec![]);
        failed.status = Status::error("");
        assert_eq!(policy().judge(&failed).comparable, None);
        let mut set_back = span("work", 5, vec![]);
        std::mem::swap(&mut set_back.start_time, &mut set_back.end_time);
        assert_eq!(policy().judge(&set_back).comparable, None);
    }

    #[test]
    fn a_failure_weighs_more_than_any_time() {
        let mut span = span("work", 9_999, vec![]);
        span.status = Status::error("");
        let class = policy().class(&span);
        assert_eq!(class, SpanClass::Failed(Failure::of("work", None)));
        span.attributes.push(KeyValue::new(ERROR_TYPE, "panic"));
        let class = policy().class(&span);
        assert_eq!(class, SpanClass::Failed(Failure::of("work", Some("panic"))));
        span.status = Status::Ok;
        assert_eq!(policy().class(&span), SpanClass::Slow);
        std::mem::swap(&mut span.start_time, &mut span.end_time);
        assert_eq!(policy().class(&span), SpanClass::Fine);
    }
}
