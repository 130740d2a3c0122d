//! A payload that is not what its handler reads.

use std::fmt;

use serde_json::error::Category;

/// The page sent something else than the type that [`Call::data`](super::Call::data) was asked for.
///
/// It says where the payload differs and never quotes it, and it has no source. Serde's own error
/// quotes (`invalid type: string "…"`), and what a handler returns is recorded in the log, so
/// payloads would end there. For the whole text while you look for a bug, read
/// [`Call::json`](super::Call::json) with `serde_json` yourself.
///
/// It converts into `serde_json::Error`, still without the payload, for handlers that return one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataError {
    category: Category,
    line: usize,
    column: usize,
}

impl DataError {
    pub(super) fn of(error: &serde_json::Error) -> Self {
        Self {
            // The category and the position are all that is taken: the message may quote the
            // payload.
            category: error.classify(),
            line: error.line(),
            column: error.column(),
        }
    }

    /// [`Category::Data`] when the payload has another shape or type than was asked for;
    /// [`Category::Syntax`] when it holds something that Rust cannot: a number without bounds.
    #[must_use]
    pub fn category(&self) -> Category {
        self.category
    }

    /// The line of the payload's JSON in which reading ended, from 1; 0 when that is unknown.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column in that line, in bytes, from 1; 0 when that is unknown.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, .. } = self;
        let what = match self.category {
            Category::Data => "payload is not of the type that the handler reads",
            Category::Syntax | Category::Eof | Category::Io => "payload cannot be read as JSON",
        };
        f.write_str(what)?;
        if *line > 0 {
            // `serde_json` reads exactly this ending of a custom message back into the error's
            // position.
            write!(f, " at line {line} column {column}")?;
        }
        Ok(())
    }
}

impl std::error::Error for DataError {}

impl From<DataError> for serde_json::Error {
    fn from(error: DataError) -> Self {
        serde::de::Error::custom(error)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    const SECRET: &str = "s3cr3t";

    fn error_of<'a, T: Deserialize<'a>>(json: &'a str) -> DataError {
        let error = serde_json::from_str::<T>(json).err().unwrap();
        DataError::of(&error)
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Target {
        #[serde(rename = "asset")]
        _asset: u32,
    }

    #[derive(Debug, Deserialize)]
    enum Kind {
        #[serde(rename = "a")]
        A,
    }

    #[test]
    fn an_error_says_where_and_never_what() {
        let wrong = [
            error_of::<u32>(r#""s3cr3t""#),
            error_of::<Target>(r#"{"asset":"s3cr3t"}"#),
            error_of::<Target>(r#"{"s3cr3t":1}"#),
            error_of::<Kind>(r#""s3cr3t""#),
            error_of::<std::net::IpAddr>(r#""s3cr3t""#),
        ];
        for error in wrong {
            let back = serde_json::Error::from(error);
            let shown = format!("{error} {error:?} {back} {back:?}");
            assert!(!shown.contains(SECRET), "{shown}");
            assert!(std::error::Error::source(&error).is_none());
            assert_eq!(error.category(), Category::Data);
            assert_eq!((back.line(), back.column()), (error.line(), error.column()));
        }
        assert_eq!(
            wrong[1].to_string(),
            "payload is not of the type that the handler reads at line 1 column 17"
        );
    }

    #[test]
    fn what_rust_cannot_hold_is_syntax() {
        let error = error_of::<String>(r#""\ud800""#);
        assert_eq!(error.category(), Category::Syntax);
        assert!(error.to_string().starts_with("payload cannot be read"));
    }
}
