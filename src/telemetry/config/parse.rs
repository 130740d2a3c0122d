//! From the text of an environment variable to its value; `None` or a [`Flaw`] for text that cannot
//! be used.

use std::path::PathBuf;
use std::time::Duration;

use super::options::{MetricsOutputs, Propagator, WITHOUT_OTLP, WITHOUT_PROMETHEUS};
use crate::telemetry::consent::EnvironmentConsent;
use crate::telemetry::diagnostics::flaw::Flaw;

pub(crate) fn truth(text: &str) -> Option<bool> {
    // The specification has booleans case-insensitive.
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

pub(crate) fn consent(text: &str) -> Option<EnvironmentConsent> {
    match text.trim().to_ascii_lowercase().as_str() {
        "granted" => Some(EnvironmentConsent::Granted),
        "ask" => Some(EnvironmentConsent::Ask),
        "denied" => Some(EnvironmentConsent::Denied),
        _ => None,
    }
}

pub(crate) fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Milliseconds from 1, up to some 49 days.
#[cfg(feature = "otlp")]
pub(crate) fn millis(text: &str) -> Option<Duration> {
    millis_from_zero(text).filter(|time| !time.is_zero())
}

pub(crate) fn millis_from_zero(text: &str) -> Option<Duration> {
    let millis: u32 = text.trim().parse().ok()?;
    Some(Duration::from_millis(millis.into()))
}

/// Whether it can be used is seen when it is opened.
pub(crate) fn file(text: &str) -> Result<PathBuf, Flaw> {
    // Not trimmed: a path may begin or end with a space.
    if cfg!(feature = "history") {
        Ok(text.into())
    } else {
        Err(Flaw::said(super::options::WITHOUT_HISTORY))
    }
}

pub(crate) fn history_bytes(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|bytes| *bytes >= 1 << 20)
}

/// Samples a second of the CPU profile, where the process can be sampled.
pub(crate) fn profile(text: &str) -> Result<u32, Flaw> {
    let rate: u32 = text.trim().parse().map_err(|_| Flaw::Shown)?;
    profile_rate(rate)
}

/// The same of the builder's number.
pub(crate) fn profile_rate(rate: u32) -> Result<u32, Flaw> {
    match rate {
        0 => Ok(rate),
        1..=1_000 => may_profile().map(|()| rate),
        _ => Err(Flaw::Shown),
    }
}

#[cfg(not(feature = "profile"))]
fn may_profile() -> Result<(), Flaw> {
    Err(Flaw::said(super::options::WITHOUT_PROFILE))
}

#[cfg(feature = "profile")]
fn may_profile() -> Result<(), Flaw> {
    match crate::history::report::PROFILES_IN_PROCESS {
        true => Ok(()),
        false => Err(Flaw::said(crate::history::report::NO_PROFILE_HERE)),
    }
}

pub(crate) fn seconds(text: &str) -> Option<Duration> {
    let seconds: u32 = text.trim().parse().ok().filter(|seconds| *seconds > 0)?;
    Some(Duration::from_secs(seconds.into()))
}

/// A sampler faster than this would measure mostly itself.
pub(crate) fn system_interval(text: &str) -> Option<Option<Duration>> {
    match millis_from_zero(text)? {
        Duration::ZERO => Some(None),
        interval => Some(Some(interval)).filter(|_| interval >= Duration::from_millis(10)),
    }
}

#[cfg(feature = "prometheus")]
pub(crate) fn port(text: &str) -> Result<u16, Flaw> {
    text.trim().parse().map_err(|_| Flaw::Shown)
}

#[cfg(feature = "prometheus")]
pub(crate) fn host(text: &str) -> Result<String, Flaw> {
    let host = text.trim();
    // Users write an IPv6 address as in a URL, and a socket address has no brackets.
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let address = bare.unwrap_or(host).parse::<std::net::IpAddr>().is_ok();
    let is_of_name = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
    // 253 is the length of the longest name that DNS allows.
    let named = !host.is_empty() && host.len() <= 253 && host.bytes().all(is_of_name);
    if address || (named && !is_short_address(host)) {
        return Ok(bare.unwrap_or(host).to_owned());
    }
    // Text with other characters is not quoted: it may be a URL with a password.
    Err(match host.bytes().all(is_of_name) {
        true => Flaw::Shown,
        false => Flaw::said("it is no host's name and no address"),
    })
}

