//! Which `Host` may be asked for.
//!
//! A page on the web can point a name of its own at 127.0.0.1 and then read our answers as if they
//! were its own (DNS rebinding). Its requests carry that name, so we answer none but names we know.
//!
//! A Prometheus in a container asks for [`CONTAINER_HOSTS`]. Nobody can register these, since `internal`
//! is reserved for private use, but who answers the machine's DNS queries can still point them here, for
//! example in a strange network. The same holds for the machine's own name, which is answered where the
//! endpoint listens on every interface. So a browser is not answered under these names: it cannot leave out
//! [`ACCEPT_LANGUAGE`](https://fetch.spec.whatwg.org/#http-network-or-cache-fetch), whatever the page says.
//!
//! HTTP/1.0 has no `Host`. A browser sends one with every request, so a request of that version without
//! one is answered.

use std::net::IpAddr;

use hyper::header::{
    ACCEPT_LANGUAGE, COOKIE, HOST, HeaderName, HeaderValue, ORIGIN, REFERER, USER_AGENT,
};
use hyper::{HeaderMap, Version};

/// The names that the endpoint answers to.
#[derive(Clone, Debug)]
pub(super) struct AllowedHosts {
    /// Lowercase, without port.
    allowed: Vec<String>,
    /// What is answered to, but not to browsers; lowercase.
    not_to_browsers: Vec<String>,
    addresses: Addresses,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Addresses {
    /// Only those that are listed.
    Listed,
    /// Any numeric one: the endpoint listens on every interface, and no rebound name is numeric.
    All,
}

/// What is wrong with a request's `Host`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum HostError {
    /// There is none in HTTP/1.1, or there are several, or one that cannot be read.
    Missing,
    /// It is not on the list.
    Forbidden,
}

impl AllowedHosts {
    /// Loopback's names, the one that the endpoint is bound to, and those that the app adds.
    pub(super) fn new(bound: &str, added: &[String]) -> Self {
        let mut allowed: Vec<String> = ["localhost", "127.0.0.1", "::1"]
            .map(str::to_owned)
            .to_vec();
        allowed.extend(
            std::iter::once(bound)
                .chain(added.iter().map(String::as_str))
                .filter_map(host_name),
        );
        // `0.0.0.0` or `::`: the endpoint is reached by every address of the machine, which cannot
        // be listed.
        let unspecified =
            host_name(bound).and_then(|name| name.parse::<IpAddr>().ok()?.is_unspecified().into());
        let mut not_to_browsers = CONTAINER_HOSTS.map(str::to_owned).to_vec();
        if unspecified == Some(true) {
            not_to_browsers.extend(own_name());
        }
        Self {
            allowed,
            not_to_browsers,
            addresses: match unspecified {
                Some(true) => Addresses::All,
                _ => Addresses::Listed,
            },
        }
    }

    pub(super) fn check(&self, version: Version, headers: &HeaderMap) -> Result<(), HostError> {
        if version == Version::HTTP_10 && !headers.contains_key(HOST) && !is_from_browser(headers) {
            return Ok(());
        }
        let mut hosts = headers.get_all(HOST).iter();
        // Not several: a proxy in front might have judged by another one than we would.
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(HostError::Missing);
        };
        let host = host
            .to_str()
            .ok()
            .and_then(host_name)
            .ok_or(HostError::Missing)?;
        // A page that asks for an address is of another origin, so its browser does not let it read
        // the answer.
        let numeric = self.addresses == Addresses::All && host.parse::<IpAddr>().is_ok();
        let not_to_browser = self.not_to_browsers.contains(&host) && !is_from_browser(headers);
        if numeric || not_to_browser || self.allowed.contains(&host) {
            Ok(())
        } else {
            Err(HostError::Forbidden)
        }
    }
}

/// What the machine is called in a container, by Docker and by Podman.
const CONTAINER_HOSTS: [&str; 2] = ["host.docker.internal", "host.containers.internal"];

/// What this machine calls itself.
#[cfg(feature = "system")]
fn own_name() -> Option<String> {
    host_name(&sysinfo::System::host_name().ok()?)
}

/// Not known without the feature `system`; the app may add it.
#[cfg(not(feature = "system"))]
fn own_name() -> Option<String> {
    None
}

/// Whether a browser asks. A page may overwrite what its browser calls itself, and not leave out the
/// languages; an embedded browser without languages still says what it is.
fn is_from_browser(headers: &HeaderMap) -> bool {
    let calls_itself = |agent: &HeaderValue| {
        let mozilla = b"mozilla/";
        // Anywhere in the text and in any case: no scraper calls itself that.
        let mut parts = agent.as_bytes().windows(mozilla.len());
        parts.any(|part| part.eq_ignore_ascii_case(mozilla))
    };
    FROM_BROWSERS.iter().any(|name| headers.contains_key(name))
        // Browsers add `Sec-Fetch-*`, and no page can set a header that begins with `Sec-`.
        || headers.keys().any(|name| name.as_str().starts_with("sec-"))
        || headers.get_all(USER_AGENT).iter().any(calls_itself)
}

/// What browsers send: the first always, the others at times. Prometheus sends none of them.
const FROM_BROWSERS: [HeaderName; 4] = [ACCEPT_LANGUAGE, COOKIE, ORIGIN, REFERER];

