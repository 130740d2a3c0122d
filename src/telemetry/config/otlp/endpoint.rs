//! Where OTLP is sent, from the text of a URL.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, Uri};

use crate::telemetry::config::parse::percent_decoded;
use crate::telemetry::diagnostics::flaw::Flaw;
use crate::telemetry::export::proxy::port_is_usable;

/// A URL as a request needs it: without its fragment, which is never sent, and with user and
/// password apart, which are sent as a header.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    /// What the URL's user and password come to.
    pub(crate) authorization: Option<HeaderValue>,
}

impl Endpoint {
    /// Where a Collector on this machine receives OTLP over HTTP.
    pub(super) fn local_collector() -> Self {
        Self {
            url: "http://localhost:4318".to_owned(),
            authorization: None,
        }
    }

    /// As the specification builds a signal's URL from the base.
    pub(super) fn joined(self, path: &str) -> Self {
        Self {
            url: format!("{}{path}", self.url.trim_end_matches('/')),
            ..self
        }
    }
}

/// A general endpoint, to which a signal's path is added. A query would have to be moved behind
/// that path or dropped, and either is another place than the one that was asked for.
pub(crate) fn base_url(text: &str) -> Result<Endpoint, Flaw> {
    let endpoint = url(text)?;
    match endpoint.url.contains('?') {
        false => Ok(endpoint),
        true => Err(Flaw::said(
            "it has a query, and the path of a signal is to be added to it",
        )),
    }
}

/// A signal's own endpoint, which is used as it is.
pub(crate) fn url(text: &str) -> Result<Endpoint, Flaw> {
    let text = without_fragment(text.trim())?;
    let endpoint = without_user(text, &judged(text)?)?;
    // What is judged is what is used: a bracket that opens in the user closes nothing behind it.
    judged(&endpoint.url)?;
    Ok(endpoint)
}

/// The URL that a text is, if it names a server.
fn judged(text: &str) -> Result<Uri, Flaw> {
    let uri: Uri = text.parse().map_err(|_| Flaw::said("it is no URL"))?;
    let problem = if !matches!(uri.scheme_str(), Some("http" | "https")) {
        "it does not begin with http:// or https://"
    } else if uri.host().is_none_or(str::is_empty) {
        "it has no host"
    } else if !port_is_usable(&uri) {
        "its port is no number from 1 to 65535"
    } else {
        return Ok(uri);
    };
    Err(Flaw::said(problem))
}

fn without_fragment(text: &str) -> Result<&str, Flaw> {
    match text.split_once('#') {
        // In a password that is not escaped it would cut off the host.
        Some((_, fragment)) if fragment.contains('@') => Err(Flaw::said(
            "it has a # before an @, which a user or password has as %23",
        )),
        Some((text, _)) => Ok(text),
        None => Ok(text),
    }
}

/// The transport would send them as they are written, `%40` for `@` too.
fn without_user(text: &str, uri: &Uri) -> Result<Endpoint, Flaw> {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    // The last `@` counts: a host cannot hold one, and a password that is not escaped can.
    let Some((user, _)) = authority.rsplit_once('@') else {
        return Ok(Endpoint {
            url: text.to_owned(),
            authorization: None,
        });
    };
    // RFC 7617 has a colon in the credentials, also without a password.
    let colon = if user.contains(':') { "" } else { ":" };
    let mut authorization = percent_decoded(user)
        .map(|user| BASE64_STANDARD.encode(format!("{user}{colon}")))
        .and_then(|credentials| HeaderValue::try_from(format!("Basic {credentials}")).ok())
        .ok_or_else(|| {
            Flaw::said("its user or password is not UTF-8 with % before two hex digits")
        })?;
    authorization.set_sensitive(true);
    Ok(Endpoint {
        // The path may hold the same text, so only the first is taken out: the authority comes
        // first.
        url: text.replacen(&format!("{user}@"), "", 1),
        authorization: Some(authorization).filter(|_| !user.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_need_a_scheme_and_a_host() {
        for good in [
            "http://localhost:4318",
            "https://[::1]:4318/otlp/",
            "https://[::1]/otlp/",
            "https://me:word@box",
            "https://me:word@box:4318",
            "http://x/base#part",
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
            "http://x?a=1#part",
            // Not the port that was meant, and no other may be taken in its place.
            "http://localhost:43l8",
            "http://localhost:43180000",
            "http://localhost:/v1",
            "http://localhost:0",
            "http://me:4318@localhost:43l8",
            "http://[::1]:x",
            "http://me:1#2@x",
            "http://me:%4@x",
            // Of what is left of them, `one:9]:4318` and `::1]`, none is a server.
            "https://[:@one:9]:4318/x@y",
            "http://[u@::1]",
        ] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn user_password_and_fragment_are_taken_from_the_url() {
        for (text, left, credentials) in [
            ("http://x/a#b", "http://x/a", None),
            ("http://x/a?b#c?d", "http://x/a?b", None),
            ("http://x/a@b", "http://x/a@b", None),
            ("http://@x/a", "http://x/a", None),
            ("http://u%40:p%3a@x/u", "http://x/u", Some("u@:p:")),
            ("https://http:p@http:1/", "https://http:1/", Some("http:p")),
            ("http://u@[::1]:1", "http://[::1]:1", Some("u:")),
        ] {
            let endpoint = url(text).unwrap();
            assert_eq!(endpoint.url, left);
            let sent = endpoint.authorization.map(|value| {
                assert!(value.is_sensitive());
                let encoded = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
                BASE64_STANDARD.decode(encoded).unwrap()
            });
            assert_eq!(sent.as_deref(), credentials.map(str::as_bytes), "{text}");
        }
    }
}
