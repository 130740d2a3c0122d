//! `Measurement`: values that the app measures.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use spanwire::measurement::Measurement as Core;

use crate::argument::{self, Text};
use crate::fork::is_child;

/// A gauge of the app's own; the last value recorded is what is exported.
///
/// Make one for each name and keep it: its series is found once. `name` and `category` are 1 to 128
/// bytes of printable text, `unit` is best as UCUM writes it: `ms`, `By`, `{frame}/s`. Raises
/// TypeError and ValueError, which name the argument.
#[pyclass(frozen, module = "spanwire")]
pub(crate) struct Measurement {
    core: Core,
    /// Its name.
    #[pyo3(get)]
    name: String,
}

#[pymethods]
impl Measurement {
    #[new]
    #[pyo3(signature = (name, *, category=None, unit=None))]
    fn new(
        #[pyo3(from_py_with = argument::name)] name: Text,
        #[pyo3(from_py_with = argument::category)] category: Option<Text>,
        #[pyo3(from_py_with = argument::unit)] unit: Option<Text>,
    ) -> PyResult<Self> {
        let name = name.0;
        check(&name, "name")?;
        let mut core = Core::new(&name);
        if let Some(category) = category {
            check(&category, "category")?;
            core = core.category(&category);
        }
        if let Some(unit) = unit {
            // The rule of the wire's `record` messages, so pages and Python may use the same units.
            let visible = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
            if !(1..=64).contains(&unit.len()) || !unit.bytes().all(visible) {
                return Err(PyValueError::new_err(
                    "unit: 1 to 64 visible ASCII characters but \" and \\ are allowed, best as UCUM writes it",
                ));
            }
            core = core.unit(&unit);
        }
        Ok(Self { core, name })
    }

    /// Records a value. One that is not finite is left out.
    fn record(&self, #[pyo3(from_py_with = argument::value)] value: f64) {
        if !is_child() {
            self.core.record(value);
        }
    }

    fn __repr__(&self) -> String {
        format!("Measurement({:?})", self.name)
    }
}

fn check(name: &str, argument: &str) -> PyResult<()> {
    spanwire::ipc::check_event_name(name)
        .map_err(|error| PyValueError::new_err(format!("{argument}: {error}")))
}

/// Adds what this file has to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Measurement>()
}
