//! A request in two halves, for a collector that takes no larger ones.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::{Request, header};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

/// What a request holds. Metrics are not split: their totals are sent again by the next export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SplitKind {
    Traces,
    Logs,
}

/// The message's first and second half of items, encoded, with the groups that they need.
macro_rules! halves {
    ($body:expr, $message:ty, $resources:ident . $scopes:ident . $items:ident) => {{
        let first = <$message>::decode($body).ok()?;
        let groups = first
            .$resources
            .iter()
            .flat_map(|resource| &resource.$scopes);
        let items: usize = groups.map(|group| group.$items.len()).sum();
        let half = items / 2;
        // Each half begins as the whole message, so its items keep their resource and scope.
        let part = |mut message: $message, kept: std::ops::Range<usize>| {
            let mut at = 0;
            for resource in &mut message.$resources {
                for scope in &mut resource.$scopes {
                    scope.$items.retain(|_| {
                        at += 1;
                        kept.contains(&(at - 1))
                    });
                }
                resource.$scopes.retain(|scope| !scope.$items.is_empty());
            }
            let resources = &mut message.$resources;
            resources.retain(|resource| !resource.$scopes.is_empty());
            (message.encode_to_vec(), kept.len())
        };
        [part(first.clone(), 0..half), part(first, half..items)]
    }};
}

/// The halves with their numbers of items; `None` for a single item, or what is no such request.
pub(crate) fn halves(
    request: &Request<Bytes>,
    signal: SplitKind,
) -> Option<[(Request<Bytes>, u64); 2]> {
    // Gzip is the only encoding that the exporter is ever asked for.
    let is_gzip = request.headers().contains_key(header::CONTENT_ENCODING);
    let body = if is_gzip {
        let mut plain = Vec::new();
        // What is larger is cut here, and then fails to decode.
        let limited = GzDecoder::new(&**request.body()).take(PLAIN_BYTES_MAX);
        { limited }.read_to_end(&mut plain).ok()?;
        Bytes::from(plain)
    } else {
        request.body().clone()
    };
    let halves = match signal {
        SplitKind::Traces => halves!(
            body,
            ExportTraceServiceRequest,
            resource_spans.scope_spans.spans
        ),
        SplitKind::Logs => halves!(
            body,
            ExportLogsServiceRequest,
            resource_logs.scope_logs.log_records
        ),
    };
    // A single item has an empty half, and its other half is the request itself: splitting it would
    // never end.
    if halves.iter().any(|(_, items)| *items == 0) {
        return None;
    }
    let [first, second] = halves.map(|(plain, items)| {
        let body = match is_gzip {
            true => gzip(&plain)?,
            false => plain,
        };
        let mut half = Request::new(Bytes::from(body));
        *half.method_mut() = request.method().clone();
        *half.uri_mut() = request.uri().clone();
        *half.headers_mut() = request.headers().clone();
        Some((half, items as u64))
    });
    Some([first?, second?])
}

fn gzip(plain: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok()
}

/// Far above what a batch holds; what an earlier process left on disk is not trusted.
const PLAIN_BYTES_MAX: u64 = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

    fn request(groups: &[usize]) -> Request<Bytes> {
        let span = |name: usize| Span {
            name: name.to_string(),
            ..Span::default()
        };
        let mut names = 0..;
        let resource_spans = groups.iter().map(|len| ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: names.by_ref().take(*len).map(span).collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        });
        let message = ExportTraceServiceRequest {
            resource_spans: resource_spans.collect(),
        };
        Request::new(message.encode_to_vec().into())
    }

    fn names(request: &Request<Bytes>) -> Vec<String> {
        let message = ExportTraceServiceRequest::decode(request.body().clone()).unwrap();
        let resources = message.resource_spans.into_iter();
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        let spans = scopes.flat_map(|scope| scope.spans);
        spans.map(|span| span.name).collect()
    }

    #[test]
    fn halves_hold_every_item_once_and_in_order() {
        let whole = request(&[3, 1, 1]);
        let [(first, two), (second, three)] = halves(&whole, SplitKind::Traces).unwrap();
        assert_eq!((two, three), (2, 3));
        assert_eq!([names(&first), names(&second)].concat(), names(&whole));
    }

    #[test]
    fn halves_are_compressed_as_the_whole_was() {
        let plain = request(&[2]);
        let mut whole = plain.map(|body| Bytes::from(gzip(&body).unwrap()));
        let encoding = header::HeaderValue::from_static("gzip");
        whole
            .headers_mut()
            .insert(header::CONTENT_ENCODING, encoding);
        let [(first, one), _] = halves(&whole, SplitKind::Traces).unwrap();
        let [a, b] = [&first, &whole].map(|request| request.headers().clone());
        assert_eq!((one, a), (1, b));
        let mut inner = Vec::new();
        GzDecoder::new(&**first.body())
            .read_to_end(&mut inner)
            .unwrap();
        assert_eq!(names(&Request::new(inner.into())), ["0"]);
    }

    #[test]
    fn a_single_item_and_noise_have_no_halves() {
        assert!(halves(&request(&[1]), SplitKind::Traces).is_none());
        let noise = Request::new(Bytes::from_static(b"\xff\xff\xff"));
        assert!(halves(&noise, SplitKind::Logs).is_none());
    }
}
