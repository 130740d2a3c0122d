//! What could not be done as asked, while the app starts all the same.

use std::borrow::Cow;
use std::fmt;

/// Something that was asked for and is not in force; the app runs all the same.
///
/// Its `Display` says what, why and what holds instead.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A value that cannot be used, of an environment variable or a builder option.
    #[non_exhaustive]
    Value {
        /// The environment variable, or the builder option's name.
        variable: &'static str,
        /// What it was set to, cut to a length that can be shown. Secrets are left out.
        value: String,
        /// What would be accepted.
        accepted: Cow<'static, str>,
        /// What holds now.
        instead: Cow<'static, str>,
    },
    /// The process has a `tracing` subscriber already, so spans and logs do not reach Spanwire.
    SubscriberTaken,
    /// The process has a `metrics` recorder already, so it gets the metrics and Spanwire does not.
    RecorderTaken,
}

impl Warning {
    pub(crate) fn value(
        variable: &'static str,
        value: &str,
        accepted: impl Into<Cow<'static, str>>,
        instead: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Value {
            variable,
            value: shown(variable, value),
            accepted: accepted.into(),
            instead: instead.into(),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value {
                variable,
                value,
                accepted,
                instead,
            } => write!(
                f,
                "{variable}={value:?} is not used: accepted is {accepted}; {instead}"
            ),
            Self::SubscriberTaken => f.write_str(
                "the process has a tracing subscriber already: \
                 use TelemetryBuilder::build and add Parts::layer to that subscriber",
            ),
            Self::RecorderTaken => f.write_str(
                "the process has a metrics recorder already, which gets the metrics: \
                 use TelemetryBuilder::build and fan out to Parts::recorder",
            ),
        }
    }
}

/// Why telemetry was not set up. Without [`strict`](super::TelemetryBuilder::strict) it always is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// With `strict`, every warning is an error: here are all of them.
    #[error("telemetry is not set up as asked:{}", Listed(.0))]
    Strict(Vec<Warning>),
}

struct Listed<'a>(&'a [Warning]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|warning| write!(f, "\n- {warning}"))
    }
}

/// The value as it may be shown: short, and without the secrets that headers and URLs carry.
fn shown(variable: &str, value: &str) -> String {
    let value = if variable.ends_with("_HEADERS") || variable == "otlp_header" {
        let names = value.split(',').map(|pair| match pair.split_once('=') {
            Some((name, _)) => format!("{name}=***"),
            None => "***".to_owned(),
        });
        names.collect::<Vec<_>>().join(",")
    } else {
        match (value.find("://"), value.rfind('@')) {
            (Some(scheme), Some(at)) if scheme < at => {
                let head = value.get(..scheme + 3).unwrap_or_default();
                let tail = value.get(at..).unwrap_or_default();
                format!("{head}***{tail}")
            }
            _ => value.to_owned(),
        }
    };
    match value.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
        None => value,
    }
}

/// Characters of a value that a warning shows.
const SHOWN_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_names_variable_value_and_what_is_accepted() {
        let warning = Warning::value("OTEL_X", "abc", "a number", "5 is used");
        assert_eq!(
            warning.to_string(),
            r#"OTEL_X="abc" is not used: accepted is a number; 5 is used"#
        );
    }

    #[test]
    fn secrets_are_not_shown() {
        for (variable, value) in [
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=s3cret,s3cret"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://me:s3cret@host/"),
        ] {
            let warning = Warning::value(variable, value, "", "").to_string();
            assert!(!warning.contains("s3cret"), "{warning}");
        }
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let warning = Warning::value("OTEL_X", &"é".repeat(1_000), "", "");
        assert!(warning.to_string().len() < 600);
    }

    #[test]
    fn an_error_lists_every_warning() {
        let error = TelemetryError::Strict(vec![
            Warning::SubscriberTaken,
            Warning::value("OTEL_X", "1", "2", "3"),
        ]);
        let text = error.to_string();
        assert!(text.contains("subscriber") && text.contains("OTEL_X"));
    }
}
