//! What a forked child does: nothing, since it has none of our threads.
//!
//! A lock of ours that another thread held at the fork is held for good in the child. So the child
//! reaches none: every entry from Python asks [`is_child`] first.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;

static IS_CHILD: AtomicBool = AtomicBool::new(false);

/// Whether this process was forked from one that had loaded us.
#[inline]
pub(crate) fn is_child() -> bool {
    IS_CHILD.load(Ordering::Relaxed)
}

/// Called in the child by `os.register_at_fork`.
#[pyfunction]
fn _after_fork_in_child() {
    IS_CHILD.store(true, Ordering::Relaxed);
}

/// Adds what this file has to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(_after_fork_in_child, module)?)
}