/// Whether a system reads the name as an address all the same: `0` is every interface.
#[cfg(feature = "prometheus")]
fn is_short_address(name: &str) -> bool {
    // `getaddrinfo` reads `0`, `127.1` and `0x7f.1` as IPv4 addresses, and no host's name ends in a
    // number. A dot at the end only marks a name as absolute.
    let last = name.trim_end_matches('.').rsplit('.').next();
    let last = last.unwrap_or_default().to_ascii_lowercase();
    let hex = last.strip_prefix("0x");
    last.bytes().all(|b| b.is_ascii_digit())
        || hex.is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

pub(crate) fn ratio(text: &str) -> Option<f64> {
    let ratio: f64 = text.trim().parse().ok()?;
    (0.0..=1.0).contains(&ratio).then_some(ratio)
}

pub(crate) fn metrics_exporter(text: &str) -> Result<MetricsOutputs, Flaw> {
    let mut outputs = MetricsOutputs::default();
    let mut none = false;
    for name in text.split(',').map(str::trim) {
        match name {
            "none" => none = true,
            "otlp" if cfg!(feature = "otlp") => outputs.otlp = true,
            "otlp" => return Err(Flaw::said(WITHOUT_OTLP)),
            "prometheus" if cfg!(feature = "prometheus") => outputs.prometheus = true,
            "prometheus" => return Err(Flaw::said(WITHOUT_PROMETHEUS)),
            _ => return Err(Flaw::Shown),
        }
    }
    // `none` beside another name contradicts itself.
    match none && outputs != MetricsOutputs::default() {
        true => Err(Flaw::Shown),
        false => Ok(outputs),
    }
}

pub(crate) fn propagators(text: &str) -> Option<Vec<Propagator>> {
    if text.trim() == "none" {
        return Some(Vec::new());
    }
    let mut chosen = Vec::new();
    for name in text.split(',').map(str::trim) {
        let propagator = match name {
            "tracecontext" => Propagator::TraceContext,
            "baggage" => Propagator::Baggage,
            _ => return None,
        };
        // The specification has each propagator registered once.
        if !chosen.contains(&propagator) {
            chosen.push(propagator);
        }
    }
    Some(chosen)
}

/// `key=value` pairs; one bad pair spoils all, as the specification asks for resources. Which one
/// it is is said by its place, since its text may be a secret.
pub(crate) fn pairs(text: &str) -> Result<Vec<(String, String)>, Flaw> {
    // A comma at the end makes an empty pair, which is no mistake.
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
    let pairs = pairs.enumerate().map(|(place, pair)| {
        let flaw = |what| Flaw::said(format!("pair {} {what}", place + 1));
        let (key, value) = pair.split_once('=').ok_or_else(|| flaw("has no ="))?;
        let decoded = |text: &str| {
            percent_decoded(text.trim())
                .ok_or_else(|| flaw("is not UTF-8 with % before two hex digits"))
        };
        let (key, value) = (decoded(key)?, decoded(value)?);
        match key.is_empty() {
            true => Err(flaw("has no key")),
            false => Ok((key, value)),
        }
    });
    pairs.collect()
}

pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        // A `+` stays one: the encoding is that of W3C Baggage and not that of forms.
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            _ => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_and_one_bad_pair_spoils_all() {
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        assert_eq!(
            pairs("a=1, b = two%20words ,c=x=y,"),
            Ok(vec![
                pair("a", "1"),
                pair("b", "two words"),
                pair("c", "x=y")
            ])
        );
        for bad in ["a", "=1", "a=%", "a=%4", "a=%zz", "a=%ff", "a=1,b"] {
            assert!(pairs(bad).is_err(), "{bad}");
        }
    }

    #[test]
    #[cfg(all(feature = "prometheus", feature = "otlp"))]
    fn metrics_exporters_combine() {
        use crate::telemetry::MetricsExporter;
        assert_eq!(
            metrics_exporter("otlp, prometheus"),
            Ok(MetricsExporter::PrometheusAndOtlp.into())
        );
        assert_eq!(metrics_exporter("none"), Ok(MetricsExporter::None.into()));
        for bad in ["otlp,none", "none,prometheus", "console", "otlp,", "OTLP"] {
            assert!(metrics_exporter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    #[cfg(feature = "prometheus")]
    fn hosts_are_names_or_addresses() {
        for (good, bare) in [
            ("[::1]", "::1"),
            ("0.0.0.0", "0.0.0.0"),
            ("localhost", "localhost"),
            ("box.lan", "box.lan"),
            ("7.box", "7.box"),
        ] {
            assert_eq!(host(good).as_deref(), Ok(bare));
        }
        for bad in ["a b", "http://x", "", "me:word@x"] {
            assert!(matches!(host(bad), Err(Flaw::Said(_)) | Err(Flaw::Shown)));
        }
        // A system takes these for addresses, the first for every interface.
        for short in ["0", "127.1", "0x7f000001", "1.2.3.256", "2130706433."] {
            assert_eq!(host(short), Err(Flaw::Shown), "{short}");
        }
    }
}
