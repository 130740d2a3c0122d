//! The headers that users add to the requests to a collector.

use http::{HeaderName, HeaderValue, header};

use crate::telemetry::config::routing::{Instead, Refusal};
use crate::telemetry::diagnostics::flaw::Flaw;

/// The headers of one setting.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers {
    pub(crate) sent: Vec<(HeaderName, HeaderValue)>,
    /// Those that say how the request is carried, which is not the user's to say.
    pub(crate) left_out: Vec<HeaderName>,
}

impl Headers {
    /// These, with `others` in the place of those of the same name.
    pub(crate) fn replaced_by(&self, others: &Self) -> Self {
        let mut joined = self.clone();
        for (name, value) in &others.sent {
            joined.sent.retain(|(other, _)| other != name);
            joined.sent.push((name.clone(), value.clone()));
        }
        joined
    }

    pub(crate) fn push(&mut self, name: HeaderName, value: HeaderValue) {
        if is_of_the_protocol(&name) {
            if !self.left_out.contains(&name) {
                self.left_out.push(name);
            }
        } else {
            self.sent.push((name, value));
        }
    }

    /// What is left out of the headers that this variable or option sets.
    pub(crate) fn refusal(&self, variable: &'static str) -> Option<Refusal> {
        let names: Vec<_> = self.left_out.iter().map(HeaderName::as_str).collect();
        let instead = match names.as_slice() {
            [] => return None,
            [_] => "it is left out",
            _ => "they are left out",
        };
        let names = names.join(", ");
        Some(Refusal {
            variable,
            value: String::new(),
            flaw: Flaw::said(format!("the exporter itself sets {names}")),
            accepted: "headers that do not describe the request or the connection".into(),
            instead: Instead::Holds(instead.into()),
        })
    }
}

/// Whether the exporter or the connection gives this header its value. Another value would
/// contradict the request that is sent, so that the collector misreads or refuses it.
pub(crate) fn is_of_the_protocol(name: &HeaderName) -> bool {
    OF_THE_PROTOCOL.contains(name) || OF_THE_CONNECTION.contains(&name.as_str())
}

/// What describes the body, the target, and the answer that we understand.
const OF_THE_PROTOCOL: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::HOST,
    header::EXPECT,
    // The answer says what was rejected, and is read as it comes.
    header::ACCEPT_ENCODING,
];

/// What is between two hops alone: [RFC 9110, section
/// 7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1). `Proxy-Authorization` would show
/// the proxy's password to the collector, since it is sent within the tunnel.
const OF_THE_CONNECTION: [&str; 12] = [
    // Texts, since the crate `http` has no constants for some of these.
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-authentication-info",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_protocol_are_told_from_the_users_own() {
        for ours in ["Content-Length", "HOST", "te", "Proxy-Authorization"] {
            let name = HeaderName::from_bytes(ours.as_bytes()).unwrap();
            assert!(is_of_the_protocol(&name), "{ours}");
        }
        for theirs in ["authorization", "user-agent", "x-scope-orgid", "cookie"] {
            assert!(!is_of_the_protocol(&HeaderName::from_static(theirs)));
        }
    }
}
