//! What the diagnosis looks back over, and the expressions of the catalogue with it filled in.

use std::fmt;

/// A time that Prometheus' rates look back over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    seconds: u64,
}

impl Window {
    /// Reads `90s`, `5m` or `1h` from the command line.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let bad = || "it is no time like 90s, 5m or 1h".to_owned();
        let (number, unit) = text
            // The last character, and not the last byte: the argument may be any text.
            .char_indices()
            .next_back()
            .and_then(|(end, unit)| Some((text.get(..end)?, unit)))
            .ok_or_else(bad)?;
        let factor = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            _ => return Err(bad()),
        };
        let number: u64 = number.parse().map_err(|_| bad())?;
        match number.checked_mul(factor) {
            Some(seconds @ SECONDS_MIN..=SECONDS_MAX) => Ok(Self { seconds }),
            Some(_) => Err("it is not between 5s and 24h".to_owned()),
            None => Err(bad()),
        }
    }

    pub(super) fn seconds(self) -> u64 {
        self.seconds
    }

    /// An expression of the catalogue for this window and that job.
    pub(super) fn fill_in(self, expression: &str, job: &str) -> String {
        let Self { seconds } = self;
        // The alerts judge five minutes by the hour before.
        let before = seconds * 12;
        // The job stands in quotes in each expression, so a quote of its own must not end them.
        let job = job.replace('\\', r"\\").replace('"', r#"\""#);
        // A name that another begins with comes after it, and the job, which may hold anything, last.
        expression
            .replace("$before_s", &(before + seconds).to_string())
            .replace("$before", &format!("{before}s"))
            .replace("$window", &format!("{seconds}s"))
            .replace("$short", &format!("{}s", seconds.min(SHORT_SECONDS)))
            .replace("$young_s", &format!("{}", seconds * 6 / 5))
            .replace("$job", &job)
    }
}

/// As the command line has it.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seconds {
            hours if hours % 3_600 == 0 => write!(f, "{}h", hours / 3_600),
            minutes if minutes % 60 == 0 => write!(f, "{}m", minutes / 60),
            seconds => write!(f, "{seconds}s"),
        }
    }
}

// Below it a rate has too few samples, even where Prometheus scrapes each second.
const SECONDS_MIN: u64 = 5;
const SECONDS_MAX: u64 = 24 * 3_600;
const SHORT_SECONDS: u64 = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_is_read_as_prometheus_writes_it() {
        for text in ["90s", "5m", "1h"] {
            assert_eq!(Window::parse(text).unwrap().to_string(), text);
        }
        for bad in [
            "",
            "5",
            "m",
            "1s",
            "25h",
            "5 m",
            "5µ",
            "99999999999999999999h",
        ] {
            assert!(Window::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn expression_is_filled_in_with_window_and_job() {
        let window = Window::parse("5m").unwrap();
        let text = window.fill_in(
            r#"a{job="$job"}[$window] b[$before] > $before_s c[$short] < $young_s"#,
            r#"my"$window"#,
        );
        let expected = r#"a{job="my\"$window"}[300s] b[3600s] > 3900 c[120s] < 360"#;
        assert_eq!(text, expected);
    }
}
