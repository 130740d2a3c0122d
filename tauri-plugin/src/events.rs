//! Events from Rust to the page.
//!
//! Tauri has no hook where an event leaves for a page. But a page says which events it listens to,
//! as a command; so the plugin listens to the same event with the same target in Rust, and is called
//! for each event that goes to the page, on the thread that emits it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::PoisonError;

use serde::Deserialize;
use spanwire::ipc::observe::Observer;
use tauri::ipc::{InvokeBody, InvokeResponse, InvokeResponseBody};
use tauri::{Event, EventId, EventTarget, Listener, Manager, Runtime, Webview};

use crate::tracked::Tracked;

/// What a page may listen to and be counted for. Tauri itself has no limit; beyond this one events
/// are sent as ever, and are not counted.
const LISTENERS_MAX: usize = 2_000;

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
            let Listen { event, target } = Listen::deserialize(arguments).ok()?;
            return Some(Self::Listen { event, target });
        }
        let Unlisten { event_id } = Unlisten::deserialize(arguments).ok()?;
        Some(Self::Unlisten(event_id))
    }
}

/// The events that one page listens to.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    /// The page's listeners, by the ids that Tauri gave them.
    keys: HashMap<EventId, Key>,
    /// Ours: one for all of the page's with the same event and target, which one script serves.
    listeners: HashMap<Key, Ours>,
}

/// An event and its target, as text.
type Key = (String, String);

#[derive(Debug)]
struct Ours {
    id: EventId,
    used: usize,
}

/// Follows what the page asked for, if Tauri agreed.
pub(crate) fn apply<R: Runtime>(
    tracked: &Tracked,
    webview: &Webview<R>,
    change: Change,
    answer: &InvokeResponse,
) {
    let InvokeResponse::Ok(InvokeResponseBody::Json(answer)) = answer else {
        return;
    };
    // Another thread must not see a listener of ours that is not in the books.
    let mut subscriptions = lock(tracked);
    match change {
        Change::Listen { event, target } => {
            let Ok(id) = answer.parse() else { return };
            subscriptions.listen(webview, &tracked.observer, id, event, target);
        }
        Change::Unlisten(id) => subscriptions.unlisten(webview, id),
    }
}

/// Forgets all of it: the page that listened is gone.
pub(crate) fn clear<R: Runtime>(tracked: &Tracked, webview: &Webview<R>) {
    let mut subscriptions = lock(tracked);
    subscriptions.keys.clear();
    for (_, ours) in subscriptions.listeners.drain() {
        webview.app_handle().unlisten(ours.id);
    }
}

fn lock(tracked: &Tracked) -> std::sync::MutexGuard<'_, Subscriptions> {
    // The books are in order after each step.
    tracked
        .subscriptions
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

impl Subscriptions {
    fn listen<R: Runtime>(
        &mut self,
        webview: &Webview<R>,
        observer: &Observer,
        id: EventId,
        event: String,
        target: EventTarget,
    ) {
        if self.keys.len() >= LISTENERS_MAX || self.keys.contains_key(&id) {
            return;
        }
        let key = (event.clone(), format!("{target:?}"));
        match self.listeners.entry(key.clone()) {
            Entry::Occupied(mut ours) => ours.get_mut().used += 1,
            Entry::Vacant(free) => {
                let Some(ours) = listen_as(webview, event, &target, observer.clone()) else {
                    return;
                };
                free.insert(Ours { id: ours, used: 1 });
            }
        }
        self.keys.insert(id, key);
    }

    fn unlisten<R: Runtime>(&mut self, webview: &Webview<R>, id: EventId) {
        let Some(key) = self.keys.remove(&id) else {
            return;
        };
        if let Entry::Occupied(mut ours) = self.listeners.entry(key) {
            ours.get_mut().used -= 1;
            if ours.get().used == 0 {
                webview.app_handle().unlisten(ours.remove().id);
            }
        }
    }
}

/// Listens with the page's target, so that what reaches the page reaches us.
fn listen_as<R: Runtime>(
    webview: &Webview<R>,
    event: String,
    target: &EventTarget,
    observer: Observer,
) -> Option<EventId> {
    let app = webview.app_handle();
    let name = event.clone();
    let count = move |event: Event| observer.send(&name, event.payload().len()).handed_over();
    Some(match target {
        EventTarget::Any => app.listen_any(event, count),
        EventTarget::App => app.listen(event, count),
        EventTarget::Window { label } => {
            let window = app.get_webview_window(label)?;
            window.as_ref().window().listen(event, count)
        }
        EventTarget::Webview { label } => {
            app.get_webview_window(label)?.as_ref().listen(event, count)
        }
        EventTarget::WebviewWindow { label } | EventTarget::AnyLabel { label } => {
            app.get_webview_window(label)?.listen(event, count)
        }
        _ => return None,
    })
}
