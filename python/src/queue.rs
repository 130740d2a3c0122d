//! `MessageQueue`: the library's queue with Python objects in it.

use std::time::Duration;

use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyTimeoutError, PyValueError};
use pyo3::prelude::*;
use spanwire::queue::{MessageQueue as Core, Overflow, PopError, PushErrorReason, Pushed};

create_exception!(
    spanwire,
    QueueFull,
    PyException,
    "The queue had no room for the message."
);
create_exception!(
    spanwire,
    QueueClosed,
    PyException,
    "The queue is closed; for pop, it is empty as well."
);

/// A bounded queue whose messages, losses and waits are counted.
///
/// `overflow` says what a full queue does with one more message: "drop_newest" refuses it with
/// `QueueFull`, "drop_oldest" gives up the oldest, "block" waits. Waiting releases the
/// interpreter's lock.
#[pyclass(frozen, module = "spanwire", weakref)]
pub(crate) struct MessageQueue {
    core: Core<Py<PyAny>>,
    /// Whether a push waits for room.
    blocks: bool,
}

#[pymethods]
impl MessageQueue {
    #[new]
    #[pyo3(signature = (name, capacity=1000, *, overflow="drop_newest"))]
    fn new(name: &str, capacity: usize, overflow: &str) -> PyResult<Self> {
        check_name(name)?;
        if capacity == 0 {
            return Err(PyValueError::new_err("capacity: at least 1"));
        }
        let overflow = match overflow {
            "drop_newest" => Overflow::DropNewest,
            "drop_oldest" => Overflow::DropOldest,
            "block" => Overflow::Block,
            _ => {
                return Err(PyValueError::new_err(
                    "overflow: 'drop_newest', 'drop_oldest' or 'block'",
                ));
            }
        };
        let builder = Core::builder(name).capacity(capacity).overflow(overflow);
        Ok(Self {
            core: builder.build(),
            blocks: overflow == Overflow::Block,
        })
    }

    /// Queues a message. With `timeout`, in seconds, it waits that long for room.
    ///
    /// Returns the message that was given up for it, if any.
    #[pyo3(signature = (message, timeout=None))]
    fn push(
        &self,
        py: Python<'_>,
        message: Py<PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<Option<Py<PyAny>>> {
        let pushed = match timeout {
            Some(timeout) => {
                let timeout = duration(timeout, "timeout")?;
                py.detach(|| self.core.push_timeout(message, timeout))
            }
            // That there is room now says nothing: a producer that waits for it may be quicker.
            None if self.blocks => py.detach(|| self.core.push(message)),
            // A push that does not wait takes less time than to give up the lock.
            None => self.core.push(message),
        };
        match pushed {
            Ok(Pushed::Evicted(old) | Pushed::Superseded(old)) => Ok(Some(old)),
            Ok(_) => Ok(None),
            Err(error) => Err(match error.reason {
                PushErrorReason::Closed => QueueClosed::new_err(error.to_string()),
                _ => QueueFull::new_err(error.to_string()),
            }),
        }
    }

    /// Takes the oldest message. Without a timeout it waits until there is one; 0 does not wait.
    #[pyo3(signature = (timeout=None))]
    fn pop(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Py<PyAny>> {
        let timeout = timeout
            .map(|given| duration(given, "timeout"))
            .transpose()?;
        if let Some(message) = self.core.try_pop() {
            return Ok(message);
        }
        let mut left = timeout;
        loop {
            // A slice, so that Ctrl-C ends the wait.
            let slice = left.map_or(SLICE, |left| left.min(SLICE));
            match py.detach(|| self.core.pop_timeout(slice)) {
                Ok(message) => return Ok(message),
                Err(PopError::Closed) => {
                    return Err(QueueClosed::new_err(PopError::Closed.to_string()));
                }
                Err(error) => {
                    left = left.map(|left| left.saturating_sub(slice));
                    if left.is_some_and(|left| left.is_zero()) {
                        return Err(PyTimeoutError::new_err(error.to_string()));
                    }
                }
            }
            py.check_signals()?;
        }
    }

    /// Takes the oldest message, or returns None.
    fn try_pop(&self) -> Option<Py<PyAny>> {
        self.core.try_pop()
    }

    /// Takes up to `max` messages, the oldest first; all without `max`.
    #[pyo3(signature = (max=None))]
    fn drain(&self, max: Option<usize>) -> Vec<Py<PyAny>> {
        self.core.drain(max.unwrap_or(usize::MAX))
    }

    /// Closes it: pushes are refused, waits end, and pops give what is left.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.core.close());
    }

    #[getter]
    fn closed(&self) -> bool {
        self.core.is_closed()
    }

    #[getter]
    fn name(&self) -> &str {
        self.core.name()
    }

    #[getter]
    fn capacity(&self) -> usize {
        self.core.capacity()
    }

    /// The most messages that ever waited at once.
    #[getter]
    fn peak(&self) -> usize {
        self.core.peak()
    }

    fn __len__(&self) -> usize {
        self.core.len()
    }

    /// A queue is true even when it is empty.
    fn __bool__(&self) -> bool {
        true
    }

    fn __repr__(&self) -> String {
        format!(
            "MessageQueue({:?}, {} of {})",
            self.core.name(),
            self.core.len(),
            self.core.capacity()
        )
    }
}

const SLICE: Duration = Duration::from_millis(100);

/// Seconds from Python as a duration.
pub(crate) fn duration(seconds: f64, argument: &str) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        PyValueError::new_err(format!(
            "{argument}: seconds from 0 on are needed, not {seconds}"
        ))
    })
}

/// A name of an operation or a queue.
pub(crate) fn check_name(name: &str) -> PyResult<()> {
    if (1..=128).contains(&name.len()) {
        return Ok(());
    }
    Err(PyValueError::new_err(
        "name: 1 to 128 bytes of UTF-8 are allowed",
    ))
}

/// Adds what this file has to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("QueueFull", py.get_type::<QueueFull>())?;
    module.add("QueueClosed", py.get_type::<QueueClosed>())?;
    module.add_class::<MessageQueue>()
}
