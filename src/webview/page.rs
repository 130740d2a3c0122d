//! Where the page comes from: the app itself, or a dev server.

use std::borrow::Cow;

use wry::WebViewBuilder;
use wry::http::HeaderValue;

use super::address::{WAITING_SCHEME, origin_of};
use super::dev_server::DevServer;
use super::embedded::Embedded;

/// The page that a webview shows, from within the app or from a dev server.
///
/// ```no_run
/// use spanwire::Ipc;
/// use spanwire::webview::Page;
///
/// # fn open(
/// #     window: &impl wry::raw_window_handle::HasWindowHandle,
/// #     wake: impl Fn() + Send + Sync + 'static,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// // `app --dev http://localhost:5173` while developing, and `app` for users.
/// let page = match std::env::args().skip_while(|arg| arg != "--dev").nth(1) {
///     Some(url) => Page::dev_server(&url)?,
///     None => Page::embedded("app", |path| {
///         Some(match path {
///             "index.html" => b"<script type=module src=main.js></script>".as_slice().into(),
///             "main.js" => b"spanwire.emit('hello')".as_slice().into(),
///             _ => return None, // answered with 404
///         })
///     })?,
/// };
/// let ipc = Ipc::builder("main").allow_origin(page.origin()).build();
/// let builder = page.load(wry::WebViewBuilder::new());
/// let webview = spanwire::webview::attach(builder, &ipc, wake).build(window)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "it is shown by the builder that load() gives back"]
pub struct Page {
    origin: String,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Embedded(Embedded),
    DevServer(DevServer),
}

/// A page cannot come from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// The scheme is not of lowercase letters, digits and `-`, or is one that webviews have already.
    #[error("the scheme is not lowercase letters, digits and -, or is a known one such as http")]
    InvalidScheme,
    /// The address of the dev server is not `http://host:port` or `https://host:port`, with a path
    /// at most.
    #[error("the dev server's address is not http://host:port or https://host:port")]
    InvalidAddress,
}

impl Page {
    /// A page whose files the app holds itself, served by a custom protocol.
    ///
    /// `files` is asked with the path of what the page wants: without a leading `/`, decoded, with
    /// `index.html` for a folder. It never gets a path that leads elsewhere (`..`, `\`, an empty
    /// part); so it may read from a folder. It is called on the webview's thread. `None` is answered
    /// with 404.
    ///
    /// The content type comes from the extension; without one it is HTML, so that the start page can
    /// be the answer for addresses within an app of one page. Each answer has `nosniff` and the
    /// [policy](Self::content_security_policy).
    ///
    /// # Errors
    ///
    /// [`PageError::InvalidScheme`].
    pub fn embedded(
        scheme: &str,
        files: impl Fn(&str) -> Option<Cow<'static, [u8]>> + Send + Sync + 'static,
    ) -> Result<Self, PageError> {
        if !is_own_scheme(scheme) {
            return Err(PageError::InvalidScheme);
        }
        Ok(Self {
            origin: origin_of(scheme),
            content: Content::Embedded(Embedded::new(scheme, files)),
        })
    }

    /// A page from a dev server, for example `http://localhost:5173`.
    ///
    /// Until the server answers, the window says that it waits for it, and so does a warning; then
    /// it goes there by itself.
    ///
    /// # Errors
    ///
    /// [`PageError::InvalidAddress`].
    pub fn dev_server(address: &str) -> Result<Self, PageError> {
        let server = DevServer::new(address).ok_or(PageError::InvalidAddress)?;
        Ok(Self {
            origin: server.origin().to_owned(),
            content: Content::DevServer(server),
        })
    }

    /// The origin to give to [`IpcBuilder::allow_origin`](crate::ipc::IpcBuilder::allow_origin).
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The `Content-Security-Policy` of an embedded page. Default: everything from the app itself,
    /// nothing from elsewhere, no inline script and no inline style.
    ///
    /// The page script needs no exception from any policy. A dev server has a policy of its own, so
    /// there this does nothing.
    pub fn content_security_policy(mut self, policy: HeaderValue) -> Self {
        // The server of a page sets its policy: for a dev server's page that is the dev server.
        if let Content::Embedded(embedded) = &mut self.content {
            embedded.policy = policy;
        }
        self
    }

    /// Makes the webview show the page, which takes the builder's address and one custom protocol.
    #[must_use = "the page is on the builder that comes back"]
    pub fn load<'a>(&self, builder: WebViewBuilder<'a>) -> WebViewBuilder<'a> {
        match &self.content {
            Content::Embedded(embedded) => {
                embedded.load(builder).with_url(format!("{}/", self.origin))
            }
            Content::DevServer(server) => server.load(builder),
        }
    }
}

/// It becomes part of a host name on Windows.
fn is_own_scheme(scheme: &str) -> bool {
    const KNOWN: [&str; 12] = [
        "about",
        "blob",
        "data",
        "file",
        "ftp",
        "http",
        "https",
        "javascript",
        "mailto",
        "resource",
        "ws",
        "wss",
    ];
    let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    scheme.starts_with(|c: char| c.is_ascii_lowercase())
        // The longest label of a host name.
        && scheme.len() <= 63
        && scheme.bytes().all(is_part)
        && !scheme.ends_with('-')
        && !KNOWN.contains(&scheme)
        // `DevServer::load` registers this one for the page that waits.
        && scheme != WAITING_SCHEME
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_of_the_apps_own_is_no_known_one() {
        for scheme in ["app", "paint-tool", "a1"] {
            let page = Page::embedded(scheme, |_| None).unwrap();
            assert_eq!(page.origin(), origin_of(scheme));
        }
        for scheme in [
            "",
            "https",
            "file",
            "App",
            "1a",
            "a.b",
            "a b",
            "a-",
            WAITING_SCHEME,
        ] {
            let page = Page::embedded(scheme, |_| None);
            assert_eq!(page.unwrap_err(), PageError::InvalidScheme, "{scheme}");
        }
    }
}
