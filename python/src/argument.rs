//! Arguments from Python, refused with their names.
//!
//! PyO3 puts an argument's name into a note of the exception, which Python has from 3.11 on and which
//! is no part of its text. So each argument has a function here for `from_py_with`.

use std::time::Duration;

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt, PyString};

/// A text. What UTF-8 cannot say, such as a byte of a file's name, is replaced: an app must not fail
/// because of what it measures.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Text(pub(crate) String);

impl std::ops::Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'py> FromPyObject<'_, 'py> for Text {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match value.cast::<PyString>() {
            // `to_str` fails at a lone surrogate, which `os.fsdecode` makes of a byte that is no
            // UTF-8.
            Ok(text) => Ok(Self(text.to_string_lossy().into_owned())),
            Err(_) => Err(PyTypeError::new_err(format!(
                "a str is needed, not {}",
                value.get_type().name()?
            ))),
        }
    }
}

/// What an argument can be.
trait Argument: Sized {
    fn from_python(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Self>;
}

impl<T: Argument> Argument for Option<T> {
    fn from_python(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Self> {
        if value.is_none() {
            return Ok(None);
        }
        T::from_python(value, name).map(Some)
    }
}

impl Argument for Text {
    fn from_python(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Self> {
        value
            .extract()
            .map_err(|_| wrong_type(value, name, "a str"))
    }
}

impl Argument for f64 {
    fn from_python(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Self> {
        // `record` takes this way: an exact float needs no call of `__float__`.
        if let Ok(value) = value.cast_exact::<PyFloat>() {
            return Ok(value.value());
        }
        value.extract().map_err(|error: PyErr| {
            // An int above the largest float has the right type.
            if error.is_instance_of::<PyOverflowError>(value.py()) {
                return out_of_bounds(value, name);
            }
            wrong_type(value, name, "a number")
        })
    }
}

impl Argument for Duration {
    fn from_python(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Self> {
        seconds_of(f64::from_python(value, name)?, name)
    }
}

/// A whole number in the bounds of the type.
macro_rules! whole {
    ($($whole:ty),*) => {$(
        impl Argument for $whole {
            fn from_python(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Self> {
                value.extract().map_err(|_: PyErr| {
                    // PyO3 raises OverflowError for an int that does not fit, also for a negative
                    // one.
                    if value.is_instance_of::<PyInt>() {
                        return out_of_bounds(value, name);
                    }
                    wrong_type(value, name, "an int")
                })
            }
        }
    )*};
}

whole!(u32, usize);

fn wrong_type(value: &Bound<'_, PyAny>, name: &str, needed: &str) -> PyErr {
    let given = value.get_type().name();
    let given = given.map_or_else(|_| "something else".to_owned(), |given| given.to_string());
    PyTypeError::new_err(format!("{name}: {needed} is needed, not {given}"))
}

fn out_of_bounds(value: &Bound<'_, PyAny>, name: &str) -> PyErr {
    PyValueError::new_err(format!("{name}: {value} is out of bounds"))
}

/// Seconds from Python as a duration.
pub(crate) fn seconds_of(seconds: f64, name: &str) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        PyValueError::new_err(format!(
            "{name}: seconds from 0 on are needed, not {seconds}"
        ))
    })
}

macro_rules! arguments {
    ($($name:ident: $type:ty),* $(,)?) => {$(
        pub(crate) fn $name(value: &Bound<'_, PyAny>) -> PyResult<$type> {
            Argument::from_python(value, stringify!($name))
        }
    )*};
}

arguments! {
    capacity: usize,
    category: Option<Text>,
    duration: Duration,
    error_type: Option<Text>,
    key: Text,
    max: Option<usize>,
    name: Text,
    overflow: Text,
    queue_capacity: usize,
    sample_one_in: u32,
    seconds: Duration,
    service_name: Text,
    slow_after: Option<Duration>,
    timeout: Duration,
    unit: Option<Text>,
    value: f64,
    workers: usize,
}

/// Where none is as good: `seconds` of a threshold that is taken back.
pub(crate) fn seconds_or_none(value: &Bound<'_, PyAny>) -> PyResult<Option<Duration>> {
    Argument::from_python(value, "seconds")
}

/// Where none is as good: `timeout` of a wait without end.
pub(crate) fn timeout_or_none(value: &Bound<'_, PyAny>) -> PyResult<Option<Duration>> {
    Argument::from_python(value, "timeout")
}

/// Where none is as good: `name` of the operation that runs.
pub(crate) fn name_or_none(value: &Bound<'_, PyAny>) -> PyResult<Option<Text>> {
    Argument::from_python(value, "name")
}
