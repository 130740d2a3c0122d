//! The proxy between us and a collector, as the environment has it.

use std::fmt;
use std::net::IpAddr;

use http::Uri;
use ureq::ProxyProtocol;

use crate::telemetry::diagnostics::flaw::Flaw;

/// An HTTP proxy that the environment names. Its `Debug` shows the variable alone.
#[derive(Clone)]
pub struct Proxy {
    variable: &'static str,
    proxy: ureq::Proxy,
}

impl Proxy {
    /// # Errors
    ///
    /// For anything but an HTTP proxy. The transport has no SOCKS and would connect past such a
    /// proxy; to an `https://` proxy it has TLS, and then none to the collector behind it.
    pub(crate) fn new(variable: &'static str, text: &str) -> Result<Self, Flaw> {
        let proxy =
            ureq::Proxy::new(text.trim()).map_err(|_| Flaw::said("it is no proxy's URL"))?;
        match proxy.protocol() {
            ProxyProtocol::Http => {}
            ProxyProtocol::Https => return Err(Flaw::said("proxies over TLS are not supported")),
            _ => return Err(Flaw::said("only HTTP proxies are supported")),
        }
        if proxy.host().is_empty() {
            return Err(Flaw::said("it has no host"));
        }
        if !port_is_usable(proxy.uri()) {
            return Err(Flaw::said("its port is no number from 1 to 65535"));
        }
        Ok(Self { variable, proxy })
    }

    /// The environment variable that names it.
    #[must_use]
    pub fn variable(&self) -> &'static str {
        self.variable
    }

    /// Its URL, with user and password if it has them: not for a log.
    #[must_use]
    pub fn url(&self) -> String {
        self.proxy.uri().to_string()
    }

    pub(crate) fn transport(&self) -> ureq::Proxy {
        self.proxy.clone()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its URL may hold a password.
        write!(f, "Proxy({})", self.variable)
    }
}

/// Where no proxy is to be asked: as curl reads it, and with `*` at an end and ports as well.
#[derive(Clone, Debug)]
pub(crate) struct NoProxy(Vec<(Exempt, Option<u16>)>);

#[derive(Clone, Debug, PartialEq)]
enum Exempt {
    All,
    /// `example.com` and `.example.com`: that host and every one below it.
    Domain(String),
    /// `*.example.com`: every host that ends so.
    Ending(String),
    /// `10.*` and `10.`: every host that begins so.
    Beginning(String),
    /// An address is a network of one.
    Network(IpAddr, u32),
}

impl NoProxy {
    /// # Errors
    ///
    /// When an entry is no host and no network: who wrote it wants something to go past the proxy,
    /// and it is not known what.
    pub(crate) fn new(text: &str) -> Result<Self, Flaw> {
        let entries = text
            .split([',', ' ', '\t'])
            .filter(|entry| !entry.is_empty());
        let entries: Option<Vec<_>> = entries.map(entry).collect();
        match entries {
            Some(entries) => Ok(Self(entries)),
            None => Err(Flaw::said("an entry is no host and no network")),
        }
    }

    pub(crate) fn covers(&self, url: &Uri) -> bool {
        let host = url.host().unwrap_or_default().to_ascii_lowercase();
        // The crate `http` keeps the brackets of an IPv6 address in the host.
        let host = host.trim_matches(['[', ']']);
        // The dot says that the name is complete, which makes it no other.
        let host = host.strip_suffix('.').unwrap_or(host);
        let usual = if url.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        let port = url.port_u16().unwrap_or(usual);
        let mut entries = self.0.iter();
        entries.any(|(exempt, only)| only.is_none_or(|only| only == port) && exempt.covers(host))
    }
}

/// An entry, and the only port for which it holds if it names one.
fn entry(text: &str) -> Option<(Exempt, Option<u16>)> {
    match text.rsplit_once(':') {
        // A bare IPv6 address has colons and no port. One with a port has brackets.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            Some((Exempt::new(host)?, Some(port.parse().ok()?)))
        }
        _ => Some((Exempt::new(text)?, None)),
    }
}

impl Exempt {
    fn new(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        if text == "*" {
            return Some(Self::All);
        }
        if let Some((net, bits)) = text.split_once('/') {
            let net: IpAddr = net.parse().ok()?;
            let bits: u32 = bits.parse().ok()?;
            return (bits <= bits_of(net)).then_some(Self::Network(net, bits));
        }
        if let Ok(address) = text.trim_matches(['[', ']']).parse() {
            return Some(Self::Network(address, bits_of(address)));
        }
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        // Names are plain text with at most one `*` at an end. Anything else is a mistake, and not
        // a pattern.
        let star_ahead = text.strip_prefix('*');
        let name = star_ahead.unwrap_or(&text);
        let star_behind = name.strip_suffix('*');
        let name = star_behind.unwrap_or(name);
        if name.is_empty() || !name.chars().all(is_of_name) {
            return None;
        }
        match (star_ahead, star_behind) {
            (Some(_), Some(_)) => None,
            (Some(_), None) => Some(Self::Ending(name.to_owned())),
            (None, Some(_)) => Some(Self::Beginning(name.to_owned())),
            (None, None) => Self::domain_or_beginning(name),
        }
    }

