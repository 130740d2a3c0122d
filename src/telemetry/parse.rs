//! From the text of an environment variable to its value; `None` for text that cannot be used.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};
use opentelemetry_sdk::metrics::Temporality;

use super::choice::{Exporter, MetricsExporter};
use super::settings::{Compression, Propagator, SamplerName};
use super::tls::{ClientKey, Pem};

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

pub(crate) fn port(text: &str) -> Option<u16> {
    text.trim().parse().ok()
}

pub(crate) fn host(text: &str) -> Option<String> {
    let host = text.trim();
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let address = bare.unwrap_or(host).parse::<std::net::IpAddr>().is_ok();
    let name = !host.is_empty()
        && host.len() <= 253
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
    (address || name).then(|| bare.unwrap_or(host).to_owned())
}

pub(crate) fn ratio(text: &str) -> Option<f64> {
    let ratio: f64 = text.trim().parse().ok()?;
    (0.0..=1.0).contains(&ratio).then_some(ratio)
}

pub(crate) fn url(text: &str) -> Option<String> {
    let text = text.trim();
    let uri: Uri = text.parse().ok()?;
    let scheme = uri.scheme_str()?;
    let usable = (scheme == "http" || scheme == "https")
        && uri.host().is_some_and(|host| !host.is_empty())
        && port_is_usable(&uri)
        && uri.query().is_none();
    usable.then(|| text.to_owned())
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

pub(crate) fn protocol(text: &str) -> Option<()> {
    (text.trim() == "http/protobuf").then_some(())
}

pub(crate) fn compression(text: &str) -> Option<Compression> {
    match text.trim().to_ascii_lowercase().as_str() {
        "gzip" => Some(Compression::Gzip),
        "none" => Some(Compression::None),
        _ => None,
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

pub(crate) fn exporter(text: &str) -> Option<Exporter> {
    match text.trim() {
        "otlp" => Some(Exporter::Otlp),
        "none" => Some(Exporter::None),
        _ => None,
    }
}

pub(crate) fn metrics_exporter(text: &str) -> Option<MetricsExporter> {
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
            _ => return None,
        };
    }
    // `none` beside another name contradicts itself.
    (!none || chosen == MetricsExporter::None).then_some(chosen)
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

/// `key=value` pairs; one bad pair spoils all, as the specification asks for resources.
pub(crate) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    text.split(',')
        .filter(|pair| !pair.trim().is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let key = percent_decoded(key.trim())?;
            (!key.is_empty()).then_some((key, percent_decoded(value.trim())?))
        })
        .collect()
}

pub(crate) fn headers(text: &str) -> Option<Vec<(HeaderName, HeaderValue)>> {
    pairs(text)?
        .into_iter()
        .map(|(name, value)| header(&name, &value))
        .collect()
}

pub(crate) fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

pub(crate) fn certificates(path: &str) -> Option<Pem> {
    Pem::read(path)
}

pub(crate) fn client_key(path: &str) -> Option<ClientKey> {
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
            Some(vec![
                pair("a", "1"),
                pair("b", "two words"),
                pair("c", "x=y")
            ])
        );
        for bad in ["a", "=1", "a=%", "a=%4", "a=%zz", "a=%ff", "a=1,b"] {
            assert_eq!(pairs(bad), None, "{bad}");
        }
    }

    #[test]
    fn endpoints_need_a_scheme_and_a_host() {
        assert!(url("http://localhost:4318").is_some());
        assert!(url("https://[::1]:4318/otlp/").is_some());
        assert!(url("https://[::1]/otlp/").is_some());
        assert!(url("https://me:word@box").is_some());
        assert!(url("https://me:word@box:4318").is_some());
        for bad in [
            "localhost:4318",
            "ftp://x",
            "http://",
            "/v1",
            "http://x/?a=1",
            // Not the port that was meant, and no other may be taken in its place.
            "http://localhost:43l8",
            "http://localhost:43180000",
            "http://localhost:/v1",
            "http://localhost:0",
            "http://me:4318@localhost:43l8",
            "http://[::1]:x",
        ] {
            assert!(url(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn metrics_exporters_combine() {
        assert_eq!(
            metrics_exporter("otlp, prometheus"),
            Some(MetricsExporter::PrometheusAndOtlp)
        );
        assert_eq!(metrics_exporter("none"), Some(MetricsExporter::None));
        for bad in ["otlp,none", "none,prometheus", "console", "otlp,", "OTLP"] {
            assert_eq!(metrics_exporter(bad), None, "{bad}");
        }
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        assert_eq!(host("[::1]").as_deref(), Some("::1"));
        assert_eq!(host("0.0.0.0").as_deref(), Some("0.0.0.0"));
        assert_eq!(host("localhost").as_deref(), Some("localhost"));
        assert_eq!(host("a b"), None);
        assert_eq!(host("http://x"), None);
    }
}
