//! Parts of a URL.

use std::net::IpAddr;

use http::Uri;

/// Scheme, host and port: what may be shown of a URL that may hold a secret.
pub(crate) fn origin(url: &Uri) -> String {
    // User and password stand between scheme and host, and some vendors have a token in the path.
    // So the origin is put together from its parts, and nothing is cut off from the whole.
    let scheme = url.scheme_str().unwrap_or_default();
    let host = url.host().unwrap_or_default();
    match url.port_u16() {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

/// Whether it is on this machine.
pub(crate) fn is_local(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default();
    // `Uri` keeps the brackets of an IPv6 address.
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Whether it has no port, or one that can be connected to. [`Uri`] takes `box:9o90`, and then
/// says that it has no port.
pub(crate) fn port_is_usable(url: &Uri) -> bool {
    let Some(authority) = url.authority() else {
        return false;
    };
    // A password may hold a colon, so what is before the last `@` is left out.
    let place = authority.as_str().rsplit('@').next().unwrap_or_default();
    place == authority.host() || authority.port_u16().is_some_and(|port| port > 0)
}

/// A URL, to which `http://` is added when it has no scheme.
pub(crate) fn url(text: &str) -> Result<Uri, String> {
    // `Uri` would take `localhost:9090` for an authority without a scheme, which no client can ask.
    let whole = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let bad = || "it is not a URL like http://127.0.0.1:9090".to_owned();
    let uri: Uri = whole.parse().map_err(|_| bad())?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let named = uri.host().is_some_and(|host| !host.is_empty());
    if known && named && port_is_usable(&uri) {
        Ok(uri)
    } else {
        Err(bad())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_told_from_others() {
        for (url, local) in [
            ("http://LOCALHOST:1/x", true),
            ("http://127.1.2.3", true),
            ("http://[::1]:1", true),
            ("http://10.0.0.1", false),
            ("http://localhost.example", false),
        ] {
            assert_eq!(is_local(&url.parse().unwrap()), local, "{url}");
        }
    }

    #[test]
    fn origin_has_no_user_path_and_query() {
        let url = "https://me:s3cret@box:1/s3cret?s3cret".parse().unwrap();
        assert_eq!(origin(&url), "https://box:1");
        assert_eq!(origin(&"http://[::1]/x".parse().unwrap()), "http://[::1]");
    }

    #[test]
    fn a_url_may_leave_out_its_scheme() {
        assert_eq!(url("box:9090").unwrap(), "http://box:9090/");
        assert_eq!(
            url("https://box/prometheus").unwrap(),
            "https://box/prometheus"
        );
        for bad in [
            "",
            "ftp://box",
            "http://",
            "http://a b",
            "/metrics",
            "box:9o90",
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}
