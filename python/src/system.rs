//! `SystemProbe`: a look at the process, its webview's processes and the host.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use spanwire::system::SystemProbe as Core;

/// Looks at the process and the host. Utilisation is from one sample to the next.
#[pyclass(frozen, module = "spanwire._core")]
pub(crate) struct SystemProbe(Mutex<Core>);

#[pymethods]
impl SystemProbe {
    #[new]
    fn new(py: Python<'_>) -> PyResult<Self> {
        let core = py.detach(Core::new);
        let core = core.map_err(|error| PyOSError::new_err(error.to_string()))?;
        Ok(Self(Mutex::new(core)))
    }

    /// A sample as a dict; what the system does not tell is None.
    fn sample<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let sample = py
            .detach(|| {
                // Within `detach`: a thread that waited for it with the interpreter's lock would
                // block the one that holds it.
                let mut core = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                core.sample_once()
            })
            .map_err(|error| PyOSError::new_err(error.to_string()))?;
        let children: u64 = sample.webview_processes.iter().map(|it| it.count).sum();
        let dict = PyDict::new(py);
        dict.set_item("cpu_utilization", sample.cpu_utilization)?;
        dict.set_item("memory_bytes", sample.memory_bytes)?;
        dict.set_item("threads", sample.threads)?;
        dict.set_item("open_files", sample.open_files)?;
        dict.set_item("uptime", sample.uptime.as_secs_f64())?;
        dict.set_item("host_cpu_utilization", sample.host_cpu_utilization)?;
        dict.set_item("host_memory_utilization", sample.host_memory_utilization)?;
        dict.set_item("host_memory_bytes", sample.host_memory_bytes)?;
        dict.set_item("webview_processes", children)?;
        Ok(dict)
    }
}

/// A roll-up's sketch with further durations, in nanoseconds.
#[pyfunction]
#[pyo3(signature = (sketch, durations))]
fn _sketch_with<'py>(
    py: Python<'py>,
    sketch: Option<&[u8]>,
    durations: Vec<u64>,
) -> Bound<'py, PyBytes> {
    let durations = durations.into_iter().map(Duration::from_nanos);
    PyBytes::new(py, &spanwire::history::sketch_with(sketch, durations))
}

/// Adds what this file has to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("HISTORY_SCHEMA", spanwire::history::SCHEMA)?;
    module.add_function(wrap_pyfunction!(_sketch_with, module)?)?;
    module.add_class::<SystemProbe>()
}
