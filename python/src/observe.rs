//! What `spanwire.pywebview` tells of the messages that pywebview carries.
//!
//! A call is one object from its arrival to its reply. pywebview calls it as if it were the app's
//! function, so no frame of ours is in a traceback.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use spanwire::ipc::PageState;
use spanwire::ipc::observe::{Delivery, Handling, Observer, PageScript};
use spanwire::semconv::{self, ErrorType};
use spanwire::startup::{self, Phase};
use tracing::{Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::fork::threads_start;
use crate::ipc_metrics::{self, IpcMetrics};
use crate::monitor::in_handler;
use crate::telemetry::within;

/// The knowledge of pywebview's bridge, in the page.
const ADAPTER: &str = include_str!("pywebview.js");
/// Values of a payload that are looked at for its size: a larger one is a few bytes more.
const SIZED_VALUES_MAX: usize = 10_000;

/// A lock whose holder runs no code of the app's, so a poisoned one is sound.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Observes the messages between one page and Python.
#[pyclass(name = "BridgeObserver", module = "spanwire._core", frozen)]
#[derive(Debug)]
pub(crate) struct BridgeObserver {
    observer: Observer,
    script: PageScript,
}

#[pymethods]
impl BridgeObserver {
    /// An observer under the name of the window's kind.
    #[new]
    fn new(name: &str) -> Self {
        threads_start();
        let script = PageScript::new();
        let observer = Observer::builder(name)
            .page_script(&script)
            .without_call_sites()
            .build();
        Self { observer, script }
    }

    /// The script to run at the start of each document, in its main frame.
    fn page_script(&self) -> String {
        format!("({ADAPTER})({});", self.script.expression())
    }

    /// The page called `function`, which `evaluate` sends the reply of.
    fn call(
        &self,
        name: &str,
        params: &Bound<'_, PyAny>,
        value_id: &str,
        function: Py<PyAny>,
        evaluate: Py<PyAny>,
    ) -> BridgeCall {
        let inbound = self
            .observer
            .call(name)
            .size(size_of(params))
            .page_call(posted(value_id));
        let handling = within(|| inbound.begin());
        BridgeCall {
            function,
            evaluate,
            state: Mutex::new(CallState::Open(handling)),
        }
    }

    /// The page called a function that there is none of; pywebview does not answer it.
    fn unknown(&self, name: &str, params: &Bound<'_, PyAny>, value_id: &str) {
        let inbound = self
            .observer
            .call(name)
            .size(size_of(params))
            .page_call(posted(value_id));
        within(|| inbound.begin().end(Err(ErrorType::UnknownEvent)));
    }

    /// Takes what the page's script says; `False` when it is not the script's.
    fn report(&self, py: Python<'_>, report: &str) -> bool {
        py.detach(|| within(|| self.observer.page_report(report).is_ok()))
    }

    /// A script of `size` bytes goes to the page.
    fn send(&self, name: &str, size: usize) -> BridgeSend {
        let mut delivery = within(|| self.observer.send(name, size));
        // pywebview has no batches: each script carries one message.
        delivery.sent(1);
        BridgeSend(Mutex::new(Some(delivery)))
    }

    /// The page is `loading`, `ready`, `gone` or `closed`.
    fn set_page_state(&self, state: &str) -> PyResult<()> {
        let state = match state {
            "loading" => PageState::Loading,
            "ready" => PageState::Ready,
            "gone" => PageState::Gone,
            "closed" => PageState::Closed,
            _ => return Err(PyValueError::new_err(format!("state: {state:?} is none"))),
        };
        within(|| self.observer.set_page_state(state));
        Ok(())
    }

    /// The page's state.
    #[getter]
    fn page_state(&self) -> &'static str {
        self.observer.page_state().as_str()
    }

    /// The page's process ended by itself.
    fn page_crashed(&self) {
        within(|| self.observer.page_crashed());
    }

    /// The thread that this is called on runs the webview.
    fn set_main_thread(&self) {
        self.observer.set_main_thread();
    }

    /// What was observed so far.
    fn metrics(&self, py: Python<'_>) -> PyResult<Py<IpcMetrics>> {
        ipc_metrics::snapshot(py, self.observer.metrics())
    }
}

