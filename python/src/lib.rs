//! The Rust half of the Python package `spanwire`; `python/spanwire/` is the other.
//!
//! Each noun has a file, whose `register` adds its classes. Nothing here waits while it holds the
//! interpreter's lock.

mod argument;
mod error;
mod foreign_span;
mod fork;
mod interpreter;
mod ipc;
mod ipc_metrics;
mod log_record;
mod measurement;
mod monitor;
mod observe;
mod process_recorder;
mod queue;
mod report;
mod system;
mod telemetry;

/// What `spanwire/__init__.py` gives names to. No free-threaded Python has run the tests, so one turns
/// its lock on for us, and says so.
#[pyo3::pymodule(gil_used = true)]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::interpreter::check(module.py())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        crate::error::register(module)?;
        crate::fork::register(module)?;
        crate::ipc::register(module)?;
        crate::ipc_metrics::register(module)?;
        crate::observe::register(module)?;
        crate::telemetry::register(module)?;
        crate::report::register(module)?;
        crate::monitor::register(module)?;
        crate::queue::register(module)?;
        crate::log_record::register(module)?;
        crate::foreign_span::register(module)?;
        crate::system::register(module)?;
        crate::measurement::register(module)
    }
}
