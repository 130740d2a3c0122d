//! Which origins messages are taken from.

use std::fmt;
use std::sync::OnceLock;

/// The origins that a wire takes messages from.
pub(super) struct Origins {
    policy: OriginPolicy,
    /// The app's own origin, once a page has shown it; `None` when that page has none to tell.
    // The first page sets it for good: no later page can make its origin the app's.
    pinned: OnceLock<Option<Origin>>,
}

/// The builder's choice of whose messages are taken.
#[derive(Clone, Debug, Default)]
pub(super) enum OriginPolicy {
    /// Those of the origin that the first page comes from.
    #[default]
    Own,
    /// Those of these origins, which the transport has to tell.
    Named(Vec<Origin>),
    Any,
}

impl OriginPolicy {
    /// Takes one more origin; beats any other policy.
    pub(super) fn name(&mut self, origin: &str) {
        let origin = Origin::named(origin);
        match self {
            Self::Named(origins) => origins.push(origin),
            Self::Own | Self::Any => *self = Self::Named(vec![origin]),
        }
    }
}

impl Origins {
    pub(super) fn new(policy: OriginPolicy) -> Self {
        Self {
            policy,
            pinned: OnceLock::new(),
        }
    }

    /// Whether messages from `origin` are taken. `None`: the transport does not tell.
    pub(super) fn allows(&self, origin: Option<&str>) -> bool {
        match (&self.policy, origin) {
            (OriginPolicy::Any, _) | (OriginPolicy::Own, None) => true,
            (OriginPolicy::Named(_), None) => false,
            (OriginPolicy::Own, Some(origin)) => match self.pinned.get() {
                Some(Some(own)) => own.is(origin),
                // The app's page was given as text, so this one is another's.
                Some(None) => false,
                // Before the first page, any origin but an opaque one may be the app's.
                None => Origin::parse(origin).is_some(),
            },
            (OriginPolicy::Named(named), Some(origin)) => {
                named.iter().any(|named| named.is(origin))
            }
        }
    }

    /// A page that comes from `origin` proved itself. The first one's is the app's own.
    pub(super) fn trust(&self, origin: Option<&str>) {
        if let OriginPolicy::Own = self.policy {
            self.pinned.get_or_init(|| origin.and_then(Origin::parse));
        }
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origins")
            .field("policy", &self.policy)
            .field("pinned", &self.pinned.get())
            .finish()
    }
}

/// An origin in its one spelling: `scheme://host`, and a port that is not the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin(String);

/// The longest origin that is looked at: a host has 253 characters at most.
// Longer ones are refused before anything is copied.
const LEN_MAX: usize = 300;

impl Origin {
    /// The origin that the app named. One that is of no known form stands for itself alone.
    fn named(text: &str) -> Self {
        Self::parse(text).unwrap_or_else(|| Self(text.to_owned()))
    }

    /// `None` for what has no origin to tell it by: an opaque one (`null`), or something else.
    fn parse(text: &str) -> Option<Self> {
        if text.len() > LEN_MAX {
            return None;
        }
        let (scheme, rest) = text.split_once("://")?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        if !is_scheme {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        // As people write it in a configuration.
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':') {
            // What follows a colon within brackets is part of an IPv6 address.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (rest, None),
        };
        let address = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let is_host = match address {
            Some(address) => address
                .bytes()
                .all(|b| b.is_ascii_hexdigit() || b":.".contains(&b)),
            None => host
                .chars()
                .all(|c| c.is_alphanumeric() || "-._~".contains(c)),
        };
        if host.is_empty() || address == Some("") || !is_host {
            return None;
        }
        let port = match port {
            None | Some("") => None,
            Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => {
                Some(port.parse::<u16>().ok()?)
            }
            Some(_) => return None,
        };
        let host = host.to_ascii_lowercase();
        Some(Self(match port {
            Some(port) if Some(port) != default_port(&scheme) => {
                format!("{scheme}://{host}:{port}")
            }
            _ => format!("{scheme}://{host}"),
        }))
    }

