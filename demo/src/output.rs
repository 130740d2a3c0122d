//! What the demo says on standard output.

use std::fmt;
use std::io::Write;

/// Prints a line. Nobody reading it any more is no reason to end.
macro_rules! say {
    ($($part:tt)*) => { $crate::output::line(format_args!($($part)*)) };
}
pub(crate) use say;

pub(crate) fn line(text: fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    // The demo flushes each line, since tests read its output through a pipe. `println!` would
    // panic after the reader has closed the pipe.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Prints over the terminal's current line. A terminal too narrow for it cuts it off, since the
/// rest on a second line could not be taken back.
pub(crate) fn rewrite(text: &str) {
    let mut out = std::io::stdout().lock();
    // In this order: to the line's start, erase it, line wrap off, the text, line wrap on.
    let _ = write!(out, "\r\x1b[K\x1b[?7l{text}\x1b[?7h").and_then(|()| out.flush());
}