    fn domain_or_beginning(name: &str) -> Option<Self> {
        let name = name.strip_prefix('.').unwrap_or(name);
        let whole = name.strip_suffix('.').unwrap_or(name);
        if whole.is_empty() {
            return None;
        }
        let is_number = whole.chars().all(|c| c.is_ascii_digit() || c == '.');
        match name.ends_with('.') && is_number {
            true => Some(Self::Beginning(name.to_owned())),
            false => Some(Self::Domain(whole.to_owned())),
        }
    }

    fn covers(&self, host: &str) -> bool {
        match self {
            Self::All => true,
            Self::Ending(end) => host.ends_with(end.as_str()),
            Self::Beginning(start) => host.starts_with(start.as_str()),
            Self::Domain(name) => match host.strip_suffix(name.as_str()) {
                // The parts of an address are no domains.
                Some(below) => {
                    below.is_empty() || below.ends_with('.') && host.parse::<IpAddr>().is_err()
                }
                None => false,
            },
            Self::Network(net, bits) => match (host.parse(), net) {
                // The first bit that differs must lie behind the prefix. With a prefix of 0 every
                // address is covered.
                (Ok(IpAddr::V4(host)), IpAddr::V4(net)) => {
                    let differing = host.to_bits() ^ net.to_bits();
                    differing.leading_zeros() >= *bits
                }
                (Ok(IpAddr::V6(host)), IpAddr::V6(net)) => {
                    let differing = host.to_bits() ^ net.to_bits();
                    differing.leading_zeros() >= *bits
                }
                _ => false,
            },
        }
    }
}

fn bits_of(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Whether a URL has no port, or one that can be connected to. [`Uri`] takes `localhost:43l8`, and
/// who asks it for the port goes to the scheme's own as if there were none.
pub(crate) fn port_is_usable(url: &Uri) -> bool {
    let Some(authority) = url.authority() else {
        return false;
    };
    // The text is compared, since `port_u16` is `None` for a bad port as for none.
    let place = authority.as_str().rsplit('@').next().unwrap_or_default();
    place == authority.host() || authority.port_u16().is_some_and(|port| port > 0)
}

/// Whether it is this machine, which no proxy is asked for.
pub(crate) fn is_local(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_proxies_are_taken() {
        for good in [
            "http://box:3128",
            "box:3128",
            "box",
            "http://me:p%40ss@box:3128/",
            "http://[::1]:3128",
        ] {
            assert!(Proxy::new("P", good).is_ok(), "{good}");
        }
        for bad in [
            "https://box:3128",
            "socks5://box:1080",
            "ftp://box",
            "http://",
            "http://box:31z8",
            "box:0",
            "a b",
            "/proxy",
        ] {
            assert!(Proxy::new("P", bad).is_err(), "{bad}");
        }
        let proxy = Proxy::new("P", "http://me:s3cret@box").unwrap();
        assert!(!format!("{proxy:?}").contains("s3cret"));
    }

    #[test]
    fn no_proxy_covers_hosts_ends_beginnings_and_networks() {
        let covers = |list: &str, host: &str| {
            let url = format!("http://{host}:1/").parse().unwrap();
            NoProxy::new(list).unwrap().covers(&url)
        };
        for (list, host, covered) in [
            ("a.b, c.d", "C.d", true),
            ("a.b c.d", "c.d", true),
            ("a.b", "x.a.b", true),
            ("a.b", "xa.b", false),
            ("a.b", "b", false),
            (".a.b", "x.a.b", true),
            (".a.b", "a.b", true),
            (".a.b", "xa.b", false),
            ("a.b.", "a.b", true),
            ("a.b", "a.b.", true),
            ("fd00:0::7", "[fd00::7]", true),
            ("0.0.1", "127.0.0.1", false),
            ("*.a.b", "x.a.b", true),
            ("*.a.b", "a.b", false),
            ("*", "x", true),
            ("10.", "10.1.2.3", true),
            ("10.*", "11.1.2.3", false),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("0.0.0.0/0", "11.1.2.3", true),
            ("fd00::/8", "[fd12::1]", true),
            ("[fd00::7]", "[fd00::7]", true),
            ("x:1,y", "x", true),
            ("x:2", "x", false),
            ("[fd00::7]:1", "[fd00::7]", true),
            (",", "x", false),
        ] {
            assert_eq!(covers(list, host), covered, "{list} {host}");
        }
        for bad in [
            "http://a.b",
            "a.b:80/x",
            "10.0.0.0/33",
            "a*b",
            "*a*",
            "a:b",
            ".",
            "..",
        ] {
            assert!(NoProxy::new(bad).is_err(), "{bad}");
        }
    }
}
