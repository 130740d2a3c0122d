//! Operations that Python measures.

use pyo3::prelude::*;

/// Adds what this file has to the module.
pub(crate) fn register(_: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
