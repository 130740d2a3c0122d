//! What a message may be, so that a hostile page cannot make the host work or grow without end.

use std::time::Duration;

use crate::semconv::ErrorType;

/// Bounds on what crosses the wire.
///
/// Each bound says what happens beyond it; nothing beyond a bound is lost without a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Largest batch from the page, in bytes (1 MiB). A larger one is refused unread as `too_large`.
    pub inbound_bytes_max: usize,
    /// Most messages in a batch from the page (250). One with more is refused as `too_large`, and
    /// the page script never sends more.
    pub inbound_len_max: usize,
    /// Deepest nesting of a batch's JSON (64). A deeper one is refused unread as `too_deep`.
    pub depth_max: usize,
    /// Calls and events of the page that may be unanswered at once (1000): the page's credits.
    /// What it sends beyond is refused as `over_credit`, and a well-behaved page never does.
    /// Async handlers and responders that outlive their page may be three times as many on top; what needs one
    /// more is refused in the same way. [`async_handler_bytes_max`](Self::async_handler_bytes_max) bounds
    /// what they hold.
    pub unanswered_max: u32,
    /// Largest payload to the page, in bytes (10 MiB). A larger one comes back as an error, and a
    /// larger reply is an error to its caller.
    pub outbound_bytes_max: usize,
    /// Messages to the page that may be sent and not acknowledged (4096).
    /// At the bound messages wait in the queue, which has a bound of its own.
    pub in_flight_max: usize,
    /// Events of each direction that get spans, in a second (1000), as many at once after a pause.
    /// Those beyond have no spans, nor what a handler does for them; they are counted as
    /// `spanwire.ipc.spans.skipped`, and in all other metrics as ever. Calls always have spans: the
    /// page's window bounds them.
    pub event_spans_per_second_max: u32,
    /// Spans of an OpenTelemetry SDK in the page that are taken in a second (1000), as many at once
    /// after a pause: twice what such an SDK exports together. Those beyond are dropped unread and
    /// counted as `spanwire.page.spans`; only with [`IpcBuilder::page_spans`](crate::ipc::IpcBuilder::page_spans).
    pub page_spans_per_second_max: u32,
    /// Messages in one script (1000).
    pub batch_len_max: usize,
    /// Bytes of one script, exceeded by its last message at most (256 KiB).
    pub batch_bytes_max: usize,
    /// How often a message is sent again (3). After that it fails.
    pub retries_max: u32,
    /// Payload bytes of the page's messages that async handlers and responders may hold at once (64 MiB), whatever
    /// became of their pages. A message that would hold more is refused as `over_credit`.
    pub async_handler_bytes_max: usize,
    /// Bytes of replies that the page has not acknowledged (64 MiB). A reply beyond becomes a small
    /// one that says `OVER_CREDIT`, so a page that never acknowledges cannot make the host keep
    /// more; the handler ran all the same.
    pub unacknowledged_bytes_max: usize,
    /// How long a page may leave what was sent to it without any sign of life (5 s). After that it
    /// is [`Unresponsive`](crate::ipc::PageState::Unresponsive); nothing is sent again for it.
    ///
    /// The state is read at a scrape, an export or a system sample, so it shows with the next of them.
    pub unresponsive_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            inbound_bytes_max: 1 << 20,
            // By measurement, as `batch_len_max`: docs/adr/0011-large-batches.md.
            inbound_len_max: 250,
            depth_max: 64,
            unanswered_max: 1_000,
            outbound_bytes_max: 10 << 20,
            in_flight_max: 4_096,
            // docs/adr/0010-event-spans-have-a-rate-limit.md
            event_spans_per_second_max: 1_000,
            page_spans_per_second_max: 1_000,
            batch_len_max: 1_000,
            batch_bytes_max: 256 << 10,
            retries_max: 3,
            async_handler_bytes_max: 64 << 20,
            unacknowledged_bytes_max: 64 << 20,
            unresponsive_after: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// Refuses a text that is too deep to be parsed.
    pub(in crate::ipc) fn check_depth(&self, text: &str) -> Result<(), ErrorType> {
        if is_deeper_than(text, self.depth_max) {
            return Err(ErrorType::TooDeep);
        }
        Ok(())
    }
}

/// Whether brackets outside strings nest deeper than `max`.
///
/// It takes the text as it comes: for text that is not JSON the answer means nothing, and the
/// parser will refuse it.
pub(in crate::ipc) fn is_deeper_than(text: &str, max: usize) -> bool {
    let bytes = text.as_bytes();
    // Nesting cannot exceed the number of opening brackets, and counting those is much faster.
    if !has_more_brackets_than(bytes, max) {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match byte {
            // The escape is checked first, since the byte after a backslash in a string has no
            // meaning of its own.
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > max {
                    return true;
                }
            }
            // The text may be no JSON, so more brackets may close than opened.
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Whether more than `max` brackets open.
fn has_more_brackets_than(bytes: &[u8], max: usize) -> bool {
    let mut brackets = 0;
    // So many that a byte can count them: the compiler counts 16 and more at once then.
    bytes.chunks(u8::MAX.into()).any(|piece| {
        // The two differ in this one bit.
        let opens = |byte: &u8| u8::from(byte | 0x20 == b'{');
        brackets += usize::from(piece.iter().map(opens).sum::<u8>());
        brackets > max
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_opening_bracket_counts_once_wherever_it_stands() {
        for before in [0, 1, 200, 255, 300] {
            let text = format!("{}{{[}}]{}", "a;".repeat(before), "{[".repeat(300));
            assert!(has_more_brackets_than(text.as_bytes(), 601));
            assert!(!has_more_brackets_than(text.as_bytes(), 602));
        }
        assert!(!has_more_brackets_than(b"", 0));
    }

    #[test]
    fn depth_is_counted_outside_strings_only() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(!is_deeper_than(&nested(64), 64));
        assert!(is_deeper_than(&nested(65), 64));
        assert!(!is_deeper_than(&format!(r#""{}""#, "[".repeat(100)), 64));
        assert!(is_deeper_than(&format!(r#"["\"", {}"#, "[".repeat(64)), 64));
        assert!(!is_deeper_than(&"[],".repeat(1_000), 64));
    }
}
