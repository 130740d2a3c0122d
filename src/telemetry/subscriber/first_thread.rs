//! Our subscriber in force on one thread, before it has the process's place.

use std::cell::Cell;

use tracing::dispatcher::{self, DefaultGuard, Dispatch};
use tracing::subscriber::NoSubscriber;

use crate::instrument::span_delivery;
use crate::layer::has_span_layer;

thread_local! {
    static HERE: Cell<Option<Here>> = const { Cell::new(None) };
}

/// While it is there, whoever makes a span of ours asks before.
struct Here {
    _in_force: DefaultGuard,
}

impl Drop for Here {
    fn drop(&mut self) {
        span_delivery::ask_no_more();
    }
}

/// Whether no subscriber is in force on this thread, neither its own nor the process's.
pub(super) fn is_free() -> bool {
    dispatcher::get_default(|dispatch| dispatch.is::<NoSubscriber>())
}

/// Whether this is the first thread.
pub(super) fn is_here() -> bool {
    let look = |place: &Cell<Option<Here>>| {
        let here = place.take();
        let is_here = here.is_some();
        place.set(here);
        is_here
    };
    HERE.try_with(look).unwrap_or(false)
}

/// Puts ours in force on this thread. `before_span` is called before each span of ours.
pub(super) fn enter(subscriber: &Dispatch, before_span: fn()) {
    span_delivery::ask_before(before_span);
    let here = Here {
        _in_force: dispatcher::set_default(subscriber),
    };
    // A thread that ends takes it back at once: spans of its destructors go nowhere.
    let _ = HERE.try_with(|place| place.set(Some(here)));
}

/// Takes it back, unless another was put above it.
///
/// While a subscriber of one thread is there, every thread looks for its own with each span. So the
/// first thread leaves as soon as it can.
pub(super) fn leave() {
    let _ = HERE.try_with(|place| {
        let here = place.take();
        if here.is_some() && !dispatcher::get_default(has_span_layer) {
            place.set(here);
        }
    });
}
