//! The events that a page listens to, and our listener for each.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::OnceLock;

use spanwire::ipc::observe::Observer;
use tauri::{Event, EventId, EventTarget, Listener, Manager, Runtime, Webview};

/// What a page may listen to and be counted for. Tauri itself has no limit; beyond this one events
/// are sent as ever, and are not counted.
const LISTENERS_MAX: usize = 2_000;

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

impl Subscriptions {
    /// The page has a listener more.
    pub(crate) fn listen<R: Runtime>(
        &mut self,
        webview: &Webview<R>,
        observer: &Observer,
        id: EventId,
        event: String,
        target: EventTarget,
    ) {
        // An id that is there already would raise `used` twice, and `unlisten` lower it once.
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

    /// The page has one less.
    pub(crate) fn unlisten<R: Runtime>(&mut self, webview: &Webview<R>, id: EventId) {
        let Some(key) = self.keys.remove(&id) else {
            return;
        };
        if let Entry::Occupied(mut ours) = self.listeners.entry(key) {
            ours.get_mut().used -= 1;
            if ours.get().used == 0 {
                // Tauri has one table of listeners for the app, so the app's handle takes off those
                // of windows.
                webview.app_handle().unlisten(ours.remove().id);
            }
        }
    }

    /// The page listens to nothing any more.
    pub(crate) fn clear<R: Runtime>(&mut self, webview: &Webview<R>) {
        self.keys.clear();
        for (_, ours) in self.listeners.drain() {
            webview.app_handle().unlisten(ours.id);
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
    // Made with the first event, as a series is the app's to make: a page may listen to any name.
    let stream = OnceLock::new();
    // Tauri calls this on the thread that emits, with its table of listeners locked.
    let count = move |event: Event| {
        let stream = stream.get_or_init(|| observer.channel(&name));
        stream.event(event.payload().len());
    };
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
        // The enum is `#[non_exhaustive]`: events with a target of a later Tauri are not counted.
        _ => return None,
    })
}
