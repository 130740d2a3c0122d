//! From the text of a variable of OTLP's to its value.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};
use opentelemetry_sdk::metrics::Temporality;

pub(crate) use super::endpoint::{base_url, url};
use super::headers::Headers;
use super::settings::SamplerName;
use crate::telemetry::config::options::Exporter;
use crate::telemetry::config::parse::pairs;
pub(crate) use crate::telemetry::config::parse::{millis, ratio};
use crate::telemetry::diagnostics::flaw::Flaw;
use crate::telemetry::export::otlp::Compression;
use crate::telemetry::export::tls::{ClientKey, Pem};

pub(crate) fn length(text: &str) -> Option<usize> {
    text.trim().parse().ok()
}

/// Once as long as usual is no longer than usual.
pub(crate) fn is_slow_factor(factor: u32) -> bool {
    matches!(factor, 0 | 2..=1_000)
}

pub(crate) fn slow_factor(text: &str) -> Option<u32> {
    let factor = text.trim().parse().ok()?;
    is_slow_factor(factor).then_some(factor)
}

pub(crate) fn bytes(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|bytes| *bytes > 0)
}

/// Whether it is there, and whose, is seen when it is opened.
pub(crate) fn folder(text: &str) -> Result<PathBuf, Flaw> {
    // Not trimmed: a folder's name may begin or end with a space.
    Ok(text.into())
}

pub(crate) fn protocol(text: &str) -> Result<(), Flaw> {
    match text.trim() {
        // `grpc` and `http/json` are standard values that Spanwire does not speak: docs/adr/0013.
        "http/protobuf" => Ok(()),
        _ => Err(Flaw::Shown),
    }
}

pub(crate) fn compression(text: &str) -> Result<Compression, Flaw> {
    match text.trim().to_ascii_lowercase().as_str() {
        "gzip" => Ok(Compression::Gzip),
        "none" => Ok(Compression::None),
        _ => Err(Flaw::Shown),
    }
}

pub(crate) fn temporality(text: &str) -> Option<Temporality> {
    match text.trim().to_ascii_lowercase().as_str() {
        "cumulative" => Some(Temporality::Cumulative),
        "delta" => Some(Temporality::Delta),
        "lowmemory" => Some(Temporality::LowMemory),
        _ => None,
    }
}

pub(crate) fn exporter(text: &str) -> Result<Exporter, Flaw> {
    match text.trim() {
        "otlp" => Ok(Exporter::Otlp),
        "none" => Ok(Exporter::None),
        _ => Err(Flaw::Shown),
    }
}

pub(crate) fn sampler(text: &str) -> Option<SamplerName> {
    Some(match text.trim() {
        "always_on" => SamplerName::AlwaysOn,
        "always_off" => SamplerName::AlwaysOff,
        "traceidratio" => SamplerName::Ratio,
        "parentbased_always_on" => SamplerName::ParentBasedAlwaysOn,
        "parentbased_always_off" => SamplerName::ParentBasedAlwaysOff,
        "parentbased_traceidratio" => SamplerName::ParentBasedRatio,
        _ => return None,
    })
}

pub(crate) fn headers(text: &str) -> Result<Headers, Flaw> {
    let mut headers = Headers::default();
    for (place, (name, value)) in pairs(text)?.into_iter().enumerate() {
        let (name, value) = header(&name, &value)
            .map_err(|what| Flaw::said(format!("pair {} has {what}", place + 1)))?;
        headers.push(name, value);
    }
    Ok(headers)
}

/// # Errors
///
/// What of it HTTP does not allow.
pub(crate) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let name = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| "a name that HTTP does not allow for a header")?;
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| "a value that HTTP does not allow for a header")?;
    // The `Debug` of `http` prints `Sensitive` in the place of such a value.
    value.set_sensitive(true);
    Ok((name, value))
}

pub(crate) fn certificates(path: &str) -> Result<Pem, Flaw> {
    Pem::read(path)
}

pub(crate) fn client_key(path: &str) -> Result<ClientKey, Flaw> {
    ClientKey::read(path)
}

/// How many; bounded, since memory for so many may be taken at once.
pub(crate) fn count(text: &str) -> Option<usize> {
    let count: usize = text.trim().parse().ok()?;
    (1..=COUNT_MAX).contains(&count).then_some(count)
}

pub(crate) fn limit(text: &str) -> Option<u32> {
    text.trim().parse().ok()
}

/// More than anybody needs, and less than what could exhaust memory at once.
// A queue takes its memory at the start, and a million spans are some 0.4 GB.
const COUNT_MAX: usize = 1_000_000;
