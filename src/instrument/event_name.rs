//! What may be the name of an event, of a span of the page or of a measurement.
//!
//! The page script judges by the same rule, in `page/src/names.ts`; `tests/event_names.json` holds
//! both to it.

/// The longest name, in bytes.
pub(crate) const EVENT_NAME_LEN_MAX: usize = 128;

/// Why a text cannot be a name: it is neither 1 to 128 bytes of printable characters, nor free of
/// white space at its ends.
///
/// What cannot be seen is not printable: control characters, line and paragraph separators, format
/// characters (Unicode's `Cf`, with it what changes the direction of writing), private use, and
/// what is no character. Names are compared byte by byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// There is nothing.
    #[error("is empty")]
    Empty,
    /// It has too many bytes.
    #[error("has {bytes} bytes, of which {EVENT_NAME_LEN_MAX} are allowed")]
    TooLong {
        /// How many.
        bytes: usize,
    },
    /// A character is not printable.
    #[error("has U+{:04X} at byte {at}, which is not printable", *character as u32)]
    NotPrintable {
        /// Which one.
        character: char,
        /// Where.
        at: usize,
    },
    /// It begins or ends with white space.
    #[error("has U+{:04X} at byte {at}, where no white space may be", *character as u32)]
    OuterWhiteSpace {
        /// Which one.
        character: char,
        /// Where.
        at: usize,
    },
}

/// Checks a name: `save`, `plugin:fs|read_file`, `save as` and `größe` are some.
///
/// # Errors
///
/// [`NameError`] says what is wrong with it.
pub fn check_event_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > EVENT_NAME_LEN_MAX {
        return Err(NameError::TooLong { bytes: name.len() });
    }
    // Nearly all names are: one look at each byte.
    if name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    for (at, character) in name.char_indices() {
        if !is_printable(character) {
            return Err(NameError::NotPrintable { character, at });
        }
    }
    // Only the ends: `save as` is a name. A name of one character has no second end.
    let mut ends = name.char_indices();
    for (at, character) in ends.next().into_iter().chain(ends.next_back()) {
        if character.is_whitespace() {
            return Err(NameError::OuterWhiteSpace { character, at });
        }
    }
    Ok(())
}

/// Whether it may be a name.
pub(crate) fn is_event_name(name: &str) -> bool {
    check_event_name(name).is_ok()
}

/// Whether a character is one that can be seen, or white space within a line.
fn is_printable(character: char) -> bool {
    // Spelled out, since Unicode adds to `Cf`: host and page must agree whatever the version of
    // Unicode that their libraries and engines know.
    !matches!(
        character,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{e000}'..='\u{f8ff}'
            | '\u{fdd0}'..='\u{fdef}'
            | '\u{feff}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{fffe}'..='\u{ffff}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{1fffe}'..='\u{1ffff}'
            | '\u{2fffe}'..='\u{2ffff}'
            // Planes without characters, tags, and planes of private use. The variation selectors
            // in between are parts of names in Japanese.
            | '\u{3fffe}'..='\u{e00ff}'
            | '\u{e01f0}'..='\u{10ffff}'
    )
}
