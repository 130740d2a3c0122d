//! Which records and series a question is about.

use std::time::SystemTime;

use rusqlite::types::Value;

use super::series::Series;
use crate::history::time::{nanos_since_epoch, time_at};

/// Which records and series a question is about: all of them, unless it says less.
///
/// A name with `*` (any characters) or `?` (one character) is a pattern, and may match many.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    name: Option<Name>,
    kind: Option<String>,
    webview: Option<String>,
    version: Option<String>,
    since: Option<SystemTime>,
    until: Option<SystemTime>,
    only_slow: bool,
    only_failed: bool,
    limit: Option<usize>,
}

#[derive(Clone, Debug)]
enum Name {
    Exact(String),
    Pattern(String),
}

impl Filter {
    /// Everything in the file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What has a name that `pattern` matches.
    #[must_use]
    pub fn name(mut self, pattern: impl Into<String>) -> Self {
        self.name = Some(Name::Pattern(pattern.into()));
        self
    }

    /// What has this name, in which `*` and `?` mean themselves.
    #[must_use]
    pub fn exact_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(Name::Exact(name.into()));
        self
    }

    /// What is of this kind: `operation`, `current_operation`, `call`, `event_in`, `event_out`,
    /// `reply`, `startup`, `page_load` or `page_error`.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// What belongs to this webview.
    #[must_use]
    pub fn webview(mut self, webview: impl Into<String>) -> Self {
        self.webview = Some(webview.into());
        self
    }

    /// What this version of the app recorded. Roll-ups do not know it, so statistics come from the
    /// records, as far back as these are kept.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// What started at this time or later.
    #[must_use]
    pub fn since(mut self, since: SystemTime) -> Self {
        self.since = Some(since);
        self
    }

    /// What started before this time.
    #[must_use]
    pub fn until(mut self, until: SystemTime) -> Self {
        self.until = Some(until);
        self
    }

    /// What was slow alone. Statistics come from the records, then.
    #[must_use]
    pub fn slow_only(mut self) -> Self {
        self.only_slow = true;
        self
    }

    /// What failed alone. Statistics come from the records, then.
    #[must_use]
    pub fn failed_only(mut self) -> Self {
        self.only_failed = true;
        self
    }

    /// At most so many records or series.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    pub(super) fn limit_max(&self) -> usize {
        self.limit.unwrap_or(usize::MAX)
    }

    pub(super) fn version_asked(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The same for what starts in `from..to`, as far as it asks for that.
    pub(super) fn within(mut self, from: i64, to: i64) -> Self {
        // A bucket of a trend never reaches beyond the window that was asked for.
        self.since = Some(time_at(from.max(self.since_nanos())));
        self.until = Some(time_at(to.min(self.until_nanos())));
        self
    }

    /// The first nanosecond that belongs to it.
    pub(super) fn since_nanos(&self) -> i64 {
        self.since.map_or(i64::MIN, nanos_since_epoch)
    }

    /// The first nanosecond after it.
    pub(super) fn until_nanos(&self) -> i64 {
        self.until.map_or(i64::MAX, nanos_since_epoch)
    }

    /// Whether only the records know what it asks for.
    pub(super) fn needs_records(&self) -> bool {
        self.is_of_few() || self.version.is_some()
    }

    /// Whether it asks for the slow or the failed alone, which have indexes of their own.
    pub(super) fn is_of_few(&self) -> bool {
        self.only_slow || self.only_failed
    }

    /// Whether it leaves out a series by its name, kind or webview.
    pub(super) fn narrows_series(&self) -> bool {
        self.name.is_some() || self.kind.is_some() || self.webview.is_some()
    }

    pub(super) fn matches(&self, series: &Series) -> bool {
        let name = match &self.name {
            None => true,
            Some(Name::Exact(name)) => *name == series.name,
            Some(Name::Pattern(pattern)) => glob(pattern, &series.name),
        };
        let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
        name && same(&self.kind, &series.kind) && same(&self.webview, &series.webview)
    }

    /// The condition on a record that starts in `from..to`, and its parameters.
    ///
    /// `series` are the ones that match, when the filter leaves any out.
    pub(super) fn condition(
        &self,
        from: i64,
        to: i64,
        series: Option<&[i64]>,
    ) -> (String, Vec<Value>) {
        let mut sql = "started_at >= ? AND started_at < ?".to_owned();
        let mut values = vec![Value::Integer(from), Value::Integer(to)];
        match series {
            None => {}
            // Its index has the order of time, too.
            Some([one]) if !self.is_of_few() => {
                sql += " AND series_id = ?";
                values.push(Value::Integer(*one));
            }
            // The `+` keeps SQLite from the index by series, with which it would sort all records
            // of these series for each page of the answer.
            Some(many) => {
                sql += " AND +series_id IN (SELECT value FROM json_each(?))";
                // One parameter for all: SQLite has a limit for their number.
                let ids: Vec<String> = many.iter().map(i64::to_string).collect();
                values.push(Value::Text(format!("[{}]", ids.join(","))));
            }
        }
        if self.only_slow {
            sql += " AND slow IS NOT NULL";
        }
        if self.only_failed {
            sql += &format!(" AND {FAILED}");
        }
        if let Some(version) = &self.version {
            sql += " AND session_id IN (SELECT id FROM session WHERE version = ?)";
            values.push(Value::Text(version.clone()));
        }
        (sql, values)
    }
}

/// A failed record, as the index of them says it.
const FAILED: &str = "outcome NOT IN ('ok', 'cancelled')";

/// The same for one outcome.
pub(super) fn is_failure(outcome: &str) -> bool {
    !matches!(outcome, "ok" | "cancelled")
}

/// Whether the whole of `text` is what `pattern` describes.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last `*` stands, and how much of the text it has taken: only the last one ever has
    // to take more, so this ends after at most `pattern × text` steps.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some('?') => (p, t) = (p + 1, t + 1),
            Some(c) if *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (p, t) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_matches_the_whole_name() {
        for (pattern, text, matches) in [
            ("save", "save", true),
            ("save", "saved", false),
            ("save*", "save", true),
            ("*save", "autosave", true),
            ("s?ve", "save", true),
            ("s?ve", "sve", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbx", false),
            ("*", "", true),
            ("?", "", false),
            ("größe*", "größer", true),
            ("?", "é", true),
        ] {
            assert_eq!(glob(pattern, text), matches, "{pattern} on {text}");
        }
    }

    #[test]
    fn pattern_of_many_stars_ends() {
        let pattern = "*a".repeat(200) + "b";
        assert!(!glob(&pattern, &"a".repeat(2_000)));
    }

    #[test]
    fn exact_name_takes_a_star_literally() {
        let series = |name: &str| Series {
            kind: "operation".into(),
            name: name.into(),
            webview: String::new(),
        };
        let filter = Filter::new().exact_name("a*");
        assert!(filter.matches(&series("a*")));
        assert!(!filter.matches(&series("ab")));
        assert!(!Filter::new().kind("call").matches(&series("a*")));
    }
}
