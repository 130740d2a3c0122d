//! Text that is kept within a bound.

/// The longest part of `text` that has at most `max` bytes and ends between characters.
pub(super) fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}

/// The longest last part of `text` that has at most `max` bytes and begins between characters.
pub(super) fn cut_front(text: &str, max: usize) -> &str {
    let begin = text.ceil_char_boundary(text.len().saturating_sub(max));
    text.get(begin..).unwrap_or(text)
}
