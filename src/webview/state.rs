//! What the adapter remembers of one webview between its signals, its messages and its pumps.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::address::Mute;

/// Origins that were refused and are remembered, so that each is told once.
const REFUSED_MAX: usize = 16;

/// One webview, as far as the wire has seen it.
#[derive(Default)]
pub(crate) struct Watch(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// The webview that is pumped, by its place in memory; its signals are heard.
    webview: Option<usize>,
    /// All whose signals are connected, and which are there still.
    connected: Vec<usize>,
    document: Option<Document>,
    /// The address that was looked at last.
    address: u64,
    muted: [bool; Mute::ALL.len()],
    refused: Vec<String>,
    held: bool,
    on_crash: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// The origin of the document that is in the page, whatever is being loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) origin: Option<String>,
}

#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "only there does a webview tell so much")
)]
impl Watch {
    /// From here on this webview is the wire's. `None` when it is already; else whether its signals
    /// are to be connected.
    pub(super) fn begin(&self, webview: usize) -> Option<First> {
        let mut seen = self.seen();
        if seen.webview == Some(webview) {
            return None;
        }
        seen.webview = Some(webview);
        seen.document = None;
        let first = !seen.connected.contains(&webview);
        if first {
            seen.connected.push(webview);
        }
        Some(First(first))
    }

    /// Whether that webview is the wire's.
    pub(super) fn hears(&self, webview: usize) -> bool {
        self.seen().webview == Some(webview)
    }

    /// That webview is gone, and its place in memory may be another one's soon. Whether it was the
    /// wire's.
    pub(super) fn end(&self, webview: usize) -> bool {
        let mut seen = self.seen();
        seen.connected.retain(|connected| *connected != webview);
        let was = seen.webview == Some(webview);
        if was {
            seen.webview = None;
            seen.document = None;
        }
        was
    }

    pub(super) fn set_document(&self, origin: Option<String>) {
        self.seen().document = Some(Document { origin });
    }

    pub(super) fn held(&self) -> bool {
        self.seen().held
    }

    /// What to call when the page's process ended.
    pub(super) fn crash_handler(&self) -> Option<Arc<dyn Fn() + Send + Sync>> {
        self.seen().on_crash.clone()
    }
}

impl Watch {
    pub(super) fn document(&self) -> Option<Document> {
        self.seen().document.clone()
    }

    /// The page is at `address`: why it cannot send from there if it came there just now, and
    /// whether that is the first page with this trouble.
    pub(super) fn at(&self, address: &str) -> Option<(Mute, First)> {
        let mut seen = self.seen();
        let hash = hash(address);
        if std::mem::replace(&mut seen.address, hash) == hash {
            return None;
        }
        let mute = Mute::of(address)?;
        let told = std::mem::replace(&mut seen.muted[mute as usize], true);
        Some((mute, First(!told)))
    }

    /// Nothing goes to the page now.
    pub(super) fn hold(&self) {
        self.seen().held = true;
    }

    /// Whether it is the first time that something waits for this origin. Beyond a bound it never
    /// is.
    pub(super) fn refused(&self, origin: &str) -> First {
        let mut seen = self.seen();
        let known = seen.refused.iter().any(|refused| refused == origin);
        if known || seen.refused.len() >= REFUSED_MAX {
            return First(false);
        }
        seen.refused.push(origin.to_owned());
        First(true)
    }

    /// Something may go to the page again.
    pub(super) fn release(&self) {
        self.seen().held = false;
    }

    pub(super) fn on_crash(&self, handler: impl Fn() + Send + Sync + 'static) {
        let before = self.seen().on_crash.replace(Arc::new(handler));
        // Without the lock: what it holds is the app's.
        drop(before);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // No code of the app runs under it, and each step leaves it sound.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether something is told for the first time.
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

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = self.seen();
        f.debug_struct("Watch")
            .field("document", &seen.document)
            .field("held", &seen.held)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mute_page_is_told_once_per_address_and_logged_once_per_trouble() {
        let watch = Watch::default();
        assert_eq!(watch.at("app://localhost/"), None);
        assert_eq!(watch.at("file:///a"), Some((Mute::File, First(true))));
        assert_eq!(watch.at("file:///a"), None, "the same page");
        assert_eq!(watch.at("file:///b"), Some((Mute::File, First(false))));
        assert_eq!(watch.at("data:text/html,"), Some((Mute::Data, First(true))));
    }

    #[test]
    fn an_origin_is_refused_aloud_once_and_so_many_are_remembered() {
        let watch = Watch::default();
        assert_eq!(watch.refused("https://a"), First(true));
        assert_eq!(watch.refused("https://a"), First(false));
        for n in 0..1_000 {
            let _ = watch.refused(&format!("https://{n}"));
        }
        assert_eq!(watch.seen().refused.len(), REFUSED_MAX);
    }

    #[test]
    fn signals_of_a_webview_before_are_not_heard() {
        let watch = Watch::default();
        assert_eq!(watch.begin(1), Some(First(true)));
        assert_eq!(watch.begin(1), None, "once for each webview");
        watch.set_document(None);
        assert_eq!(watch.begin(2), Some(First(true)));
        assert!(!watch.hears(1) && watch.hears(2));
        assert_eq!(watch.document(), None);
        assert_eq!(
            watch.begin(1),
            Some(First(false)),
            "its signals are connected"
        );
        assert!(!watch.end(2) && watch.hears(1));
        assert!(watch.end(1) && !watch.hears(1));
        assert_eq!(
            watch.begin(1),
            Some(First(true)),
            "another one in the same place"
        );
    }
}
