//! The exceptions of this package.

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

create_exception!(
    spanwire,
    SpanwireError,
    PyException,
    "Telemetry could not do what was asked."
);
create_exception!(
    spanwire,
    FlushTimeout,
    SpanwireError,
    "The collector did not take everything in time."
);

/// Adds what this file has to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("SpanwireError", py.get_type::<SpanwireError>())?;
    module.add("FlushTimeout", py.get_type::<FlushTimeout>())
}
