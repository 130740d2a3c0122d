//! What a call of an observed page carries along.

use super::page_view::PageTimes;

/// The longest text of a call: two numbers of 20 digits and two times.
const TEXT_LEN_MAX: usize = 128;

/// A call that the page began: the id that it gave, when, and within which of its spans.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PageCall {
    pub(super) id: u64,
    pub(super) times: PageTimes,
    pub(super) span: Option<u64>,
}

impl PageCall {
    /// Reads what `posted()` gave on the page: id, begin, post and the span's number, if any.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > TEXT_LEN_MAX {
            return None;
        }
        let mut fields = text.split(';');
        let id = number(fields.next()?)?;
        let began = time(fields.next()?)?;
        let posted = time(fields.next()?)?;
        let span = match fields.next() {
            Some(span) => Some(number(span)?),
            None => None,
        };
        // Nothing may follow, or a text of another form could pass for one.
        fields.next().is_none().then_some(Self {
            id,
            times: PageTimes { began, posted },
            span,
        })
    }
}

/// Digits alone: `parse` would take a sign.
fn number(text: &str) -> Option<u64> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_digits)
}

/// Digits and a point alone: `parse` would take `nan` and `inf`.
fn time(text: &str) -> Option<f64> {
    let is_digits = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    text.parse().ok().filter(|_| text.bytes().all(is_digits))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_call_is_read_as_the_page_writes_it() {
        let read = |text| PageCall::parse(text).map(|call| (call.id, call.times.began, call.span));
        assert_eq!(read("7;1042.125;1043"), Some((7, 1042.125, None)));
        assert_eq!(read("7;0;0;3"), Some((7, 0.0, Some(3))));
    }

    #[test]
    fn what_the_page_would_not_write_is_none() {
        for text in [
            "",
            "7",
            "7;1",
            "7;1;2;3;4",
            "7;1;2;",
            "+7;1;2",
            "7;-1;2",
            "7;nan;2",
            "7;inf;2",
            "7;1e3;2",
            "7;1;;3",
            "18446744073709551616;1;2",
            "7;1;2;x",
            &format!("7;1;{}", "2".repeat(200)),
        ] {
            assert_eq!(PageCall::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9;.+-]{0,40}|.{0,200}") {
            let _ = PageCall::parse(&text);
        }
    }
}
