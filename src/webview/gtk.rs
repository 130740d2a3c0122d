//! What WebKitGTK reports and wry does not: crashes, and which document is there.
//!
//! Signals take any number of handlers, so the app's own stay what they are.

use tracing::Level;
use webkit2gtk::glib::object::{ObjectExt, ObjectType};
use webkit2gtk::{LoadEvent, WebProcessTerminationReason, WebView, WebViewExt};
use wry::WebViewExtUnix;

use super::address;
use crate::ipc::Ipc;
use crate::semconv::{self, ErrorType};

/// Listens to the webview's signals, if that is not done yet.
pub(super) fn listen(ipc: &Ipc, webview: &wry::WebView) {
    let webview = webview.webview();
    // An address is enough to tell webviews apart, since `destroy` forgets it.
    let place = webview.as_ptr() as usize;
    let Some(first) = ipc.webview().attach(place) else {
        return;
    };
    let address = address_of(&webview);
    ipc.page_is_at(&address);
    // While it loads, this is the address of the document to come.
    if !webview.is_loading() && !address.is_empty() {
        ipc.webview().set_document(address::origin(&address));
    }
    if first.0 {
        connect(ipc, &webview, place);
    }
}

fn connect(ipc: &Ipc, webview: &WebView, place: usize) {
    let wire = ipc.downgrade();
    // Weak, since the handlers live as long as the webview. A handler of a webview that the wire
    // has left is still connected, so each looks whether its own is the wire's.
    let attached = move || {
        wire.upgrade()
            .filter(|ipc| ipc.webview().is_attached(place))
    };
    let wire = ipc.downgrade();

    webview.connect_load_changed({
        let attached = attached.clone();
        move |webview, event| {
            if let Some(ipc) = attached() {
                load_changed(&ipc, webview, event);
            }
        }
    });
    webview.connect_load_failed({
        let attached = attached.clone();
        move |_, _, _, _| {
            attached().iter().for_each(resume_if_paused);
            // WebKit shows its error page, unless a handler of the app says that it did.
            false
        }
    });
    webview.connect_uri_notify({
        let attached = attached.clone();
        move |webview| {
            if let Some(ipc) = attached() {
                ipc.page_is_at(&address_of(webview));
                resume_if_paused(&ipc);
            }
        }
    });
    webview.connect_web_process_terminated(move |_, reason| {
        if let Some(ipc) = attached() {
            crashed(&ipc, reason);
        }
    });
    // What `drop` of wry's webview does, or the end of the window that it is in.
    webview.connect_local("destroy", false, move |_| {
        if let Some(ipc) = wire.upgrade()
            && ipc.webview().detach(place)
        {
            ipc.page_gone();
        }
        None
    });
}

fn load_changed(ipc: &Ipc, webview: &WebView, event: LoadEvent) {
    match event {
        LoadEvent::Committed => {
            let address = address_of(webview);
            ipc.webview().set_document(address::origin(&address));
            ipc.page_is_at(&address);
            // Before anything of the new page arrives. Nearly always the one before has said that
            // it leaves; one that was not allowed to say anything has not.
            ipc.document_replaced();
        }
        // The signals were connected in the middle of this load, after its commit.
        LoadEvent::Finished if ipc.webview().document().is_none() => {
            ipc.webview()
                .set_document(address::origin(&address_of(webview)));
        }
        _ => {}
    }
    resume_if_paused(ipc);
}

fn crashed(ipc: &Ipc, reason: WebProcessTerminationReason) {
    let reason = match reason {
        WebProcessTerminationReason::Crashed => "crashed",
        WebProcessTerminationReason::ExceededMemoryLimit => "exceeded its memory limit",
        _ => "was ended",
    };
    ipc.page_error(ErrorType::PageCrashed);
    tracing::event!(
        name: semconv::EVENT_PAGE_CRASHED,
        target: "spanwire",
        Level::ERROR,
        { {semconv::WEBVIEW_NAME} = ipc.name(), {semconv::ERROR_TYPE} = ErrorType::PageCrashed.as_str() },
        "the page's process {reason}"
    );
    ipc.page_gone();
    // A copy, so that the app's handler runs without the state's lock.
    let handler = ipc.webview().crash_handler();
    if let Some(handler) = handler {
        handler();
    }
    // The app may look at the page's state whenever it is woken.
    ipc.resume();
}

/// Wakes the event loop again for messages that a refused origin holds up.
fn resume_if_paused(ipc: &Ipc) {
    if ipc.webview().is_paused() {
        ipc.resume();
    }
}

fn address_of(webview: &WebView) -> String {
    webview.uri().map(String::from).unwrap_or_default()
}
