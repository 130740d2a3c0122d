//! Numbers and names as a reader sees them.

use std::time::Duration;

/// Writes formatted text to the end of a string, which cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{
        use std::fmt::Write;
        let _ = write!($out, $($arg)*);
    }};
}
pub(super) use put;

/// Text of the app's or the page's, within HTML.
///
/// Controls that turn the direction of text are shown as their numbers: a name may not change how
/// the rest of the line reads.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.chars().enumerate() {
        if at >= TEXT_MAX {
            out.push('…');
            break;
        }
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            // HTML shows them as a space anyway, and a title would break its line.
            '\n' | '\t' => out.push(' '),
            c if c.is_control() || turns(c) => {
                put!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

fn turns(c: char) -> bool {
    // Marks, embeddings, overrides and isolates of Unicode's bidirectional algorithm, and the
    // byte-order mark.
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Nanoseconds, in the unit that reads best.
pub(super) fn time(nanos: u64) -> String {
    let value = nanos as f64;
    match nanos {
        0 => "0 ms".to_owned(),
        1..1_000_000 => format!("{} µs", digits(value / 1e3)),
        1_000_000..1_000_000_000 => format!("{} ms", digits(value / 1e6)),
        1_000_000_000..120_000_000_000 => format!("{} s", digits(value / 1e9)),
        120_000_000_000..7_200_000_000_000 => format!("{} min", digits(value / 60e9)),
        _ => format!("{} h", digits(value / 3_600e9)),
    }
}

pub(super) fn bytes(value: f64) -> String {
    let mut value = value;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        // The last unit takes any value.
        if value.abs() < 1024.0 || unit == "GiB" {
            return format!("{} {unit}", digits(value));
        }
        value /= 1024.0;
    }
    String::new()
}

pub(super) fn share(value: f64) -> String {
    format!("{} %", digits(value * 100.0))
}

/// Three digits that count.
pub(super) fn digits(value: f64) -> String {
    let places = match value.abs() {
        v if v >= 100.0 || v == 0.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.places$}");
    match text.contains('.') {
        // Only behind a point: the zeros of a whole number count.
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Characters of one text that are shown.
const TEXT_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_name_stays_text() {
        assert_eq!(
            escaped("</script>\"'&\u{202e}x\u{7}"),
            "&lt;/script&gt;&quot;&#39;&amp;\\u{202e}x\\u{7}"
        );
        assert_eq!(escaped(&"é".repeat(300)).chars().count(), 201);
    }

    #[test]
    fn numbers_have_three_digits_and_a_unit() {
        assert_eq!(time(0), "0 ms");
        assert_eq!(time(1_500), "1.5 µs");
        assert_eq!(time(480_000_000), "480 ms");
        assert_eq!(time(1_234_000_000), "1.23 s");
        assert_eq!(bytes(524_288.0), "512 KiB");
        assert_eq!(share(0.125), "12.5 %");
        assert_eq!(digits(100.0), "100");
    }
}
