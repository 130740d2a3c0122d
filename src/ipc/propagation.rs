//! W3C trace context, as far as a page may hand it in.

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// Why a `traceparent` cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceparentError {
    /// It is shorter than version 00, or longer where that version allows no more.
    #[error("traceparent has {0} bytes where 55 are needed")]
    Length(usize),
    /// A dash is missing, or a character is not lowercase hexadecimal.
    #[error("traceparent is not of the form 00-<32 hex>-<16 hex>-<2 hex> in lowercase")]
    Form,
    /// Version `ff` is forbidden.
    #[error("traceparent has the forbidden version ff")]
    Version,
    /// An id of zeros stands for no trace.
    #[error("traceparent has an id of zeros")]
    ZeroId,
}

/// Reads a `traceparent` by <https://www.w3.org/TR/trace-context/#traceparent-header>.
///
/// A version that is not known yet is read as far as version 00 goes, as the specification asks.
///
/// # Errors
///
/// [`TraceparentError`] says what is wrong; the caller starts a trace of its own then.
pub fn parse_traceparent(value: &str) -> Result<SpanContext, TraceparentError> {
    let bytes = value.as_bytes();
    let length = TraceparentError::Length(bytes.len());
    let (head, rest) = bytes.split_at_checked(55).ok_or(length)?;
    let [version, trace_id, span_id, flags] = fields(head).ok_or(TraceparentError::Form)?;
    if version == b"ff" {
        return Err(TraceparentError::Version);
    }
    let more_is_allowed = version != b"00" && rest.first() == Some(&b'-');
    if !rest.is_empty() && !more_is_allowed {
        return Err(length);
    }
    let trace_id = TraceId::from_bytes(hex::<16>(trace_id).ok_or(TraceparentError::Form)?);
    let span_id = SpanId::from_bytes(hex::<8>(span_id).ok_or(TraceparentError::Form)?);
    hex::<1>(version).ok_or(TraceparentError::Form)?;
    let [flags] = hex::<1>(flags).ok_or(TraceparentError::Form)?;
    if trace_id == TraceId::INVALID || span_id == SpanId::INVALID {
        return Err(TraceparentError::ZeroId);
    }
    // Only the sampled flag is defined; the others are ignored, as the specification asks.
    let flags = TraceFlags::new(flags) & TraceFlags::SAMPLED;
    Ok(SpanContext::new(
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
    fn each_kind_of_bad_one_says_what_is_wrong() {
        use TraceparentError::*;
        let cases = [
            ("", Length(0)),
            (GOOD.strip_suffix("1").unwrap(), Length(54)),
            (&format!("{GOOD}-more"), Length(60)),
            (&GOOD.to_uppercase(), Form),
            (&GOOD.replace('-', "_"), Form),
            (&GOOD.replacen("00-", "zz-", 1), Form),
            (&GOOD.replacen("00-", "ff-", 1), Version),
            (
                "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                ZeroId,
            ),
            (
                "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                ZeroId,
            ),
            (&"é".repeat(28), Form),
        ];
        for (value, error) in cases {
            assert_eq!(parse_traceparent(value).unwrap_err(), error, "{value}");
        }
    }

    #[test]
    fn a_future_version_is_read_as_far_as_it_is_known() {
        for future in [
            GOOD.replacen("00-", "cc-", 1),
            GOOD.replacen("00-", "cc-", 1) + "-what-the-future",
        ] {
            assert!(parse_traceparent(&future).is_ok(), "{future}");
        }
        assert!(parse_traceparent(&(GOOD.replacen("00-", "cc-", 1) + ".x")).is_err());
    }
}
