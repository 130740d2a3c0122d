//! W3C trace context, as far as a page may hand it in.

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// Reads a `traceparent` by <https://www.w3.org/TR/trace-context/#traceparent-header>.
///
/// A version that is not known yet is read as far as version 00 goes, as the specification asks.
/// For one that cannot be used the caller starts a trace of its own.
pub(crate) fn parse_traceparent(value: &str) -> Option<SpanContext> {
    let (head, rest) = value.as_bytes().split_at_checked(55)?;
    let [version, trace_id, span_id, flags] = fields(head)?;
    let [version] = hex::<1>(version)?;
    // The specification forbids it.
    if version == 0xff {
        return None;
    }
    let more_is_allowed = version != 0 && rest.first() == Some(&b'-');
    if !rest.is_empty() && !more_is_allowed {
        return None;
    }
    let trace_id = TraceId::from_bytes(hex::<16>(trace_id)?);
    let span_id = SpanId::from_bytes(hex::<8>(span_id)?);
    let [flags] = hex::<1>(flags)?;
    if trace_id == TraceId::INVALID || span_id == SpanId::INVALID {
        return None;
    }
    // Only the sampled flag is defined; the others are ignored, as the specification asks.
    let flags = TraceFlags::new(flags) & TraceFlags::SAMPLED;
    Some(SpanContext::new(
        trace_id,
        span_id,
        flags,
        true,
        TraceState::NONE,
    ))
}

fn fields(head: &[u8]) -> Option<[&[u8]; 4]> {
    let dashes = [2, 35, 52].iter().all(|&at| head.get(at) == Some(&b'-'));
    dashes.then_some(())?;
    Some([
        head.get(..2)?,
        head.get(3..35)?,
        head.get(36..52)?,
        head.get(53..55)?,
    ])
}

fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = nibble(high)? << 4 | nibble(low)?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        // Lower case alone, as the specification has it.
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_good_one_gives_its_ids_and_is_remote() {
        let context = parse_traceparent(GOOD).unwrap();
        assert_eq!(
            context.trace_id().to_string(),
            "0af7651916cd43dd8448eb211c80319c"
        );
        assert_eq!(context.span_id().to_string(), "b7ad6b7169203331");
        assert!(context.is_sampled() && context.is_remote());
    }

    #[test]
    fn what_is_not_of_the_form_is_nobodys_parent() {
        for value in [
            "",
            GOOD.strip_suffix("1").unwrap(),
            &format!("{GOOD}-more"),
            &GOOD.to_uppercase(),
            &GOOD.replace('-', "_"),
            &GOOD.replacen("00-", "zz-", 1),
            &GOOD.replacen("00-", "ff-", 1),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
            &"é".repeat(28),
        ] {
            assert!(parse_traceparent(value).is_none(), "{value}");
        }
    }

    #[test]
    fn a_future_version_is_read_as_far_as_it_is_known() {
        for future in [
            GOOD.replacen("00-", "cc-", 1),
            GOOD.replacen("00-", "cc-", 1) + "-what-the-future",
        ] {
            assert!(parse_traceparent(&future).is_some(), "{future}");
        }
        assert!(parse_traceparent(&(GOOD.replacen("00-", "cc-", 1) + ".x")).is_none());
    }
}
