//! The one interpreter of the process that may have us.
//!
//! What we keep for the process, from telemetry to types, belongs to the interpreter that made it, and
//! another one of the process must not see it.

use std::sync::OnceLock;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;

/// Refuses the import in any interpreter but the first.
pub(crate) fn check(py: Python<'_>) -> PyResult<()> {
    static FIRST: OnceLock<usize> = OnceLock::new();
    // Each interpreter has a `sys` of its own, which lives as long as it does.
    let this = py.import("sys")?.as_ptr() as usize;
    if *FIRST.get_or_init(|| this) == this {
        return Ok(());
    }
    Err(PyImportError::new_err(
        "spanwire was imported in another interpreter of this process, and one alone can have it: \
         use threads or processes in place of sub-interpreters",
    ))
}
