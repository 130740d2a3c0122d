//! The wire through a [wry] webview: put it on a builder, pump what waits for the page.
//!
//! [`attach`] puts the page script and the receiver on a [`wry::WebViewBuilder`]. From then on
//! the page has `window.spanwire` with `invoke`, `emit`, `on`, `off` and `whenReady`, and what
//! Rust emits waits in the [`Ipc`] until [`Ipc::pump`] hands it to the page. A webview belongs
//! to one thread, so `pump` is called where the event loop runs: `attach` takes the closure that
//! wakes that loop, from whichever thread a message comes.
//!
//! ```no_run
//! use spanwire::ipc::{Call, Ipc};
//!
//! # fn open(
//! #     window: &impl wry::raw_window_handle::HasWindowHandle,
//! #     wake_event_loop: impl Fn() + Send + Sync + 'static,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! let ipc = Ipc::builder("main").build();
//! ipc.on("greet", |call: &Call<'_>| -> Result<String, serde_json::Error> {
//!     let name: String = call.data()?;
//!     Ok(format!("Hello {name}"))
//! })?;
//!
//! let builder = wry::WebViewBuilder::new().with_url("https://example.com");
//! // With tao or winit: move || _ = proxy.send_event(Wake)
//! let builder = spanwire::webview::attach(builder, &ipc, wake_event_loop);
//! let webview = builder.build(window)?; // `build_gtk` where Wayland shall work, too
//!
//! // In the event loop, on each `Wake`:
//! ipc.pump(&webview);
//! # Ok(())
//! # }
//! ```
//!
//! # What of the builder is taken
//!
//! The IPC handler, of which a builder has one: what is not Spanwire's goes to the handler given
//! to [`attach_with`], and setting another one on the builder later silently takes the wire
//! away. And one initialization script, of which a builder has any number. All the rest is the
//! app's: above all the page load handler, since the page itself says that it comes and goes.
//!
//! # Platform-specific
//!
//! The page script runs in the main frame only. On Linux wry hands over messages of any frame
//! with the address of the main frame: what tells a frame's messages from the page's is the
//! nonce in the page script, which no frame sees. There, too, pages at `file:` and `data:`
//! addresses cannot send at all, and a page whose process crashed looks like one that is busy:
//! call [`Ipc::page_gone`] when the webview reports that.

use wry::http::{Request, Uri};
use wry::{WebView, WebViewBuilder};

use crate::ipc::{Ipc, Received};

/// Puts the wire on a webview; messages that are not Spanwire's are ignored.
///
/// `wake` is called whenever something begins to wait for the page, on the thread that sent it:
/// it must be cheap and make the event loop call [`Ipc::pump`]. See the [module](self) for what
/// of the builder is taken.
#[must_use = "the wire is on the builder that comes back"]
pub fn attach<'a>(
    builder: WebViewBuilder<'a>,
    ipc: &Ipc,
    wake: impl Fn() + Send + Sync + 'static,
) -> WebViewBuilder<'a> {
    attach_with(builder, ipc, wake, drop)
}

/// Like [`attach`], and passes on what is not Spanwire's.
///
/// `app_handler` gets it as wry would have given it, on the same thread.
#[must_use = "the wire is on the builder that comes back"]
pub fn attach_with<'a>(
    builder: WebViewBuilder<'a>,
    ipc: &Ipc,
    wake: impl Fn() + Send + Sync + 'static,
    app_handler: impl Fn(Request<String>) + 'static,
) -> WebViewBuilder<'a> {
    ipc.on_wake(wake);
    let receiver = ipc.clone();
    builder
        .with_initialization_script(ipc.page_script())
        .with_ipc_handler(move |request| {
            let origin = origin(request.uri());
            match receiver.receive(request.body(), origin.as_deref()) {
                Received::Ours => {}
                Received::NotOurs => app_handler(request),
            }
        })
}

impl Ipc {
    /// Hands to the page what waits for it; call it on the webview's thread when woken.
    ///
    /// Returns when nothing waits any more, or when the page has as much as it may have
    /// unacknowledged. It does not wait for the page to run anything.
    pub fn pump(&self, webview: &WebView) {
        // It ends: acknowledgements come in on this same thread, so nothing makes room meanwhile.
        while let Some(script) = self.next_script() {
            if webview.evaluate_script(&script.text()).is_err() {
                self.evaluation_failed(script);
            }
        }
    }
}

/// The origin of an address, without the parts that can tell about the user.
fn origin(uri: &Uri) -> Option<String> {
    let scheme = uri.scheme_str()?;
    let authority = uri.authority()?;
    // `user:password@` is no part of an origin.
    let host = authority
        .as_str()
        .rsplit_once('@')
        .map_or(authority.as_str(), |(_, host)| host);
    Some(format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_no_path_query_or_credentials() {
        let origin = |text: &'static str| origin(&Uri::from_static(text));
        assert_eq!(
            origin("spanwire://localhost/a?token=b").as_deref(),
            Some("spanwire://localhost")
        );
        assert_eq!(
            origin("https://user:secret@example.com:8443/").as_deref(),
            Some("https://example.com:8443")
        );
        assert_eq!(origin("/relative"), None);
    }
}
