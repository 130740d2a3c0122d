//! Spans of the page's own OpenTelemetry SDK, on their way from a message to the app's sink.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::protocol::message::Spans;
use super::wire::Inner;
use crate::instrument::page_spans::{PageSpanRequest, PageSpansRefused};
use crate::semconv::PageSpanErrorType;

impl Inner {
    /// Hands them on unread: whoever takes them has a thread for that.
    pub(super) fn sdk_spans(&self, spans: &Spans<'_>) {
        let source = &self.page_spans;
        let taken = match (&self.config.page_spans, spans.lost, spans.request) {
            (None, ..) => Err(PageSpanErrorType::NotAccepted),
            (_, Some(why), _) => Err(why),
            (_, None, None) => Err(PageSpanErrorType::Malformed),
            (Some(sink), None, Some(request)) => {
                let request = PageSpanRequest {
                    source,
                    spans: spans.count,
                    json: request.get(),
                };
                // A sink may be the app's, and its panic costs this request alone.
                catch_unwind(AssertUnwindSafe(|| sink.take(request)))
                    .unwrap_or(Err(PageSpansRefused::Off))
                    .map_err(PageSpanErrorType::from)
            }
        };
        if let Err(why) = taken {
            source.lost(why, spans.count.into());
        }
    }
}
