//! How commands ended, by what is counted where.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use spanwire_testkit::receiver::text;
use spanwire_testkit::scrape::scrape;

/// How often a command ended so.
pub type Counts = BTreeMap<(String, String), usize>;

/// The error has what was found.
pub fn same(expected: &Counts, found: &Counts) -> Result<(), String> {
    let is_same = expected == found;
    is_same.then_some(()).ok_or_else(|| format!("{found:?}"))
}

/// Counts them.
pub fn counted(ended: impl IntoIterator<Item = (String, String)>) -> Counts {
    let mut counts = Counts::new();
    for one in ended {
        *counts.entry(one).or_default() += 1;
    }
    counts
}

/// What the endpoint says of commands of the app's own.
pub fn of_metrics(prometheus: SocketAddr) -> Counts {
    let mut counts = Counts::new();
    for sample in scrape(prometheus) {
        let event = sample.label("spanwire_ipc_event");
        let is_call = sample.name == "spanwire_ipc_messages_total"
            && sample.label("spanwire_ipc_direction") == "inbound"
            && !event.starts_with("plugin:");
        if is_call && sample.value > 0.0 {
            let how = match sample.label("error_type") {
                "" => "ok",
                error => error,
            };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a small count"
            )]
            counts.insert((event.to_owned(), how.to_owned()), sample.value as usize);
        }
    }
    counts
}

/// A click counts when its trace is whole: the page's call, the command in it, and its response.
pub fn of_traces(spans: &[Span]) -> Counts {
    let of_kind = |kind: SpanKind| spans.iter().filter(move |span| span.kind == kind as i32);
    counted(of_kind(SpanKind::Server).filter_map(|server| {
        let client =
            of_kind(SpanKind::Client).find(|client| client.span_id == server.parent_span_id)?;
        let reply =
            of_kind(SpanKind::Internal).find(|reply| reply.parent_span_id == server.span_id)?;
        let is_one = [client, reply]
            .iter()
            .all(|span| span.trace_id == server.trace_id);
        let is_call = !server.name.starts_with("plugin:");
        let error = text(&server.attributes, "error.type");
        (is_one && is_call).then(|| {
            (
                server.name.clone(),
                error.unwrap_or_else(|| "ok".to_owned()),
            )
        })
    }))
}