#[derive(Debug)]
enum CallState {
    /// Its function has not ended; it does not run when this is seen.
    Open(Handling),
    /// Its function ended.
    Returned(Handling, Result<(), ErrorType>),
    Ended,
}

/// A call of the page's: called as the app's function, then told its reply.
///
/// One that is dropped before ends as `cancelled`.
#[pyclass(module = "spanwire._core", frozen)]
#[derive(Debug)]
pub(crate) struct BridgeCall {
    function: Py<PyAny>,
    evaluate: Py<PyAny>,
    state: Mutex<CallState>,
}

impl BridgeCall {
    fn take(&self) -> CallState {
        std::mem::replace(&mut lock(&self.state), CallState::Ended)
    }
}

#[pymethods]
impl BridgeCall {
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        let run = || self.function.call(py, args, kwargs);
        // pywebview calls the wrapper once. A second call runs the function without a span.
        let CallState::Open(mut handling) = self.take() else {
            return run();
        };
        let call = || {
            let span = Span::current();
            // pywebview starts a thread for each call. The span begins before that, so the event
            // shows how long the start took.
            span.add_event("started", Vec::new());
            let result = in_handler(py, run);
            span.add_event("returned", Vec::new());
            if let Err(error) = &result {
                failed(py, error);
            }
            result
        };
        let result = within(|| handling.in_scope(call));
        let outcome = result
            .as_ref()
            .map(|_| ())
            .map_err(|_| ErrorType::HandlerError);
        // The lock was free while the app's function ran.
        *lock(&self.state) = CallState::Returned(handling, outcome);
        result
    }

    /// Sends the reply: `script` is what pywebview made of the outcome.
    fn reply(&self, py: Python<'_>, script: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let evaluate = || self.evaluate.call1(py, (script,));
        let (handling, outcome) = match self.take() {
            CallState::Returned(handling, outcome) => (handling, outcome),
            // It did not come to the function, and that is what pywebview tells the page.
            CallState::Open(handling) => (handling, Err(ErrorType::HandlerError)),
            CallState::Ended => return evaluate(),
        };
        // pywebview does not say how the call ended: the script that it made for the page tells.
        let text = script.extract::<String>().unwrap_or_default();
        let (is_error, size) = reply_of(&text);
        let mut handling = handling;
        let outcome = match outcome {
            Ok(()) if is_error => {
                // What it returned cannot be written as JSON.
                within(|| handling.in_scope(unserialisable));
                Err(ErrorType::HandlerError)
            }
            outcome => outcome,
        };
        let mut delivery = within(|| handling.reply(outcome, size));
        delivery.sent(1);
        // The delivery begins before: the page may report that it ran before `evaluate` returns.
        let sent = evaluate();
        within(|| match &sent {
            Ok(_) => delivery.handed_over(),
            Err(_) => delivery.failed(ErrorType::PageGone),
        });
        sent
    }
}

/// A script on its way to the page.
#[pyclass(module = "spanwire._core", frozen)]
#[derive(Debug)]
pub(crate) struct BridgeSend(Mutex<Option<Delivery>>);

#[pymethods]
impl BridgeSend {
    /// The page ran it.
    fn ran(&self) -> PyResult<()> {
        self.take()?.acknowledged();
        Ok(())
    }

    /// The page ran it, and it threw.
    fn threw(&self) -> PyResult<()> {
        self.take()?.failed(ErrorType::ScriptError);
        Ok(())
    }

    /// It did not reach the page.
    fn lost(&self) -> PyResult<()> {
        self.take()?.failed(ErrorType::PageGone);
        Ok(())
    }
}

impl BridgeSend {
    fn take(&self) -> PyResult<Delivery> {
        lock(&self.0)
            .take()
            .ok_or_else(|| PyRuntimeError::new_err("it ended before"))
    }
}

