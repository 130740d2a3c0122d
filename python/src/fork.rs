//! What a child does that was forked from a process with our threads: nothing, since it has none.
//!
//! A lock of ours that another thread held at the fork is held for good in the child. So the child
//! reaches none: every entry from Python asks [`is_child`] first. A process that has had no thread of
//! ours leaves its children as it is itself.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;

// Relaxed throughout: a fork copies the parent's memory as it is, and the child has one thread when
// it writes.
static HAD_THREADS: AtomicBool = AtomicBool::new(false);
static IS_CHILD: AtomicBool = AtomicBool::new(false);

/// Whether this process was forked from one that had threads of ours.
#[inline]
pub(crate) fn is_child() -> bool {
    IS_CHILD.load(Ordering::Relaxed)
}

/// Called before threads of ours are started.
pub(crate) fn threads_start() {
    HAD_THREADS.store(true, Ordering::Relaxed);
}

/// Called in the child by `os.register_at_fork`.
#[pyfunction]
fn _after_fork_in_child() {
    if HAD_THREADS.load(Ordering::Relaxed) {
        IS_CHILD.store(true, Ordering::Relaxed);
        // The child can still use a queue of the parent's, whose metrics would be recorded with the
        // parent's recorder: the child lets go of it.
        crate::process_recorder::abandon();
    }
}

/// Adds what this file has to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(_after_fork_in_child, module)?)
}
