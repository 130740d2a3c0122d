//! From the text of an environment variable to its value; `None` or a [`Flaw`] for text that cannot
//! be used.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};
use opentelemetry_sdk::metrics::Temporality;

use super::headers::Headers;
use super::options::{Exporter, MetricsExporter};
use super::settings::{Propagator, SamplerName};
use crate::telemetry::diagnostics::flaw::Flaw;
use crate::telemetry::export::otlp::Compression;
use crate::telemetry::export::tls::{ClientKey, Pem};

pub(crate) fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

pub(crate) fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Milliseconds from 1, up to some 49 days.
pub(crate) fn millis(text: &str) -> Option<Duration> {
    millis_from_zero(text).filter(|time| !time.is_zero())
}

pub(crate) fn millis_from_zero(text: &str) -> Option<Duration> {
    let millis: u32 = text.trim().parse().ok()?;
    Some(Duration::from_millis(millis.into()))
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

/// How many; bounded, since memory for so many may be taken at once.
pub(crate) fn count(text: &str) -> Option<usize> {
    let count: usize = text.trim().parse().ok()?;
    (1..=COUNT_MAX).contains(&count).then_some(count)
}

pub(crate) fn limit(text: &str) -> Option<u32> {
    text.trim().parse().ok()
}

pub(crate) fn length(text: &str) -> Option<usize> {
    text.trim().parse().ok()
}

pub(crate) fn bytes(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|bytes| *bytes > 0)
}

pub(crate) fn port(text: &str) -> Result<u16, Flaw> {
    text.trim().parse().map_err(|_| Flaw::Shown)
}

pub(crate) fn host(text: &str) -> Result<String, Flaw> {
    let host = text.trim();
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let address = bare.unwrap_or(host).parse::<std::net::IpAddr>().is_ok();
    let is_of_name = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
    let named = !host.is_empty() && host.len() <= 253 && host.bytes().all(is_of_name);
    if address || (named && !is_short_address(host)) {
        return Ok(bare.unwrap_or(host).to_owned());
    }
    Err(match host.bytes().all(is_of_name) {
        true => Flaw::Shown,
        false => Flaw::said("it is no host's name and no address"),
    })
}

/// Whether a system reads the name as an address all the same: `0` is every interface.
fn is_short_address(name: &str) -> bool {
    let last = name.trim_end_matches('.').rsplit('.').next();
    let last = last.unwrap_or_default().to_ascii_lowercase();
    let hex = last.strip_prefix("0x");
    last.bytes().all(|b| b.is_ascii_digit())
        || hex.is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Whether it is there, and whose, is seen when it is opened.
pub(crate) fn folder(text: &str) -> Result<PathBuf, Flaw> {
    Ok(text.into())
}

pub(crate) fn ratio(text: &str) -> Option<f64> {
    let ratio: f64 = text.trim().parse().ok()?;
    (0.0..=1.0).contains(&ratio).then_some(ratio)
}

/// A general endpoint, to which a signal's path is added. A query would have to be moved behind
/// that path or dropped, and either is another place than the one that was asked for.
pub(crate) fn base_url(text: &str) -> Result<String, Flaw> {
    if text.contains('?') {
        return Err(Flaw::said(
            "it has a query, and the path of a signal is to be added to it",
        ));
    }
    url(text)
}

/// A signal's own endpoint, which is used as it is.
pub(crate) fn url(text: &str) -> Result<String, Flaw> {
    let text = text.trim();
    // `Uri` drops it without a word.
    if text.contains('#') {
        return Err(Flaw::said("it has a fragment"));
    }
    let uri: Uri = text.parse().map_err(|_| Flaw::said("it is no URL"))?;
    let problem = if !matches!(uri.scheme_str(), Some("http" | "https")) {
        "it does not begin with http:// or https://"
    } else if uri.host().is_none_or(str::is_empty) {
        "it has no host"
    } else if !port_is_usable(&uri) {
        "its port is no number from 1 to 65535"
    } else {
        return Ok(text.to_owned());
    };
    Err(Flaw::said(problem))
}

/// Whether a URL has no port, or one that can be connected to. [`Uri`] takes `localhost:43l8`, and
/// who asks it for the port goes to the scheme's own as if there were none.
pub(crate) fn port_is_usable(url: &Uri) -> bool {
    let Some(authority) = url.authority() else {
        return false;
    };
    let place = authority.as_str().rsplit('@').next().unwrap_or_default();
    place == authority.host() || authority.port_u16().is_some_and(|port| port > 0)
}

pub(crate) fn protocol(text: &str) -> Result<(), Flaw> {
    match text.trim() {
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

pub(crate) fn metrics_exporter(text: &str) -> Result<MetricsExporter, Flaw> {
    let mut chosen = MetricsExporter::None;
    let mut none = false;
    for name in text.split(',').map(str::trim) {
        chosen = match (name, chosen) {
            ("none", _) => {
                none = true;
                chosen
            }
            ("otlp", MetricsExporter::None | MetricsExporter::Otlp) => MetricsExporter::Otlp,
            ("prometheus", MetricsExporter::None | MetricsExporter::Prometheus) => {
                MetricsExporter::Prometheus
            }
            ("otlp" | "prometheus", _) => MetricsExporter::PrometheusAndOtlp,
            _ => return Err(Flaw::Shown),
        };
    }
    // `none` beside another name contradicts itself.
    match (none, chosen) {
        (false, _) | (true, MetricsExporter::None) => Ok(chosen),
        (true, _) => Err(Flaw::Shown),
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
        if !chosen.contains(&propagator) {
            chosen.push(propagator);
        }
    }
    Some(chosen)
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

/// `key=value` pairs; one bad pair spoils all, as the specification asks for resources. Which one
/// it is is said by its place, since its text may be a secret.
pub(crate) fn pairs(text: &str) -> Result<Vec<(String, String)>, Flaw> {
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
    value.set_sensitive(true);
    Ok((name, value))
}

pub(crate) fn certificates(path: &str) -> Result<Pem, Flaw> {
    Pem::read(path)
}

pub(crate) fn client_key(path: &str) -> Result<ClientKey, Flaw> {
    ClientKey::read(path)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
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

/// More than anybody needs, and less than what could exhaust memory at once.
const COUNT_MAX: usize = 1_000_000;

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
    fn endpoints_need_a_scheme_and_a_host() {
        for good in [
            "http://localhost:4318",
            "https://[::1]:4318/otlp/",
            "https://[::1]/otlp/",
            "https://me:word@box",
            "https://me:word@box:4318",
        ] {
            assert!(base_url(good).is_ok(), "{good}");
        }
        assert!(url("http://x/v1/traces?team=1").is_ok());
        for bad in [
            "localhost:4318",
            "ftp://x",
            "http://",
            "/v1",
            "http://x/?a=1",
            "http://x?a=1",
            "http://x/base#part",
            // Not the port that was meant, and no other may be taken in its place.
            "http://localhost:43l8",
            "http://localhost:43180000",
            "http://localhost:/v1",
            "http://localhost:0",
            "http://me:4318@localhost:43l8",
            "http://[::1]:x",
        ] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn metrics_exporters_combine() {
        assert_eq!(
            metrics_exporter("otlp, prometheus"),
            Ok(MetricsExporter::PrometheusAndOtlp)
        );
        assert_eq!(metrics_exporter("none"), Ok(MetricsExporter::None));
        for bad in ["otlp,none", "none,prometheus", "console", "otlp,", "OTLP"] {
            assert!(metrics_exporter(bad).is_err(), "{bad}");
        }
    }

    #[test]
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
