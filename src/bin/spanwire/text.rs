//! Text from servers and files, made safe to print.

/// In one line, short, and without what a terminal would take for a command.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::new();
    // Escape sequences begin with a control character. Line breaks go as well, so that a server's
    // text cannot look like a line of the command's own.
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    for word in words.filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    // By characters: to cut within one would panic.
    match out.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", out.get(..end).unwrap_or_default()),
        None => out,
    }
}

/// `1 file`, `2 files`.
pub(super) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A server's version and where it is. One that was built by hand may not know its own.
pub(super) fn versioned(version: &str, place: &str) -> String {
    match shown(version).as_str() {
        "" => format!("unknown version at {place}"),
        version => format!("{version} at {place}"),
    }
}

/// The first few, and how many more there are.
pub(super) fn few<T: AsRef<str>>(names: &[T]) -> String {
    let first = names.iter().take(FEW).map(|name| shown(name.as_ref()));
    let mut text = first.collect::<Vec<_>>().join(", ");
    if names.len() > FEW {
        text += &format!(" and {} more", names.len() - FEW);
    }
    text
}

/// How many characters of such a text are printed.
const SHOWN_MAX: usize = 200;
const FEW: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_cannot_command_the_terminal() {
        assert_eq!(shown("a\n\x1b[31mred\u{9b}0m\t b "), "a [31mred 0m b");
        assert_eq!(shown(&"é".repeat(500)).chars().count(), 201);
    }

    #[test]
    fn a_server_without_a_version_is_said_to_have_none() {
        assert_eq!(versioned("3.1", "http://it"), "3.1 at http://it");
        assert_eq!(versioned(" ", "http://it"), "unknown version at http://it");
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (1..=7).map(|n| n.to_string()).collect();
        assert_eq!(few(&names), "1, 2, 3, 4, 5 and 2 more");
        assert_eq!(few(&["a"]), "a");
    }
}