/// The name or address of `host[:port]`, lowercase and without an address's brackets.
fn host_name(host: &str) -> Option<String> {
    let host = host.trim();
    let name = if let Some(rest) = host.strip_prefix('[') {
        let (name, port) = rest.split_once(']')?;
        is_port(port).then_some(name)?
    } else if host.parse::<IpAddr>().is_ok() {
        // An address without brackets, as options have it.
        host
    } else {
        match host.split_once(':') {
            // A port is ignored but has to be one: what follows a colon could otherwise be
            // anything.
            Some((name, port)) => port.bytes().all(|b| b.is_ascii_digit()).then_some(name)?,
            None => host,
        }
    };
    // The absolute form of a DNS name, `localhost.`, is the same host.
    let name = name.strip_suffix('.').unwrap_or(name);
    (!name.is_empty()).then(|| name.to_ascii_lowercase())
}

/// Whether it is nothing, or a colon and digits.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bound: &str, added: &[&str], host: &str) -> Result<(), HostError> {
        let added: Vec<String> = added.iter().map(ToString::to_string).collect();
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(host).unwrap());
        AllowedHosts::new(bound, &added).check(Version::HTTP_11, &headers)
    }

    #[test]
    fn loopback_is_allowed_under_each_of_its_names_and_any_port() {
        for host in [
            "localhost",
            "LOCALHOST:9464",
            "localhost.:80",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:9464",
        ] {
            assert_eq!(check("127.0.0.1", &[], host), Ok(()), "{host}");
        }
    }

    #[test]
    fn other_names_are_forbidden_until_they_are_added() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:9464",
            "192.168.0.2",
            "docker.internal:9464",
            "evil.host.docker.internal",
            "host.docker.internal.evil.example",
        ] {
            assert_eq!(
                check("127.0.0.1", &[], host),
                Err(HostError::Forbidden),
                "{host}"
            );
        }
        let added = ["Scraper.Example:9464", "fd00::7"];
        assert_eq!(check("127.0.0.1", &added, "scraper.example"), Ok(()));
        assert_eq!(check("127.0.0.1", &added, "[FD00::7]:9464"), Ok(()));
    }

    #[test]
    fn a_container_is_answered_under_the_machines_name_there_and_a_browser_is_not() {
        for host in ["Host.Docker.Internal:9464", "host.containers.internal."] {
            assert_eq!(check("127.0.0.1", &[], host), Ok(()), "{host}");
            let with = |name: &'static str, value: &'static str| {
                let mut headers = HeaderMap::new();
                headers.insert(HOST, HeaderValue::from_static(host));
                headers.insert(name, HeaderValue::from_static(value));
                headers
            };
            let prometheus = with("user-agent", "Prometheus/3.14.0");
            assert_eq!(
                AllowedHosts::new("127.0.0.1", &[]).check(Version::HTTP_11, &prometheus),
                Ok(())
            );
            for (name, value) in [
                // As WebKitGTK sends it when a page asks for none: fetch with "Accept-Language": "".
                ("accept-language", ""),
                ("cookie", ""),
                ("origin", ""),
                ("referer", ""),
                ("sec-fetch-site", "same-origin"),
                (
                    "user-agent",
                    "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome",
                ),
                ("user-agent", "x mozilla/5.0"),
            ] {
                let headers = with(name, value);
                assert_eq!(
                    AllowedHosts::new("127.0.0.1", &[]).check(Version::HTTP_11, &headers),
                    Err(HostError::Forbidden),
                    "{host} with {name}"
                );
                // An app that adds the name means it.
                let added = [host.to_owned()];
                assert_eq!(
                    AllowedHosts::new("127.0.0.1", &added).check(Version::HTTP_11, &headers),
                    Ok(())
                );
            }
        }
    }

    #[test]
    fn the_bound_name_is_allowed_and_every_address_when_it_listens_on_all() {
        assert_eq!(check("192.168.0.2", &[], "192.168.0.2:9464"), Ok(()));
        assert_eq!(
            check("192.168.0.2", &[], "192.168.0.3"),
            Err(HostError::Forbidden)
        );
        for any in ["0.0.0.0", "::", "[::]"] {
            assert_eq!(check(any, &[], "192.168.0.3:9464"), Ok(()));
            assert_eq!(check(any, &[], "evil.example"), Err(HostError::Forbidden));
        }
    }

    #[test]
    fn what_is_no_host_is_missing() {
        for host in ["", ":9464", "[::1", "a:b", "[::1]x", "."] {
            assert_eq!(
                check("127.0.0.1", &[], host),
                Err(HostError::Missing),
                "{host}"
            );
        }
        let hosts = AllowedHosts::new("127.0.0.1", &[]);
        let mut headers = HeaderMap::new();
        assert_eq!(
            hosts.check(Version::HTTP_11, &headers),
            Err(HostError::Missing)
        );
        headers.append(HOST, HeaderValue::from_static("localhost"));
        headers.append(HOST, HeaderValue::from_static("localhost"));
        assert_eq!(
            hosts.check(Version::HTTP_11, &headers),
            Err(HostError::Missing)
        );
    }
}
