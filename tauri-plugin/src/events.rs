//! Events from Rust to the page.
//!
//! Tauri has no hook where an event leaves for a page. But a page says which events it listens to,
//! as a command; so the plugin listens to the same event with the same target in Rust, and is called
//! for each event that goes to the page, on the thread that emits it.

use std::sync::{MutexGuard, PoisonError};

use serde::Deserialize;
use tauri::ipc::{InvokeBody, InvokeResponse, InvokeResponseBody};
use tauri::{EventId, EventTarget, Runtime, Webview};

use crate::subscriptions::Subscriptions;
use crate::tracked::Tracked;

/// A change of what a page listens to, which holds once Tauri agreed.
#[derive(Debug)]
pub(crate) enum Change {
    Listen { event: String, target: EventTarget },
    Unlisten(EventId),
}

#[derive(Deserialize)]
struct Listen {
    event: String,
    target: EventTarget,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Unlisten {
    event_id: EventId,
}

impl Change {
    /// The change that this command asks for, if it does.
    pub(crate) fn of(command: &str, body: &InvokeBody) -> Option<Self> {
        let is_listen = match command {
            "plugin:event|listen" => true,
            "plugin:event|unlisten" => false,
            _ => return None,
        };
        let InvokeBody::Json(arguments) = body else {
            return None;
        };
        if is_listen {
            // From the borrowed value: `from_value` would need a copy of the arguments. Arguments
            // that do not fit are no change, and Tauri itself rejects the command.
            let Listen { event, target } = Listen::deserialize(arguments).ok()?;
            return Some(Self::Listen { event, target });
        }
        let Unlisten { event_id } = Unlisten::deserialize(arguments).ok()?;
        Some(Self::Unlisten(event_id))
    }
}

/// Follows what the page asked for, if Tauri agreed.
pub(crate) fn apply<R: Runtime>(
    tracked: &Tracked,
    webview: &Webview<R>,
    change: Change,
    answer: &InvokeResponse,
) {
    // Tauri refused: the permission `core:event:allow-listen` is missing, say.
    let InvokeResponse::Ok(InvokeResponseBody::Json(answer)) = answer else {
        return;
    };
    // Another thread must not see a listener of ours that is not in the books.
    // It may be held while Tauri's functions are called: those queue a change while another thread
    // emits, and do not wait.
    let mut subscriptions = lock(tracked);
    match change {
        Change::Listen { event, target } => {
            // Tauri answers `listen` with the listener's id, a number in JSON.
            let Ok(id) = answer.parse() else { return };
            subscriptions.listen(webview, &tracked.observer, id, event, target);
        }
        Change::Unlisten(id) => subscriptions.unlisten(webview, id),
    }
}

/// Forgets all of it: the page that listened is gone.
pub(crate) fn clear<R: Runtime>(tracked: &Tracked, webview: &Webview<R>) {
    lock(tracked).clear(webview);
}

fn lock(tracked: &Tracked) -> MutexGuard<'_, Subscriptions> {
    // The books are in order after each step.
    tracked
        .subscriptions
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}
