//! `traceparent`: exactly what W3C's grammar has is accepted, and it says what it says.
//!
//! <https://www.w3.org/TR/trace-context/#traceparent-header>

#![no_main]

use libfuzzer_sys::fuzz_target;
use opentelemetry::trace::{SpanContext, TraceState};
use spanwire::fuzzing::traceparent;

/// The grammar, written down apart from the parser: `Some(is_sampled)` when it holds.
fn by_the_grammar(text: &str) -> Option<bool> {
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits && text.chars().all(|c| "0123456789abcdef".contains(c))
    };
    let mut fields = text.splitn(5, '-');
    let version = fields.next().filter(|field| is_hex(field, 2))?;
    let trace = fields.next().filter(|field| is_hex(field, 32))?;
    let span = fields.next().filter(|field| is_hex(field, 16))?;
    let flags = fields.next().filter(|field| is_hex(field, 2))?;
    let has_more = fields.next().is_some();
    let is_zero = |field: &str| field.chars().all(|c| c == '0');
    let is_refused =
        version == "ff" || is_zero(trace) || is_zero(span) || (version == "00" && has_more);
    (!is_refused).then(|| "13579bdf".contains(&flags[1..]))
}

fn check(text: &str, context: &SpanContext) {
    assert_eq!(text.get(3..35), Some(&*context.trace_id().to_string()));
    assert_eq!(text.get(36..52), Some(&*context.span_id().to_string()));
    assert!(context.is_valid() && context.is_remote());
    assert_eq!(context.trace_state(), &TraceState::NONE);
    // What is passed on is read as the same.
    let flags = context.trace_flags().to_u8();
    assert!(flags <= 1, "only the sampled flag is known");
    let passed_on = format!(
        "00-{}-{}-{flags:02x}",
        context.trace_id(),
        context.span_id()
    );
    assert_eq!(traceparent(&passed_on).as_ref(), Some(context));
}

fuzz_target!(|text: &str| {
    let read = traceparent(text);
    let is_sampled = read.as_ref().map(SpanContext::is_sampled);
    assert_eq!(is_sampled, by_the_grammar(text));
    if let Some(context) = read {
        check(text, &context);
    }
});
