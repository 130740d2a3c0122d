//! `otlp.jsonl` is OTLP, as the types of opentelemetry-proto read it.

use std::collections::{HashMap, HashSet};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use spanwire::history::report::ReportOptions;

use crate::synthetic::{BEGIN, MS, Row, Synthetic, text_in};

#[test]
fn each_line_is_a_request_whose_spans_have_their_stages_as_children() {
    let history = Synthetic::new("otlp");
    history.healthy();
    history.write(&[Row {
        outcome: "error",
        error: Some("disk_full"),
        ..Row::call("export", 5_000, 200)
    }]);
    let out = history.file("report.zip");
    ReportOptions::new().write(history.history(), &out).unwrap();
    let mut spans: Vec<Span> = Vec::new();
    for line in text_in(&out, "otlp.jsonl").lines() {
        let request: ExportTraceServiceRequest = serde_json::from_str(line).unwrap();
        for of in request.resource_spans {
            let attributes = of.resource.unwrap().attributes;
            assert!(attributes.iter().any(|is| is.key == "service.name"));
            spans.extend(of.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    let ids: HashSet<&[u8]> = spans.iter().map(|span| &*span.span_id).collect();
    assert_eq!(ids.len(), spans.len(), "span ids are unique");
    let by_id: HashMap<&[u8], &Span> = spans.iter().map(|span| (&*span.span_id, span)).collect();
    for span in &spans {
        assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
        if !span.parent_span_id.is_empty() {
            let parent = by_id[&*span.parent_span_id];
            assert_eq!(parent.trace_id, span.trace_id);
            assert!(parent.start_time_unix_nano <= span.start_time_unix_nano);
            assert!(parent.end_time_unix_nano >= span.end_time_unix_nano);
        }
    }
    let export = spans
        .iter()
        .find(|span| span.name == "call export")
        .unwrap();
    assert_eq!(export.start_time_unix_nano as i64, BEGIN + 5_000 * MS);
    assert_eq!(export.status.as_ref().unwrap().code, 2);
    let children = spans
        .iter()
        .filter(|span| span.parent_span_id == export.span_id);
    let children: Vec<&str> = children.map(|span| span.name.as_str()).collect();
    assert_eq!(
        children,
        ["page_wait", "transit", "handler", "queue_wait", "response"]
    );
}
