//! Puts the wire on a webview's builder.

use wry::WebViewBuilder;
use wry::http::Request;

use super::address;
use crate::ipc::{Ipc, Received};

/// Puts the wire on a webview; messages that are not Spanwire's are ignored.
///
/// `wake` is called whenever something begins to wait for the page, on the thread that sent it:
/// it must be cheap and make the event loop call [`Ipc::pump`]. See the [module](super) for what
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
/// `app_handler` gets it as wry would have given it, on the same thread. The webview does not keep
/// the wire open: what comes after the app's last [`Ipc`] is dropped goes nowhere.
#[must_use = "the wire is on the builder that comes back"]
pub fn attach_with<'a>(
    builder: WebViewBuilder<'a>,
    ipc: &Ipc,
    wake: impl Fn() + Send + Sync + 'static,
    app_handler: impl Fn(Request<String>) + 'static,
) -> WebViewBuilder<'a> {
    ipc.on_wake(wake);
    // Weak, since WebKitGTK keeps the handler, in a cycle with the webview.
    let wire = ipc.downgrade();
    let waiting = address::waiting_origin();
    builder
        // wry runs it in the main frame alone, so no frame sees the nonce.
        .with_initialization_script(ipc.page_script())
        .with_ipc_handler(move |request| {
            let Some(ipc) = wire.upgrade() else {
                return app_handler(request);
            };
            let origin = origin_of_sender(&ipc, &request);
            // Only the page script is on that page, and it is gone in a moment.
            if origin.as_deref() == Some(waiting.as_str()) {
                return;
            }
            match ipc.receive(request.body(), origin.as_deref()) {
                Received::Ours => {}
                Received::NotOurs => app_handler(request),
            }
        })
}

/// The origin of the page that posted a message.
///
/// When the app asked for another page, wry gives the address that is being loaded: a page that is
/// still there would speak with the next one's name. So the document that the webview reported
/// counts first.
fn origin_of_sender(ipc: &Ipc, request: &Request<String>) -> Option<String> {
    match ipc.webview().document() {
        Some(document) => document.origin,
        None => address::origin(&request.uri().to_string()),
    }
}