/// A phase of the app's start is reached.
#[pyfunction]
pub(crate) fn startup_reached(phase: &str) -> PyResult<()> {
    let phase = Phase::ALL
        .iter()
        .find(|one| one.as_str() == phase)
        .ok_or_else(|| PyValueError::new_err(format!("phase: {phase:?} is none")))?;
    startup::reached(*phase);
    Ok(())
}

/// Logs the exception of a handler, as the wire logs the error of one in Rust.
pub(crate) fn failed(py: Python<'_>, error: &PyErr) {
    let name = error
        .get_type(py)
        .name()
        .map_or_else(|_| "Exception".to_owned(), |name| name.to_string());
    let message = error.value(py).to_string();
    log_failure(&name, &message);
}

fn unserialisable() {
    log_failure("TypeError", "the result cannot be written as JSON");
}

fn log_failure(name: &str, message: &str) {
    /// Of a message, in characters.
    const MESSAGE_LEN_MAX: usize = 1_000;
    // Characters, since a cut between the bytes of one would panic.
    let message: String = message.chars().take(MESSAGE_LEN_MAX).collect();
    tracing::event!(
        name: semconv::EVENT_HANDLER_FAILED,
        target: "spanwire",
        Level::ERROR,
        { { semconv::EXCEPTION_TYPE } = name, { semconv::EXCEPTION_MESSAGE } = message.as_str() },
        "handler failed"
    );
}

/// What the page's script put behind the id of a call.
fn posted(value_id: &str) -> &str {
    value_id.split_once('|').map_or("", |(_, posted)| posted)
}

/// Whether a reply rejects the page's promise, and the bytes of its JSON.
fn reply_of(script: &str) -> (bool, usize) {
    // pywebview's own text. Where a version has another one, the outcome is that of the function,
    // and the size that of the whole script.
    const VALUE: &str = "value: '";
    let Some((head, value)) = script.split_once(VALUE) else {
        return (false, script.len());
    };
    let is_error = head.ends_with("({isError: true, ");
    (is_error, value.len().saturating_sub("'})".len()))
}

/// About the bytes that `value` has as JSON.
fn size_of(value: &Bound<'_, PyAny>) -> usize {
    // The size is estimated: to write the payload as JSON once more would cost what pywebview's own
    // parser took.
    let mut left = SIZED_VALUES_MAX;
    add_size(value, &mut left, 0)
}

fn add_size(value: &Bound<'_, PyAny>, left: &mut usize, depth: usize) -> usize {
    // Python objects can contain themselves.
    const DEPTH_MAX: usize = 32;
    if *left == 0 || depth > DEPTH_MAX {
        return 0;
    }
    *left -= 1;
    if let Ok(text) = value.cast::<PyString>() {
        return text.len().unwrap_or_default() + 2;
    }
    if let Ok(list) = value.cast::<PyList>() {
        let items = list.iter().map(|item| add_size(&item, left, depth + 1) + 1);
        return items.sum::<usize>().max(1) + 1;
    }
    if let Ok(dict) = value.cast::<PyDict>() {
        let items = dict.iter().map(|(key, item)| {
            add_size(&key, left, depth + 1) + add_size(&item, left, depth + 1) + 2
        });
        return items.sum::<usize>().max(1) + 1;
    }
    if value.is_instance_of::<PyBool>() {
        // The bool comes before the int, since a bool is an int in Python.
        return 5;
    }
    if value.is_instance_of::<PyInt>() || value.is_instance_of::<PyFloat>() {
        // `str` fails for an int of more than 4,300 digits.
        return value.str().map_or(8, |text| text.len().unwrap_or(8));
    }
    4
}

/// Adds what this file has to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<BridgeObserver>()?;
    module.add_class::<BridgeCall>()?;
    module.add_class::<BridgeSend>()?;
    module.add_function(wrap_pyfunction!(startup_reached, module)?)
}
