//! Whether this thread runs a command that the seam has recorded.

use std::cell::Cell;
use std::marker::PhantomData;

thread_local! {
    // A depth, not a flag: a command can have Tauri run another one, whose end must not end the
    // scope of the first.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// While it is held, this thread dispatches a command for the seam, so [`traced`](crate::traced)
/// does not record it again.
#[derive(Debug)]
pub(crate) struct SeamScope {
    // It ends on the thread that it began on.
    _not_send: PhantomData<*const ()>,
}

impl SeamScope {
    pub(crate) fn enter() -> Self {
        DEPTH.set(DEPTH.get() + 1);
        Self {
            _not_send: PhantomData,
        }
    }

    /// Whether one is held on this thread.
    pub(crate) fn is_entered() -> bool {
        DEPTH.get() > 0
    }
}

impl Drop for SeamScope {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}
