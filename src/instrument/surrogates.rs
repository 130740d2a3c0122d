//! Halves of surrogate pairs in JSON: texts of a page may hold them, and Rust's cannot.
//!
//! A page cuts a text between the two units of an emoji, as the length limits of its libraries do,
//! and its engine writes what is left as an escape.

/// The JSON with U+FFFD in place of each half; `None` when there is none. `json` is JSON.
pub(crate) fn mend_surrogates(json: &str) -> Option<String> {
    let bytes = json.as_bytes();
    let mut mended: Option<Vec<u8>> = None;
    let mut at = memchr::memmem::find(bytes, b"\\u")?;
    // The first `\\u` may be the second half of an escaped backslash.
    while at > 0 && bytes.get(at - 1) == Some(&b'\\') {
        at -= 1;
    }
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        at += found;
        // Escapes are skipped as a whole: the second backslash of `\\` would otherwise begin one of
        // its own.
        let len = match (unit_at(bytes, at), unit_at(bytes, at + ESCAPE)) {
            // Another escape such as `\n`, or a backslash that is escaped.
            (None, _) => 2,
            // A pair, which is one character.
            (Some(HIGH_FIRST..=HIGH_LAST), Some(LOW_FIRST..=LOW_LAST)) => 2 * ESCAPE,
            // A high half without its low one, or a low half that no high one was before.
            (Some(HIGH_FIRST..=LOW_LAST), _) => {
                let mended = mended.get_or_insert_with(|| bytes.to_vec());
                if let Some(digits) = mended.get_mut(at + 2..at + ESCAPE) {
                    // As long as what it replaces, so places in `bytes` hold for the copy too.
                    digits.copy_from_slice(b"fffd");
                }
                ESCAPE
            }
            (Some(_), _) => ESCAPE,
        };
        at += len;
    }
    // It cannot fail, since ASCII was put in the place of ASCII.
    String::from_utf8(mended?).ok()
}

const HIGH_FIRST: u16 = 0xD800;
const HIGH_LAST: u16 = 0xDBFF;
const LOW_FIRST: u16 = 0xDC00;
const LOW_LAST: u16 = 0xDFFF;
/// Bytes of an escape, `\\u` and four digits.
const ESCAPE: usize = 6;

/// The unit of UTF-16 that is escaped here, if one is.
fn unit_at(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + ESCAPE)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0_u16, |unit, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn halves_are_replaced_and_everything_else_stays() {
        for (json, mended) in [
            (r#""a""#, None),
            (r#""\\ud83d""#, None),
            (r#""\u00e4\n\"\ud83d\ude00""#, None),
            (r#""\ud83d""#, Some(r#""\ufffd""#)),
            (r#""\uDE00\uD83D""#, Some(r#""\ufffd\ufffd""#)),
            (r#""\\\ud83d \\ud83d""#, Some(r#""\\\ufffd \\ud83d""#)),
            (
                r#"{"\ud83dx":"\ud83d\ud83d\ude00"}"#,
                Some(r#"{"\ufffdx":"\ufffd\ud83d\ude00"}"#),
            ),
        ] {
            assert_eq!(mend_surrogates(json).as_deref(), mended, "{json}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_page_writes_can_be_read_afterwards(units in prop::collection::vec(
            prop_oneof![any::<u16>(), 0xD7FF_u16..0xE001, Just(u16::from(b'\\'))], 0..40,
        )) {
            // As an engine writes it, and the worst that JSON allows.
            let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let json = format!("\"{escaped}\"");
            let mended = mend_surrogates(&json).unwrap_or(json);
            let read: String = serde_json::from_str(&mended).unwrap();
            prop_assert_eq!(read, String::from_utf16_lossy(&units));
        }

        #[test]
        fn any_text_is_survived(text in r#"[\\ud83ED0"]{0,40}"#) {
            let _ = mend_surrogates(&text);
        }
    }
}
