//! What could not be done as asked, while the app starts all the same.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;

use crate::telemetry::diagnostics::flaw::Flaw;

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
        /// What it was set to, cut to a length that can be shown. Empty where it may be a secret:
        /// headers, URLs, resource attributes, key files.
        value: String,
        /// What is wrong with it, where the value does not show it.
        problem: Cow<'static, str>,
        /// What would be accepted.
        accepted: Cow<'static, str>,
        /// What holds now.
        instead: Cow<'static, str>,
    },
    /// Another program has the default port of `/metrics`, and no setting names another, so it is off.
    #[non_exhaustive]
    DefaultPortTaken {
        /// Where it would have been.
        addr: SocketAddr,
    },
    /// The process has a `tracing` subscriber already, so spans and logs do not reach Spanwire.
    SubscriberTaken,
    /// The process has a `metrics` recorder already, so it gets the metrics and Spanwire does not.
    RecorderTaken,
    /// A variable of a system whose job Spanwire took over is set, and the one that does its job is
    /// not. Another program may read it, so it is no error for
    /// [`strict`](crate::telemetry::TelemetryBuilder::strict).
    #[non_exhaustive]
    FormerVariable {
        /// The old name.
        variable: &'static str,
        /// What Spanwire reads, in the same unit.
        replacement: &'static str,
    },
    /// The run of the app before this one did not end by itself, as the history in its file tells:
    /// it crashed, or was killed or shut off. It is reported once, and is no error for
    /// [`strict`](crate::telemetry::TelemetryBuilder::strict).
    #[non_exhaustive]
    UncleanEnd {
        /// Which run, when it was last there, and the command that makes a report of its last minute.
        description: String,
    },
    /// A filter of the app's whole `tracing` subscriber turns down the spans of handlers and
    /// operations, so they are in no trace.
    SpansFiltered,
}

impl Warning {
    /// Whether something that was asked for is not in force, which `strict` does not accept.
    pub(crate) fn is_refusal(&self) -> bool {
        !matches!(self, Self::FormerVariable { .. } | Self::UncleanEnd { .. })
    }

    pub(crate) fn value(
        variable: &'static str,
        value: &str,
        accepted: impl Into<Cow<'static, str>>,
        instead: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::flawed(variable, value, Flaw::Shown, accepted, instead)
    }

    pub(crate) fn flawed(
        variable: &'static str,
        value: &str,
        flaw: Flaw,
        accepted: impl Into<Cow<'static, str>>,
        instead: impl Into<Cow<'static, str>>,
    ) -> Self {
        let (value, problem) = match flaw {
            Flaw::Shown if may_be_shown(value) => (shortened(value), Cow::default()),
            // Not even its beginning is shown: half of a secret is still one.
            Flaw::Shown => (String::new(), "its value is not understood".into()),
            Flaw::Said(problem) => (String::new(), problem),
        };
        Self::Value {
            variable,
            value,
            problem,
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
                problem,
                accepted,
                instead,
            } => {
                f.write_str(variable)?;
                if !value.is_empty() {
                    write!(f, "={value:?}")?;
                }
                f.write_str(" is not used: ")?;
                if !problem.is_empty() {
                    write!(f, "{problem}; ")?;
                }
                write!(f, "accepted is {accepted}; {instead}")
            }
            Self::DefaultPortTaken { addr } => write!(
                f,
                "the default port {} is taken: /metrics is off, since {addr} is in use by another \
                 program; OTEL_EXPORTER_PROMETHEUS_PORT takes another, or 0 for any that is free",
                addr.port()
            ),
            Self::SubscriberTaken => f.write_str(
                "the process has a tracing subscriber already, so handlers and operations are in \
                 no trace: \
                 use TelemetryBuilder::build and add TelemetryParts::layer to that subscriber",
            ),
            Self::RecorderTaken => f.write_str(
                "the process has a metrics recorder already, which gets the metrics, so they are \
                 neither at /metrics nor sent: \
                 use TelemetryBuilder::build and fan out to TelemetryParts::recorder",
            ),
            Self::FormerVariable {
                variable,
                replacement,
            } => write!(
                f,
                "{variable} is not read by telemetry: {replacement} does its job, in the same unit"
            ),
            Self::UncleanEnd { description } => f.write_str(description),
            Self::SpansFiltered => f.write_str(
                "a filter of the whole tracing subscriber turns down handlers' spans, so they are \
                 in no trace, as RUST_LOG=warn does with an EnvFilter: \
                 give that filter to the app's own layer, with Layer::with_filter",
            ),
        }
    }
}

/// Why telemetry was not set up. Without [`strict`](crate::telemetry::TelemetryBuilder::strict) it always is.
///
/// Its `Debug` is its `Display`, so that a `main` that returns it can be read.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// With `strict`, every warning is an error: here are all of them.
    #[error("telemetry is not set up as asked:{}", Listed(.0))]
    Strict(Vec<Warning>),
}

impl fmt::Debug for TelemetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

struct Listed<'a>(&'a [Warning]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|warning| write!(f, "\n- {warning}"))
    }
}

/// Some set a variable to what was meant for another: what looks like a URL with a password, like
/// a header or like a key is not shown, whatever the variable.
fn may_be_shown(value: &str) -> bool {
    // `@` stands in URLs with a password, `=` in headers and pairs, `?`, `#` and `&` in queries,
    // and `-----` in PEM files.
    let secret = |c: char| "@=?#&".contains(c) || c.is_control();
    !value.contains(secret) && !value.contains("://") && !value.contains("-----")
}

fn shortened(value: &str) -> String {
    // The limit counts characters, so that none is cut in two.
    match value.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
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
        for value in [
            "http://me:s3cret@host",
            "me:s3cret@host",
            "host?s3cret",
            "x-key=s3cret",
            "-----BEGIN PRIVATE KEY----- s3cret",
            "two\nlines s3cret",
        ] {
            let warning = Warning::value("OTEL_X", value, "a number", "5 is used").to_string();
            assert!(!warning.contains("s3cret"), "{warning}");
            assert!(warning.starts_with("OTEL_X is not used: "), "{warning}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_the_place_of_the_value() {
        let flaw = Flaw::said("it has a query");
        let warning = Warning::flawed("OTEL_X", "s3cret", flaw, "a URL", "traces are off");
        assert_eq!(
            warning.to_string(),
            "OTEL_X is not used: it has a query; accepted is a URL; traces are off"
        );
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
        assert_eq!(format!("{error:?}"), text);
    }
}
