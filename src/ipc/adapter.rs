//! What an adapter inside this crate needs of a wire, beyond what every transport has.

use std::sync::{Arc, Weak};

use super::page_state::PageState;
use super::protocol::script::Script;
use super::wire::{Inner, Ipc};
use crate::semconv::ErrorType;

/// A wire that ends when the app lets go of it, whatever the webview still holds.
// Not that of `weak.rs`: each of the two is built with a feature of its own.
#[derive(Clone)]
pub(crate) struct WeakIpc(Weak<Inner>);

impl WeakIpc {
    pub(crate) fn upgrade(&self) -> Option<Ipc> {
        self.0.upgrade().map(Ipc)
    }
}

impl Ipc {
    pub(crate) fn downgrade(&self) -> WeakIpc {
        WeakIpc(Arc::downgrade(&self.0))
    }

    /// What the adapter keeps of its transport with this wire, made when it is first asked for.
    ///
    /// # Panics
    ///
    /// If another type was kept before: a wire has one adapter.
    pub(crate) fn transport<T: Default + Send + Sync + 'static>(&self) -> &T {
        let state = self.0.transport.get_or_init(|| Box::new(T::default()));
        state
            .downcast_ref()
            .expect("a wire has one adapter, which keeps one type")
    }

    /// The next script for a page that may have none of the messages, which wait. What is sent from
    /// here on wakes the event loop again.
    pub(crate) fn pause(&self) -> Option<Script> {
        // Before looking, as in `next_script`.
        self.0.queue.rearm();
        self.next_close_script()
    }

    /// What waited may go now.
    #[cfg(target_os = "linux")]
    pub(crate) fn resume(&self) {
        self.0.wake();
    }

    /// Whether something is lost if the page stays where it is.
    pub(crate) fn has_pending(&self) -> bool {
        !self.0.queue.is_empty()
            || matches!(
                self.page_state(),
                PageState::Ready | PageState::Unresponsive
            )
    }

    /// Another document took the page's place, and the one before may not have said so.
    #[cfg(target_os = "linux")]
    pub(crate) fn document_replaced(&self) {
        match self.page_state() {
            // `Gone` counts as well: after a crash a new document is a page that loads.
            PageState::Ready | PageState::Unresponsive | PageState::Gone => self.page_loading(),
            PageState::Loading | PageState::Closed => {}
        }
    }

    /// Counts what is wrong with the page and belongs to no message.
    pub(crate) fn page_error(&self, error: ErrorType) {
        self.0.recorder.series.protocol_error(error);
    }
}
