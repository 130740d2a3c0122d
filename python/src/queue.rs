//! `MessageQueue`: the library's queue with Python objects in it.

use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::time::Duration;

use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyTimeoutError, PyValueError};
use pyo3::prelude::*;
use spanwire::clock::Clock;
use spanwire::queue::{
    MessageQueue as Core, Overflow, PopError, PushError, PushErrorReason, Pushed,
};

use crate::argument::{self, Text};
use crate::fork::is_child;

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
#[pyclass(frozen, generic, module = "spanwire", weakref)]
pub(crate) struct MessageQueue {
    core: Core<Py<PyAny>>,
    /// In place of it in a forked child, where a thread that is not there may have its lock.
    of_child: OnceLock<Core<Py<PyAny>>>,
    overflow: Overflow,
}

impl MessageQueue {
    /// The queue of this process: a child's is empty, since what waited at the fork is its parent's.
    fn core(&self) -> &Core<Py<PyAny>> {
        if !is_child() {
            return &self.core;
        }
        self.of_child.get_or_init(|| {
            Core::builder(self.core.name())
                .capacity(self.core.capacity())
                .overflow(self.overflow)
                // The child has let go of the recorder, so there is nothing to measure with.
                .unmeasured()
                .build()
        })
    }
}

#[pymethods]
impl MessageQueue {
    #[new]
    #[pyo3(signature = (name, capacity=1000, *, overflow=Text("drop_newest".to_owned())))]
    fn new(
        #[pyo3(from_py_with = argument::name)] name: Text,
        #[pyo3(from_py_with = argument::capacity)] capacity: usize,
        #[pyo3(from_py_with = argument::overflow)] overflow: Text,
    ) -> PyResult<Self> {
        check_name(&name)?;
        if capacity == 0 {
            return Err(PyValueError::new_err("capacity: at least 1"));
        }
        let overflow = match &*overflow {
            "drop_newest" => Overflow::DropNewest,
            "drop_oldest" => Overflow::DropOldest,
            "block" => Overflow::Block,
            _ => {
                return Err(PyValueError::new_err(
                    "overflow: 'drop_newest', 'drop_oldest' or 'block'",
                ));
            }
        };
        let mut builder = Core::builder(&name).capacity(capacity).overflow(overflow);
        if is_child() {
            builder = builder.unmeasured();
        }
        Ok(Self {
            core: builder.build(),
            of_child: OnceLock::new(),
            overflow,
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
        #[pyo3(from_py_with = argument::timeout_or_none)] timeout: Option<Duration>,
    ) -> PyResult<Option<Py<PyAny>>> {
        // A push that does not wait takes less time than to give up the lock.
        let pushed = if timeout.is_none() && self.overflow != Overflow::Block {
            self.core().push(message)
        } else {
            self.push_waiting(py, message, timeout)?
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
    fn pop(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = argument::timeout_or_none)] timeout: Option<Duration>,
    ) -> PyResult<Py<PyAny>> {
        // The usual case, without giving up the interpreter's lock.
        if let Some(message) = self.core().try_pop() {
            return Ok(message);
        }
        let popped = wait(py, timeout, (), |(), slice| {
            match self.core().pop_timeout(slice.length) {
                Err(PopError::Timeout) if !slice.is_last => ControlFlow::Continue(()),
                popped => ControlFlow::Break(popped),
            }
        })?;
        popped.map_err(|error| match error {
            PopError::Closed => QueueClosed::new_err(error.to_string()),
            _ => PyTimeoutError::new_err(error.to_string()),
        })
    }

    /// Takes the oldest message, or returns None.
    fn try_pop(&self) -> Option<Py<PyAny>> {
        self.core().try_pop()
    }

    /// Takes up to `max` messages, the oldest first; all without `max`.
    #[pyo3(signature = (max=None))]
    fn drain(&self, #[pyo3(from_py_with = argument::max)] max: Option<usize>) -> Vec<Py<PyAny>> {
        self.core().drain(max.unwrap_or(usize::MAX))
    }

    /// Closes it: pushes are refused, waits end, and pops give what is left.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.core().close());
    }

    /// Whether `close` was called: pushes fail, and pops give what is left.
    #[getter]
    fn closed(&self) -> bool {
        self.core().is_closed()
    }

    /// The label of the queue's series.
    #[getter]
    fn name(&self) -> &str {
        self.core.name()
    }

    /// The most messages that wait at once.
    #[getter]
    fn capacity(&self) -> usize {
        self.core.capacity()
    }

    /// The most messages that ever waited at once.
    #[getter]
    fn peak(&self) -> usize {
        self.core().peak()
    }

    fn __len__(&self) -> usize {
        self.core().len()
    }

    /// A queue is true even when it is empty.
    fn __bool__(&self) -> bool {
        true
    }

    fn __repr__(&self) -> String {
        format!(
            "MessageQueue({:?}, {} of {})",
            self.core.name(),
            self.core().len(),
            self.core.capacity()
        )
    }
}

type PushOutcome = Result<Pushed<Py<PyAny>>, PushError<Py<PyAny>>>;

impl MessageQueue {
    /// Waits for room.
    fn push_waiting(
        &self,
        py: Python<'_>,
        message: Py<PyAny>,
        timeout: Option<Duration>,
    ) -> PyResult<PushOutcome> {
        wait(py, timeout, message, |message, slice| {
            if slice.is_last {
                // A message that finds no room now is lost, and counts as such.
                return ControlFlow::Break(self.core().push_timeout(message, slice.length));
            }
            // A slice that is not the last counts nothing: the message is still on its way.
            match self.core().push_again_timeout(message, slice.length) {
                Err(error) if error.reason == PushErrorReason::Timeout => {
                    ControlFlow::Continue(error.message)
                }
                pushed => ControlFlow::Break(pushed),
            }
        })
    }
}

/// A part of a wait.
#[derive(Clone, Copy)]
struct Slice {
    length: Duration,
    /// There is no time for another one: it ends the wait, whatever comes of it.
    is_last: bool,
}

/// Waits in slices without the interpreter's lock until one of them has an outcome. Between two of
/// them Ctrl-C ends the wait. `state` is what one slice hands on to the next.
///
/// The end is a point in time: what a slice takes beyond its length, as when it waits for the
/// interpreter's lock, does not make the wait longer.
fn wait<State: Send, Outcome: Send>(
    py: Python<'_>,
    timeout: Option<Duration>,
    mut state: State,
    wait_for: impl Fn(State, Slice) -> ControlFlow<Outcome, State> + Sync,
) -> PyResult<Outcome> {
    let clock = Clock::system();
    let deadline = timeout.map(|timeout| clock.now().plus(timeout));
    loop {
        let left = deadline.map(|deadline| deadline.since(clock.now()));
        let slice = Slice {
            length: left.map_or(SLICE_MAX, |left| left.min(SLICE_MAX)),
            is_last: left.is_some_and(|left| left <= SLICE_MAX),
        };
        match py.detach(|| wait_for(state, slice)) {
            ControlFlow::Break(outcome) => return Ok(outcome),
            ControlFlow::Continue(next) => state = next,
        }
        // Python runs signal handlers on the main thread alone, and only when asked.
        py.check_signals()?;
    }
}

// How long Ctrl-C may take. Shorter slices would wake an idle consumer more often.
const SLICE_MAX: Duration = Duration::from_millis(100);

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