    /// Whether `text` is this origin, however it is spelled.
    fn is(&self, text: &str) -> bool {
        // Transports nearly always spell it alike.
        self.0 == text || Self::parse(text).is_some_and(|origin| origin == *self)
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Option<String> {
        Origin::parse(text).map(|origin| origin.0)
    }

    #[test]
    fn an_origin_has_one_spelling() {
        for (text, origin) in [
            ("https://app.example", "https://app.example"),
            ("HTTPS://App.Example:443/", "https://app.example"),
            ("https://a:", "https://a"),
            ("http://a:80", "http://a"),
            ("http://a:443", "http://a:443"),
            ("http://a:080", "http://a"),
            ("https://localhost:5173", "https://localhost:5173"),
            ("spanwire://localhost", "spanwire://localhost"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://[::1]", "http://[::1]"),
            ("http://bücher.example", "http://bücher.example"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(origin), "{text}");
        }
    }

    #[test]
    fn what_is_no_origin_is_none() {
        let long = format!("https://{}", "a".repeat(LEN_MAX));
        for text in [
            "",
            "null",
            "about:blank",
            "https://",
            "https:///",
            "://a",
            "https://a/path",
            "https://a?b",
            "https://a#b",
            "https://user@a",
            "https://a:b",
            "https://a:-1",
            "https://a:+80",
            "https://a:65536",
            "https://a b",
            "https://a\\b",
            "https://a\0",
            "https://[]",
            "https://[g]",
            "ht tps://a",
            "1https://a",
            "file://",
            &long,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_first_origin_that_is_trusted_is_the_only_one() {
        let origins = Origins::new(OriginPolicy::Own);
        assert!(origins.allows(Some("https://a")) && origins.allows(Some("https://b")));
        assert!(!origins.allows(Some("null")), "opaque, so not even before");
        origins.trust(Some("https://a:443"));
        origins.trust(Some("https://b"));
        assert!(origins.allows(Some("https://a")) && origins.allows(Some("HTTPS://A")));
        assert!(
            origins.allows(None),
            "a transport that does not tell is not asked"
        );
        for other in [
            "https://b",
            "http://a",
            "https://a:444",
            "https://a.b",
            "null",
            "",
        ] {
            assert!(!origins.allows(Some(other)), "{other}");
        }
    }

    #[test]
    fn after_a_page_without_an_origin_none_that_has_one_is_trusted() {
        let origins = Origins::new(OriginPolicy::Own);
        origins.trust(None);
        origins.trust(Some("https://a"));
        for other in ["https://a", "spanwire://localhost", "null", ""] {
            assert!(!origins.allows(Some(other)), "{other}");
        }
        assert!(origins.allows(None));
    }

    #[test]
    fn named_origins_beat_the_first_ones() {
        let mut policy = OriginPolicy::Any;
        policy.name("https://App.example/");
        policy.name("null");
        let origins = Origins::new(policy);
        origins.trust(Some("https://other"));
        assert!(origins.allows(Some("https://app.example:443")));
        assert!(origins.allows(Some("null")), "it was named");
        for other in [
            None,
            Some("https://other"),
            Some("https://app.example.evil"),
        ] {
            assert!(!origins.allows(other), "{other:?}");
        }
    }

    #[test]
    fn any_is_any() {
        let origins = Origins::new(OriginPolicy::Any);
        origins.trust(Some("https://a"));
        for origin in [None, Some("null"), Some("https://b"), Some("")] {
            assert!(origins.allows(origin));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_origin_or_none_and_an_origin_is_its_own(text in "\\PC{0,40}|[a-z]{1,5}://[a-zA-Z0-9:\\[\\]./@-]{0,20}") {
            if let Some(origin) = Origin::parse(&text) {
                prop_assert_eq!(Origin::parse(&origin.0), Some(origin.clone()));
                prop_assert!(origin.is(&text));
            }
        }
    }
}
