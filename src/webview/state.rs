//! What the adapter remembers of one webview between its signals, its messages and its pumps.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::address::UnsupportedAddress;

/// Origins that were refused and are remembered, so that each is reported once.
const REFUSED_MAX: usize = 16;

/// One webview, as far as the wire has seen it.
#[derive(Default)]
pub(super) struct WebviewState(Mutex<State>);

#[derive(Default)]
struct State {
    /// The webview that is pumped, by its place in memory; its signals are heard.
    // A number and never read as a pointer: the webview may be gone.
    webview: Option<usize>,
    /// All whose signals are connected, and which are there still.
    connected: Vec<usize>,
    document: Option<Document>,
    /// The address that was looked at last.
    address: u64,
    reported: [bool; UnsupportedAddress::ALL.len()],
    refused: Vec<String>,
    is_paused: bool,
    on_crash: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// The origin of the document that is in the page, whatever is being loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) origin: Option<String>,
}

#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "only there does a webview report so much")
)]
impl WebviewState {
    /// From here on this webview is the wire's. `None` when it is already; else whether its signals
    /// are to be connected.
    pub(super) fn attach(&self, webview: usize) -> Option<First> {
        let mut state = self.lock();
        if state.webview == Some(webview) {
            return None;
        }
        state.webview = Some(webview);
        state.document = None;
        // A webview may be attached, left and attached again; its signals are connected once.
        let first = !state.connected.contains(&webview);
        if first {
            state.connected.push(webview);
        }
        Some(First(first))
    }

    /// Whether that webview is the wire's.
    pub(super) fn is_attached(&self, webview: usize) -> bool {
        self.lock().webview == Some(webview)
    }

    /// That webview is gone, and its place in memory may be another one's soon. Whether it was the
    /// wire's.
    pub(super) fn detach(&self, webview: usize) -> bool {
        let mut state = self.lock();
        state.connected.retain(|connected| *connected != webview);
        let was = state.webview == Some(webview);
        if was {
            state.webview = None;
            state.document = None;
        }
        was
    }

    pub(super) fn set_document(&self, origin: Option<String>) {
        self.lock().document = Some(Document { origin });
    }

    pub(super) fn is_paused(&self) -> bool {
        self.lock().is_paused
    }

    /// What to call when the page's process ended.
    pub(super) fn crash_handler(&self) -> Option<Arc<dyn Fn() + Send + Sync>> {
        self.lock().on_crash.clone()
    }
}

impl WebviewState {
    pub(super) fn document(&self) -> Option<Document> {
        self.lock().document.clone()
    }

    /// The page is at `address`: why it cannot send from there if it came there just now, and
    /// whether that is the first page with this trouble.
    pub(super) fn at(&self, address: &str) -> Option<(UnsupportedAddress, First)> {
        let mut state = self.lock();
        // Signals, or elsewhere each pump, bring the same address again: only a change counts.
        let hash = hash(address);
        if std::mem::replace(&mut state.address, hash) == hash {
            return None;
        }
        let unsupported = UnsupportedAddress::of(address)?;
        let was_reported = std::mem::replace(&mut state.reported[unsupported as usize], true);
        Some((unsupported, First(!was_reported)))
    }

    /// Nothing goes to the page now.
    pub(super) fn pause(&self) {
        self.lock().is_paused = true;
    }

    /// Whether it is the first time that something waits for this origin. Beyond a bound it never
    /// is.
    pub(super) fn refused(&self, origin: &str) -> First {
        let mut state = self.lock();
        let known = state.refused.iter().any(|refused| refused == origin);
        // Beyond the bound nothing is logged, or a page could fill the log with origins.
        if known || state.refused.len() >= REFUSED_MAX {
            return First(false);
        }
        state.refused.push(origin.to_owned());
        First(true)
    }

    /// Something may go to the page again.
    pub(super) fn resume(&self) {
        self.lock().is_paused = false;
    }

    pub(super) fn on_crash(&self, handler: impl Fn() + Send + Sync + 'static) {
        let before = self.lock().on_crash.replace(Arc::new(handler));
        // Without the lock: what it holds is the app's.
        drop(before);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of the app runs under it, and each step leaves it sound.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether something is seen for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct First(pub(super) bool);

/// Kept instead of the address, which can be megabytes of `data:`. Its beginning and its length
/// are enough to see that the page went somewhere else.
fn hash(address: &str) -> u64 {
    let bytes = address.as_bytes();
    let mut hasher = DefaultHasher::new();
    bytes.len().hash(&mut hasher);
    bytes.get(..1_024).unwrap_or(bytes).hash(&mut hasher);
    hasher.finish()
}

impl fmt::Debug for WebviewState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("WebviewState")
            .field("document", &state.document)
            .field("is_paused", &state.is_paused)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsupported_address_is_counted_once_and_logged_once_per_kind() {
        let state = WebviewState::default();
        assert_eq!(state.at("app://localhost/"), None);
        assert_eq!(
            state.at("file:///a"),
            Some((UnsupportedAddress::File, First(true)))
        );
        assert_eq!(state.at("file:///a"), None, "the same page");
        assert_eq!(
            state.at("file:///b"),
            Some((UnsupportedAddress::File, First(false)))
        );
        assert_eq!(
            state.at("data:text/html,"),
            Some((UnsupportedAddress::Data, First(true)))
        );
    }

    #[test]
    fn an_origin_is_refused_aloud_once_and_so_many_are_remembered() {
        let state = WebviewState::default();
        assert_eq!(state.refused("https://a"), First(true));
        assert_eq!(state.refused("https://a"), First(false));
        for n in 0..1_000 {
            let _ = state.refused(&format!("https://{n}"));
        }
        assert_eq!(state.lock().refused.len(), REFUSED_MAX);
    }

    #[test]
    fn signals_of_a_webview_before_are_not_heard() {
        let state = WebviewState::default();
        assert_eq!(state.attach(1), Some(First(true)));
        assert_eq!(state.attach(1), None, "once for each webview");
        state.set_document(None);
        assert_eq!(state.attach(2), Some(First(true)));
        assert!(!state.is_attached(1) && state.is_attached(2));
        assert_eq!(state.document(), None);
        assert_eq!(
            state.attach(1),
            Some(First(false)),
            "its signals are connected"
        );
        assert!(!state.detach(2) && state.is_attached(1));
        assert!(state.detach(1) && !state.is_attached(1));
        assert_eq!(
            state.attach(1),
            Some(First(true)),
            "another one in the same place"
        );
    }
}
