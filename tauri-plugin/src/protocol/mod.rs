//! Answers Tauri's `ipc` scheme in its place: reads each request as Tauri does, records it, and has
//! Tauri run the command.
//!
//! Tauri checks the invoke key, the origin and the permissions itself, in `on_message`, as it does
//! without the plugin. What is read and written here must equal `ipc/protocol.rs` of Tauri, which is
//! not public: the tests compare both in a real window.

mod request;
mod response;

use std::sync::Arc;

use spanwire::semconv::ErrorType;
use tauri::http::{Method, Request, Response};
use tauri::ipc::InvokeResponse;
use tauri::webview::InvokeRequest;
use tauri::{Manager, Runtime, UriSchemeContext, UriSchemeResponder, Webview};

use crate::call::{self, Answer, Answered, Reply};
#[cfg(feature = "async-spans")]
use crate::command_span::Numbered;
use crate::events;
use crate::plugin_state::PluginState;
use crate::seam_scope::SeamScope;
use crate::semantics;
use crate::tracked::Tracked;

/// The command by which a page fetches what was too large for a script. It carries a message of a
/// channel and is none itself.
const CHANNEL_FETCH: &str = "plugin:__TAURI_CHANNEL__|fetch";

/// Where the plugin's script posts what it measured.
const PAGE_REPORT: &str = "plugin:spanwire|report";

/// Answers one request.
pub(crate) fn answer<R: Runtime>(
    plugin: &Arc<PluginState<R>>,
    context: &UriSchemeContext<'_, R>,
    request: Request<Vec<u8>>,
    responder: UriSchemeResponder,
) {
    match *request.method() {
        Method::POST => {}
        Method::OPTIONS => return responder.respond(response::preflight()),
        _ => return responder.respond(response::method_not_allowed()),
    }
    let label = context.webview_label();
    let Some(webview) = plugin.webview(context.app_handle(), label) else {
        return responder.respond(response::failed("failed to acquire webview reference"));
    };
    // This check precedes `read`, which refuses a report: a report has neither Tauri's headers nor
    // its content types.
    if request::command(request.uri()) == PAGE_REPORT {
        return responder.respond(report(plugin, label, &request));
    }
    let bytes = request.body().len();
    match request::read(request) {
        Ok(request) => invoke(plugin, webview, request, bytes, responder),
        Err(error) => responder.respond(response::failed(&error)),
    }
}

/// Takes what the plugin's script says of its page. It is no command: it runs nothing, and proves
/// itself by a secret that only the script has.
fn report<R: Runtime>(
    plugin: &PluginState<R>,
    label: &str,
    request: &Request<Vec<u8>>,
) -> Response<Vec<u8>> {
    // An empty text is refused and counted as any other that is no report.
    let text = std::str::from_utf8(request.body()).unwrap_or_default();
    match plugin.tracked(label).observer.page_report(text) {
        Ok(()) => response::taken(),
        Err(_) => response::failed("the report was not taken"),
    }
}

fn invoke<R: Runtime>(
    plugin: &Arc<PluginState<R>>,
    webview: Webview<R>,
    mut request: InvokeRequest,
    bytes: usize,
    responder: UriSchemeResponder,
) {
    if request.cmd == CHANNEL_FETCH {
        return pass_on(webview, request, responder);
    }
    let page_call = request::take_page_call(&mut request.headers);
    let tracked = plugin.tracked(webview.label());
    // Tauri refuses a command with another key itself. Here the key decides what the record may
    // believe: only a page that Tauri initialised knows it.
    let is_trusted = request.invoke_key == webview.app_handle().invoke_key();
    let emitted = is_trusted
        .then(|| semantics::emitted_event(&request.cmd, &request.body))
        .flatten();
    let inbound = match &emitted {
        // Tauri carries an event of the page as a command. Under the command's name all events
        // would share one series.
        Some(emitted) => tracked
            .observer
            .event(&emitted.event)
            .size(emitted.payload_bytes),
        None => tracked.observer.call(&request.cmd).size(bytes),
    };
    let reply = match &emitted {
        Some(_) => Reply::Unrecorded,
        None => Reply::Recorded,
    };
    let trusts_traces = is_trusted && plugin.trusts_page_traces();
    let traceparent = trusts_traces
        .then(|| request::header(&request.headers, "traceparent"))
        .flatten();
    let inbound = inbound.traceparent(traceparent);
    let mut handling = inbound
        .page_call(page_call.as_deref().unwrap_or_default())
        .begin();
    // Tauri polls an async command in a task of its own, outside of every span.
    handling.link_spans_of_task();
    let subscription = is_trusted
        .then(|| events::Change::of(&request.cmd, &request.body))
        .flatten();
    // The channels are tracked before the command runs, since it may send on them while it is
    // dispatched.
    if is_trusted {
        tracked.channels_opened(&request.cmd, &request.body);
    }
    let refusal = if is_trusted {
        // An async command panicked before Tauri let go of its own handle to the responder, so it was
        // this thread that dropped it. No other command that Tauri's macro makes is dropped here.
        ErrorType::Panic
    } else {
        ErrorType::Forbidden
    };
    let document = tracked.page.document();
    call::dispatch(handling, reply, document, refusal, |answer| {
        // The app's handler runs on this thread, for an async command up to its spawn, so `traced`
        // sees the scope.
        let _scope = SeamScope::enter();
        let pending = Pending {
            #[cfg(feature = "async-spans")]
            // `dispatch` has entered the command's span here.
            _numbered: Numbered::of_current(&mut request.headers),
            answer,
            responder,
            tracked,
            subscription,
        };
        webview.on_message(
            request,
            Box::new(move |webview, command, response, _callback, _error| {
                pending.respond(&webview, &command, response);
            }),
        );
    });
}

/// Has Tauri run the command, and records nothing.
fn pass_on<R: Runtime>(webview: Webview<R>, request: InvokeRequest, responder: UriSchemeResponder) {
    webview.on_message(
        request,
        Box::new(move |_, _, answer, _, _| responder.respond(response::of(answer))),
    );
}

/// What waits for Tauri's answer.
struct Pending {
    /// Before the answer, whose end is the span's.
    #[cfg(feature = "async-spans")]
    _numbered: Option<Numbered>,
    answer: Answer,
    responder: UriSchemeResponder,
    tracked: Arc<Tracked>,
    subscription: Option<events::Change>,
}

impl Pending {
    fn respond<R: Runtime>(self, webview: &Webview<R>, command: &str, answer: InvokeResponse) {
        // The change is applied before the page gets its answer: an event that the page causes in
        // return then counts.
        if let Some(change) = self.subscription {
            events::apply(&self.tracked, webview, change, &answer);
        }
        let outcome = semantics::outcome(command, &answer);
        let response = response::of(answer);
        let bytes = response.body().len();
        // First, so that what the page knows of is in the metrics.
        self.answer.answered(Answered { outcome, bytes });
        self.responder.respond(response);
    }
}
