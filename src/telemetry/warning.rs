//! What could not be done as asked, while the app starts all the same.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;

use http::HeaderName;

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
    /// Another program has the port at which `/metrics` is when nobody says where, so it is off.
    #[non_exhaustive]
    DefaultPortTaken {
        /// Where it would have been.
        addr: SocketAddr,
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
            Self::DefaultPortTaken { addr } => write!(
                f,
                "the default port {} is taken: /metrics is off, since {addr} is in use by another \
                 program; OTEL_EXPORTER_PROMETHEUS_PORT takes another, or 0 for any that is free",
                addr.port()
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

/// The value as it may be shown: short, and without the secrets that headers and URLs carry.
fn shown(variable: &str, value: &str) -> String {
    let value = if variable.ends_with("_HEADERS") || variable == "otlp_header" {
        let pairs = value.split(',').map(header_name);
        pairs.collect::<Vec<_>>().join(",")
    } else if is_address(variable) || value.contains("://") {
        without_credentials(value)
    } else {
        value.to_owned()
    };
    match value.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
        None => value,
    }
}

fn is_address(variable: &str) -> bool {
    let variable = variable.to_ascii_lowercase();
    variable.ends_with("_endpoint") || variable.ends_with("_host")
}

/// A header's name. Somebody who writes `Name: secret==` has the secret before the `=`: what no
/// name may be, or has nothing but padding behind it, is not shown.
fn header_name(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, value))
            if HeaderName::from_bytes(name.trim().as_bytes()).is_ok()
                && !value.trim_matches(['=', ' ']).is_empty() =>
        {
            format!("{name}=***")
        }
        _ => "***".to_owned(),
    }
}

/// A URL, or what was meant for one, without user, password and query.
fn without_credentials(value: &str) -> String {
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let (scheme, rest) = match value.split_once("://") {
        Some((scheme, _)) if scheme.chars().all(is_scheme) => value.split_at(scheme.len() + 3),
        _ => ("", value),
    };
    let query = rest.find(['?', '#']);
    match (rest.rfind('@'), query) {
        // A query with an `@`, or a password with a `?`: either may be secret.
        (Some(at), Some(query)) if query < at => format!("{scheme}***"),
        (at, query) => {
            let user = if at.is_some() { "***" } else { "" };
            let left_out = if query.is_some() { "?***" } else { "" };
            let range = at.unwrap_or(0)..query.unwrap_or(rest.len());
            let shown = rest.get(range).unwrap_or_default();
            format!("{scheme}{user}{shown}{left_out}")
        }
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
        for (variable, value, kept) in [
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=s3cret,s3cret", "x-key"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization: s3cret==", ""),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a b s3cret=c,ok=s3cret", "ok"),
            ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "x:s3cret=1", ""),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x: y,s3cret==", ""),
            ("otlp_header", "Bearer s3cret=x", ""),
            (
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "ftp://me:s3cret@host/",
                "ftp://***@host/",
            ),
            (
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "me:s3cret@host:4318",
                "@host:4318",
            ),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "s3cret@s3cret@h", "@h"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "me:s3?cret@s3cret@h", "***"),
            ("otlp_endpoint", "host/?key=s3cret", "host/?"),
            (
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                "host?key=s3cret@s3cret",
                "***",
            ),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "host#s3cret", "host"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "me:s3cret://@h", "***@h"),
            ("OTEL_EXPORTER_PROMETHEUS_HOST", "http://a:s3cret@x", "@x"),
        ] {
            let warning = Warning::value(variable, value, "", "").to_string();
            assert!(!warning.contains("s3cret"), "{warning}");
            assert!(warning.contains(kept), "{warning}");
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
        assert_eq!(format!("{error:?}"), text);
    }
}
