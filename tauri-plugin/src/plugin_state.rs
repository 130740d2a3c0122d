//! What the plugin knows while the app runs.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;

use spanwire::ipc::observe::PageScript;
use tauri::{AppHandle, Manager, Runtime, Webview};

use crate::diagnostics::warn;
use crate::settings::{PageTraces, Settings};
use crate::tracked::Tracked;
use crate::way::Way;

/// Webviews at a time that have a series of their own; the others share `_OTHER`.
const WEBVIEWS_MAX: usize = 64;
const OTHER: &str = "_OTHER";

/// What the plugin knows while the app runs.
pub(crate) struct PluginState<R: Runtime> {
    pub(crate) way: Way,
    pub(crate) page_script: PageScript,
    settings: Settings,
    main_thread: ThreadId,
    webviews: Mutex<HashMap<String, Entry<R>>>,
    /// Made when it is needed: it is a series of its own.
    other: OnceLock<Arc<Tracked>>,
    has_warned_of_bypass: AtomicBool,
    /// Webviews that have Tauri's own scheme, and were warned of.
    made_before: HashSet<String>,
}

struct Entry<R: Runtime> {
    tracked: Arc<Tracked>,
    webview: Option<Webview<R>>,
}

impl<R: Runtime> PluginState<R> {
    /// To be called on the thread that runs the event loop.
    pub(crate) fn new(way: Way, settings: Settings, made_before: HashSet<String>) -> Self {
        let main_thread = std::thread::current().id();
        let page_script = PageScript::new();
        Self {
            way,
            page_script,
            settings,
            main_thread,
            webviews: Mutex::default(),
            other: OnceLock::new(),
            has_warned_of_bypass: AtomicBool::new(false),
            made_before,
        }
    }

    /// What is followed of the webview with this label.
    pub(crate) fn tracked(&self, label: &str) -> Arc<Tracked> {
        let mut webviews = self.webviews();
        if let Some(entry) = webviews.get(label) {
            return self.on_main_thread(&entry.tracked);
        }
        // An app may open any number of windows with labels of their own. Each would be a set of
        // series.
        if webviews.len() >= WEBVIEWS_MAX {
            return self.on_main_thread(self.other.get_or_init(|| self.track(OTHER)));
        }
        let tracked = self.track(label);
        let entry = Entry {
            tracked: Arc::clone(&tracked),
            webview: None,
        };
        webviews.insert(label.to_owned(), entry);
        self.on_main_thread(&tracked)
    }

    fn track(&self, label: &str) -> Arc<Tracked> {
        Arc::new(Tracked::new(label, &self.settings, &self.page_script))
    }

    /// The same, of a webview that may be gone already.
    pub(crate) fn known(&self, label: &str) -> Option<Arc<Tracked>> {
        let webviews = self.webviews();
        Some(Arc::clone(&webviews.get(label)?.tracked))
    }

    /// An observer takes the thread that runs the event loop from a call on it.
    fn on_main_thread(&self, tracked: &Arc<Tracked>) -> Arc<Tracked> {
        if std::thread::current().id() == self.main_thread {
            tracked.observer.set_main_thread();
        }
        Arc::clone(tracked)
    }

    /// A webview is there.
    pub(crate) fn opened(&self, webview: Webview<R>) -> Arc<Tracked> {
        let tracked = self.tracked(webview.label());
        // A webview that shares `_OTHER` has no entry, so its handle is not kept.
        if let Some(entry) = self.webviews().get_mut(webview.label()) {
            entry.webview = Some(webview);
        }
        tracked
    }

    /// The webview with this label is gone.
    pub(crate) fn closed(&self, label: &str) -> Option<(Arc<Tracked>, Option<Webview<R>>)> {
        // The guard ends with this statement: what the entry holds is dropped without the lock.
        let entry = self.webviews().remove(label)?;
        Some((entry.tracked, entry.webview))
    }

    /// The labels of all webviews that have a series of their own.
    pub(crate) fn labels(&self) -> Vec<String> {
        self.webviews().keys().cloned().collect()
    }

    /// The labels of all webviews of the window that was closed: they are gone with it.
    pub(crate) fn labels_of_window(&self, window: &str) -> Vec<String> {
        let webviews = self.webviews();
        let of_window = webviews.iter().filter(|(label, entry)| {
            let of = entry.webview.as_ref().map(|webview| webview.window());
            // A command may come before the webview's handle. Tauri gives a webview window and its
            // webview the same label.
            of.map_or(*label == window, |of| of.label() == window)
        });
        of_window.map(|(label, _)| label.clone()).collect()
    }

    /// Tauri's handle to the webview with this label.
    pub(crate) fn webview(&self, app: &AppHandle<R>, label: &str) -> Option<Webview<R>> {
        // `get_webview` would find every webview, but needs Tauri's feature `unstable`.
        let window = app.get_webview_window(label);
        let of_window = window.map(|window| AsRef::<Webview<R>>::as_ref(&window).clone());
        // A window with several webviews is no webview window.
        of_window.or_else(|| self.webviews().get(label)?.webview.clone())
    }

    /// Whether a page's `traceparent` is to be the parent of its calls.
    pub(crate) fn trusts_page_traces(&self) -> bool {
        self.settings.page_traces == PageTraces::Accepted
    }

    /// A command of that webview came by another way than the seam, which is in use.
    pub(crate) fn bypassed(&self, label: &str) {
        if !self.made_before.contains(label)
            // The plugin warns once for the process: a CSP that blocks the scheme would otherwise
            // warn at every command.
            && !self.has_warned_of_bypass.swap(true, Ordering::Relaxed)
        {
            warn(
                "a command came past Tauri's `ipc` scheme: a page's CSP blocks `ipc:`, or another \
                 plugin answers the scheme. It is seen when it is called, without its answer",
            );
        }
    }

    fn webviews(&self) -> MutexGuard<'_, HashMap<String, Entry<R>>> {
        // The map is sound after each step.
        self.webviews.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Runtime> fmt::Debug for PluginState<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginState")
            .field("way", &self.way)
            .finish_non_exhaustive()
    }
}
