//! The example that observes a message layer which Spanwire did not write.

use std::collections::HashSet;
use std::process::Command;

use spanwire_testkit::example;
use spanwire_testkit::receiver::Receiver;

#[test]
fn one_trace_crosses_a_message_layer_that_spanwire_did_not_write() {
    let receiver = Receiver::start();
    let status = Command::new(example::program("spanwire", "observe"))
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url())
        .env("OTEL_EXPORTER_PROMETHEUS_PORT", "0")
        .env("OTEL_TRACES_SAMPLER", "always_on")
        .status()
        .unwrap();
    assert!(status.success());

    let spans = receiver.spans();
    for method in ["textDocument/hover", "textDocument/rename"] {
        let one = |name: &str, parent: &[u8]| {
            let of = |span: &&_| {
                let span: &opentelemetry_proto::tonic::trace::v1::Span = span;
                span.name == name && span.parent_span_id == parent
            };
            spans
                .iter()
                .find(of)
                .unwrap_or_else(|| panic!("{name}: {spans:#?}"))
                .clone()
        };
        let handled = spans.iter().find(|span| span.name == method).unwrap();
        let id = &*handled.span_id;
        let family = [
            spans
                .iter()
                .find(|span| span.name == "click" && span.span_id == handled.parent_span_id)
                .unwrap()
                .clone(),
            handled.clone(),
            one("parse", id),
            one(&format!("reply {method}"), id),
        ];
        let traces: HashSet<_> = family.iter().map(|span| &span.trace_id).collect();
        assert_eq!(traces.len(), 1, "{method}: {family:#?}");
    }
}
