//! Addresses of pages: their origin, also of those that we serve, and whether messages can come
//! from there.

use wry::http::Uri;

/// What the page's address says about who it is: `scheme://host:port`, without the parts that can
/// tell about the user.
///
/// `None` for a page without an address of its own (`with_html`, `about:blank`), and `null` for one
/// whose address has no host to tell it by (`file:`, `data:`, `blob:`).
pub(super) fn origin(address: &str) -> Option<String> {
    // WebKitGTK says `about:blank` for a page that `with_html` gave it as text.
    if address.is_empty() || address.starts_with("about:") {
        return None;
    }
    Some(scheme_and_host(address).unwrap_or_else(|| OPAQUE.to_owned()))
}

/// The origin of pages that a custom protocol of that scheme serves, by wry's rule for the platform:
/// `app://localhost`, but `http://app.localhost` on Windows and Android.
///
/// For apps with a custom protocol of their own; [`Page::origin`](super::Page::origin) is the same.
#[must_use]
pub fn origin_of(scheme: &str) -> String {
    if cfg!(any(windows, target_os = "android")) {
        format!("http://{scheme}.localhost")
    } else {
        format!("{scheme}://localhost")
    }
}

/// The scheme of the page that waits for a dev server.
pub(super) const WAITING_SCHEME: &str = "spanwire-dev-server";

/// The origin of that page.
pub(super) fn waiting_origin() -> String {
    origin_of(WAITING_SCHEME)
}

/// The origin of what has no host to tell it by, as browsers write it.
pub(super) const OPAQUE: &str = "null";

fn scheme_and_host(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    let is_scheme = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    // A browser takes `\` for `/` here, so what follows it is no part of the host.
    let authority = rest.split(['/', '\\', '?', '#']).next()?;
    // `user:password@` is no part of an origin.
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    (scheme.bytes().all(is_scheme) && !host.is_empty()).then(|| format!("{scheme}://{host}"))
}

/// Why no message of a page arrives: its address is one that wry cannot pass on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnsupportedAddress {
    File,
    Data,
    Blob,
    TooLong,
    Other,
}

impl UnsupportedAddress {
    pub(super) const ALL: [Self; 5] = [
        Self::File,
        Self::Data,
        Self::Blob,
        Self::TooLong,
        Self::Other,
    ];

    /// What is wrong with this address, if anything.
    ///
    /// wry hands a message over as an `http::Request` with the page's address, and drops in silence
    /// what does not fit in there. So this asks the same parser.
    pub(super) fn of(address: &str) -> Option<Self> {
        if address.is_empty() || address.parse::<Uri>().is_ok() {
            return None;
        }
        let scheme = address.split(':').next().unwrap_or_default();
        Some(match scheme {
            "file" => Self::File,
            "data" => Self::Data,
            "blob" => Self::Blob,
            // `http::Uri` takes 65,534 bytes at most.
            _ if address.len() >= usize::from(u16::MAX) => Self::TooLong,
            _ => Self::Other,
        })
    }

    /// What is wrong, and what the app can do.
    pub(super) const fn remedy(self) -> &'static str {
        match self {
            Self::File => {
                "no message of a page at a file: address reaches the host: serve it with \
                 spanwire::webview::Page, with_html or http"
            }
            Self::Data => {
                "no message of a page at a data: address reaches the host: give it to with_html, \
                 or serve it with spanwire::webview::Page"
            }
            Self::Blob => {
                "no message of a page at a blob: address reaches the host: serve it with \
                 spanwire::webview::Page"
            }
            Self::TooLong => {
                "no message of a page whose address has 65,535 bytes or more reaches the host: \
                 keep what is in it elsewhere, for example in history.state"
            }
            Self::Other => {
                "no message of this page reaches the host, since wry cannot read its address: \
                 serve it with spanwire::webview::Page, with_html or http"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_no_path_query_or_credentials() {
        for (address, expected) in [
            ("spanwire://localhost/a?token=b", "spanwire://localhost"),
            (
                "https://user:secret@example.com:8443/",
                "https://example.com:8443",
            ),
            ("https://example.com?a@b", "https://example.com"),
            ("https://example.com#a@b", "https://example.com"),
            (
                "https://good.example\\@evil.example",
                "https://good.example",
            ),
        ] {
            assert_eq!(origin(address).as_deref(), Some(expected), "{address}");
        }
    }

    #[test]
    fn an_address_without_a_host_is_opaque_and_no_address_has_no_origin() {
        for opaque in [
            "file:///etc/passwd",
            "data:text/html,https://app.example/",
            "blob:https://app.example/1b2c",
            "javascript:void 0//",
            "/relative",
            "https://",
        ] {
            assert_eq!(origin(opaque).as_deref(), Some("null"), "{opaque}");
        }
        for none in ["", "about:blank", "about:srcdoc"] {
            assert_eq!(origin(none), None, "{none}");
        }
    }

    #[test]
    fn an_address_is_unsupported_when_wry_cannot_read_it() {
        let long = |len: usize| format!("https://a.example/{}", "a".repeat(len));
        for (address, unsupported) in [
            ("file:///tmp/page.html", Some(UnsupportedAddress::File)),
            ("data:text/html,<p>", Some(UnsupportedAddress::Data)),
            ("blob:app://localhost/1b2c", Some(UnsupportedAddress::Blob)),
            ("view-source:x y", Some(UnsupportedAddress::Other)),
            (&long(70_000), Some(UnsupportedAddress::TooLong)),
            (&long(60_000), None),
            ("app://localhost/a%60b?q=`|^#%60", None),
            ("http://[::1]:5173/", None),
            ("about:blank", None),
            ("", None),
        ] {
            assert_eq!(
                UnsupportedAddress::of(address),
                unsupported,
                "{address:.40}"
            );
        }
    }
}
