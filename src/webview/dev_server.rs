//! A dev server's page, and the one that is shown until the server answers.

use std::borrow::Cow;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::Level;
use wry::WebViewBuilder;
use wry::http::uri::Scheme;
use wry::http::{HeaderValue, Response, Uri, header};

use super::address::{self, WAITING_SCHEME, waiting_origin};

/// How long one attempt to reach the server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

#[derive(Clone, Debug)]
pub(super) struct DevServer {
    address: Uri,
    origin: String,
    host: String,
    port: u16,
}

impl DevServer {
    pub(super) fn new(address: &str) -> Option<Self> {
        let uri: Uri = address.parse().ok()?;
        let default_port = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => 80,
            Some(scheme) if *scheme == Scheme::HTTPS => 443,
            _ => return None,
        };
        let authority = uri.authority()?;
        let host = authority.host();
        // A password in the address would be shown on the page that waits.
        if host.is_empty() || authority.as_str().contains('@') || address.contains('#') {
            return None;
        }
        Some(Self {
            origin: address::origin(address)?,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: match authority.as_str().rsplit_once(':') {
                // A port that is none must not become the default one.
                Some((_, port)) if !port.ends_with(']') => {
                    // `parse` takes a sign as well.
                    let is_number = port.bytes().all(|b| b.is_ascii_digit());
                    is_number.then(|| port.parse().ok())??
                }
                _ => default_port,
            },
            address: uri,
        })
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    pub(super) fn load<'a>(&self, builder: WebViewBuilder<'a>) -> WebViewBuilder<'a> {
        let has_warned = Arc::new(AtomicBool::new(false));
        let server = Arc::new(self.clone());
        builder
            .with_asynchronous_custom_protocol(WAITING_SCHEME.into(), move |_, _, responder| {
                let (server, has_warned) = (Arc::clone(&server), Arc::clone(&has_warned));
                // The page asks once a second, and each attempt has its time: two at once at most.
                // Without a thread the page stays empty, which a system in such a state may.
                let _ = std::thread::Builder::new()
                    .name("spanwire-dev-server".into())
                    .spawn(move || {
                        let answers = server.answers();
                        if !answers && !has_warned.swap(true, Ordering::Relaxed) {
                            tracing::event!(
                                name: crate::semconv::EVENT_DEV_SERVER_UNREACHABLE,
                                target: "spanwire",
                                Level::WARN,
                                "the dev server at {} does not answer: start it, and the window goes on",
                                server.origin
                            );
                        }
                        responder.respond(respond(server.page(answers)));
                    });
            })
            .with_url(format!("{}/", waiting_origin()))
    }

    fn answers(&self) -> bool {
        let addresses = (self.host.as_str(), self.port).to_socket_addrs();
        // `localhost` is two of them, and many a server listens at one.
        addresses
            .into_iter()
            .flatten()
            .any(|address| TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).is_ok())
    }

    /// The page reloads by itself, and has no script that a policy could forbid.
    fn page(&self, answers: bool) -> String {
        let address = escape(&self.address.to_string());
        if answers {
            return format!(
                r#"<!doctype html><meta http-equiv="refresh" content="0;url={address}">"#
            );
        }
        format!(
            r#"<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="1">
<title>Waiting for the dev server</title>
<h1>Waiting for {address}</h1>
<p>Nothing answers there yet. Start the dev server, for example with <code>npm run dev</code>:
this window goes on by itself.</p>"#
        )
    }
}

fn respond(page: String) -> Response<Cow<'static, [u8]>> {
    let mut response = Response::new(Cow::Owned(page.into_bytes()));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    // Without this header a reload could show the page from before the server answered.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_dev_server_is_at_a_host_over_http() {
        for (address, origin, host, port) in [
            (
                "http://localhost:5173",
                "http://localhost:5173",
                "localhost",
                5173,
            ),
            (
                "http://localhost:5173/app/?x=1",
                "http://localhost:5173",
                "localhost",
                5173,
            ),
            (
                "https://dev.example",
                "https://dev.example",
                "dev.example",
                443,
            ),
            ("http://127.0.0.1", "http://127.0.0.1", "127.0.0.1", 80),
            ("http://[::1]:8080/", "http://[::1]:8080", "::1", 8080),
            ("http://[::1]/", "http://[::1]", "::1", 80),
        ] {
            let server = DevServer::new(address).unwrap_or_else(|| panic!("{address}"));
            assert_eq!(
                (server.origin(), server.host.as_str(), server.port),
                (origin, host, port)
            );
        }
        for address in [
            "",
            "localhost:5173",
            "/index.html",
            "ftp://localhost",
            "file:///index.html",
            "http://user:password@localhost",
            "http://localhost:99999",
            "http://localhost:",
            "http://localhost:+5173",
            "http://",
        ] {
            assert!(DevServer::new(address).is_none(), "{address}");
        }
    }

    #[test]
    fn a_dev_server_answers_when_it_can_be_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = DevServer::new(&format!("http://127.0.0.1:{port}")).unwrap();
        assert!(server.answers());
        drop(listener);
        assert!(!server.answers());
    }

    #[test]
    fn the_waiting_page_escapes_the_address_that_it_leads_to() {
        let server = DevServer::new(r#"http://localhost:1/"?a=b&c"#).unwrap();
        let here = "http://localhost:1/&quot;?a=b&amp;c";
        assert!(server.page(true).contains(&format!("url={here}\">")));
        assert!(
            server
                .page(false)
                .contains(&format!("<h1>Waiting for {here}</h1>"))
        );
    }
}
