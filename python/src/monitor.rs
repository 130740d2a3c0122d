//! `Monitor` and `Run`: operations that Python measures.
//!
//! Which run is the innermost is kept in a `contextvars` variable, so it follows coroutines and not
//! threads. No token is kept: a generator may end in another context than it began in.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use pyo3::exceptions::{
    PyBaseException, PyGeneratorExit, PyStopIteration, PyTypeError, PyValueError,
};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString};
use spanwire::timer::{DetachedRun, FieldValue, Operation, Outcome, operation};

use crate::argument::{self, Text};
use crate::foreign_span::is_undecided;
use crate::fork::is_child;
use crate::queue::check_name;
use crate::telemetry::{Active, is_listening, listening, within};

/// Measures what is done as the operation of that name.
///
/// It is for `with`, `async with` and as a decorator of functions, coroutine functions and
/// generators, as often as needed and on several threads at a time. Keep one for a name that is
/// measured often. An exception is recorded and raised on. Before `install` no clock is read.
///
/// `name`: 1 to 128 bytes; 200 names in a process have series of their own.
/// `slow_after`: from how many seconds on a run counts as slow; 1 by default.
/// `sample_one_in`: a span for one run in so many, 0 for none; metrics count all.
/// `fields`: str, int, float or bool by name, for the span and log records of each run.
///
/// Raises TypeError and ValueError, which name the argument.
#[pyclass(frozen, module = "spanwire", weakref)]
pub(crate) struct Monitor {
    operation: Operation,
    slow_after: Option<Duration>,
    sample_one_in: u32,
    fields: Vec<(String, FieldValue)>,
    /// Those that `__enter__` began, the innermost last.
    // One monitor may be entered several times at once: by recursion, threads or tasks.
    open: Mutex<Vec<Py<Run>>>,
}

#[pymethods]
impl Monitor {
    #[new]
    #[pyo3(signature = (name, *, slow_after=None, sample_one_in=1, fields=None))]
    fn new(
        #[pyo3(from_py_with = argument::name)] name: Text,
        #[pyo3(from_py_with = argument::slow_after)] slow_after: Option<Duration>,
        #[pyo3(from_py_with = argument::sample_one_in)] sample_one_in: u32,
        fields: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        check_name(&name)?;
        let mut given = Vec::new();
        for (key, value) in fields.into_iter().flatten() {
            let key: Text = key
                .extract()
                .map_err(|_| PyTypeError::new_err("fields: the keys are str"))?;
            given.push((key.0, field_value(&value)?));
        }
        Ok(Self {
            operation: operation(&name),
            slow_after,
            sample_one_in,
            fields: given,
            open: Mutex::default(),
        })
    }

    /// The operation's name.
    #[getter]
    fn name(&self) -> &str {
        self.operation.name()
    }

    /// How many of the operation are running now, as far as they are measured.
    #[getter]
    fn active(&self) -> u64 {
        self.operation.active()
    }

    /// Starts a run that ends by hand: by its `end`, or as a `with` block.
    ///
    /// It is not the parent of what follows before it is entered.
    fn start(&self, py: Python<'_>) -> PyResult<Run> {
        let (measured, parent) = match &*listening() {
            // Without telemetry it is still a `Run`, so that code which uses `run.field` needs no
            // check.
            None => (None, None),
            Some(active) => {
                // This call precedes the read of the clock in `begin`: the time of Python's calls
                // is not part of the run.
                let (context, parent) = parent(py)?;
                (Some(self.begin(active, &context)), parent)
            }
        };
        let context = match &measured {
            Some(measured) => measured.context().clone(),
            None => Context::new(),
        };
        Ok(Run {
            state: Mutex::new(State {
                measured,
                outer: parent,
                attached: None,
                is_ended: false,
                caller: None,
                innermost: None,
            }),
            context,
        })
    }

    fn __enter__(&self, py: Python<'_>) -> PyResult<Py<Run>> {
        let run = Py::new(py, self.start(py)?)?;
        enter(&run, py)?;
        self.open().push(run.clone_ref(py));
        Ok(run)
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _exc_type: &Bound<'_, PyAny>,
        exc: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        if let Some(run) = self.take_open(py)? {
            leave(&run, py, exc)?;
        }
        Ok(false)
    }

    fn __aenter__(&self, py: Python<'_>) -> PyResult<Ready> {
        // It runs when `async with` calls it and not when it is awaited: both happen in one step of
        // the task.
        Ok(Ready::new(self.__enter__(py)?.into_any()))
    }

    fn __aexit__(
        &self,
        py: Python<'_>,
        exc_type: &Bound<'_, PyAny>,
        exc: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) -> PyResult<Ready> {
        self.__exit__(py, exc_type, exc, traceback)?;
        Ok(Ready::new(
            PyBool::new(py, false).to_owned().into_any().unbind(),
        ))
    }

    /// As a decorator: of functions, coroutine functions, generators and asynchronous generators.
    fn __call__(slf: Bound<'_, Self>, function: Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        static WRAP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = slf.py();
        let wrap = WRAP.import(py, "spanwire._wrap", "wrap")?;
        Ok(wrap.call1((slf, function))?.unbind())
    }

    /// Counts a run that was measured elsewhere: `duration` in seconds, until now.
    ///
    /// A run that failed has `error_type`, an attribute of metrics: give it few values.
    #[pyo3(signature = (duration, ok=true, *, error_type=None))]
    fn record(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = argument::duration)] duration: Duration,
        ok: bool,
        #[pyo3(from_py_with = argument::error_type)] error_type: Option<Text>,
    ) -> PyResult<()> {
        if is_listening() {
            let outcome = match error_type.as_deref() {
                Some(error_type) => Outcome::failed(error_type),
                None => Outcome::from(ok),
            };
            // Its log records and its row have the trace that it is a part of.
            let _within = parent(py)?.0.attach();
            within(|| self.operation.record(duration, outcome));
        }
        Ok(())
    }

    /// Sets from how many seconds on the operation counts as slow, whatever the code asks for; None
    /// takes it back.
    #[pyo3(signature = (seconds))]
    fn set_slow_threshold(
        &self,
        #[pyo3(from_py_with = argument::seconds_or_none)] seconds: Option<Duration>,
    ) {
        self.operation.set_slow_threshold(seconds);
    }

    fn __repr__(&self) -> String {
        format!("monitor({:?})", self.operation.name())
    }
}

impl Monitor {
    fn begin(&self, active: &Active, parent: &Context) -> DetachedRun {
        let mut monitor = self.operation.monitor();
        if self.sample_one_in != 1 {
            monitor = monitor.sample_one_in(self.sample_one_in);
        }
        if let Some(threshold) = self.slow_after {
            monitor = monitor.slow_after(threshold);
        }
        let mut run = match &active.tracer {
            // A run may begin and end on different threads and tasks, where a `tracing` span cannot
            // stay entered.
            Some(tracer) => monitor.start_detached_by(tracer, parent),
            // Nothing exports spans, so none is made.
            None => monitor.sample_one_in(0).start_detached(parent),
        };
        for (key, value) in &self.fields {
            run.field(key.clone(), value.clone());
        }
        run
    }

    fn open(&self) -> MutexGuard<'_, Vec<Py<Run>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one that ends now: that of this context, or the last.
    fn take_open(&self, py: Python<'_>) -> PyResult<Option<Py<Run>>> {
        {
            let mut open = self.open();
            if open.len() <= 1 {
                // The usual case, without a look at Python's context.
                return Ok(open.pop());
            }
        }
        // Not under the lock: another thread may have the interpreter and want the lock.
        let current = current(py)?;
        // From the innermost outwards: a generator's block may end while its caller is in one more.
        let mut around = current;
        while let Some(run) = around {
            {
                let mut open = self.open();
                if let Some(place) = open.iter().rposition(|it| it.is(&run)) {
                    return Ok(Some(open.remove(place)));
                }
            }
            let outer = &run.get().state().outer;
            around = outer.as_ref().map(|outer| outer.clone_ref(py));
        }
        // A generator may end in another context, where none of the runs is known.
        Ok(self.open().pop())
    }
}

/// One run of an operation; `with monitor(…) as run` gives it.
#[pyclass(frozen, module = "spanwire", weakref)]
pub(crate) struct Run {
    state: Mutex<State>,
    context: Context,
}

struct State {
    measured: Option<DetachedRun>,
    /// The run around it.
    outer: Option<Py<Run>>,
    /// What OpenTelemetry's `attach` gave.
    attached: Option<Py<PyAny>>,
    is_ended: bool,
    /// Of a generator's: the run that was current where it was asked for its next item.
    caller: Option<Py<Run>>,
    /// Of a generator's: the run that was the innermost when it yielded.
    innermost: Option<Py<Run>>,
}

#[pymethods]
impl Run {
    /// Notes something about this run, for its span and its log records. Never for metrics.
    ///
    /// A str, int, float or bool; 16 fields and 256 bytes of text each are kept.
    fn field(
        &self,
        #[pyo3(from_py_with = argument::key)] key: Text,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let value = field_value(value)?;
        if let Some(measured) = &mut self.state().measured {
            measured.field(key.0, value);
        }
        Ok(())
    }

    /// Ends it: well, or as the exception says. Only the first call counts.
    #[pyo3(signature = (error=None))]
    fn end(&self, py: Python<'_>, error: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        if let Some(error) = error
            && !error.is_instance_of::<PyBaseException>()
        {
            return Err(PyTypeError::new_err(format!(
                "error: an exception is needed, not {}",
                error.get_type().name()?
            )));
        }
        // This block takes the measurement out under the lock. The measurement ends without the
        // lock, since its end may call Python code, which may use this run.
        let measured = {
            let mut state = self.state();
            state.is_ended = true;
            state.measured.take()
        };
        let Some(mut measured) = measured else {
            return Ok(());
        };
        if is_child() {
            // What it would reach may be locked by a thread that is not there.
            std::mem::forget(measured);
            return Ok(());
        }
        match error {
            None => within(|| measured.complete()),
            Some(error) => {
                // The clock stops before the exception is described, which formats a traceback.
                measured.stop();
                finish(py, measured, error)?;
            }
        }
        Ok(())
    }

    /// Before a generator works on: makes the innermost run that is open in it the current one.
    fn _attach(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let caller = current(py)?;
        let innermost = {
            let mut state = slf.get().state();
            state.caller = caller;
            state.innermost.take()
        };
        let innermost = match innermost {
            // A run within the generator may have ended elsewhere while the generator stood still.
            Some(run) if !run.get().state().is_ended => run,
            _ => slf.clone().unbind(),
        };
        set_current(py, innermost.bind(py).as_any())?;
        if let Some(bridge) = bridge(py) {
            let attached = bridge.attach.call1(py, (innermost,))?;
            slf.get().state().attached = Some(attached);
        }
        Ok(())
    }

    /// After it has yielded: the caller's run is the current one again.
    fn _detach(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let innermost = current(py)?.filter(|run| !run.is(slf));
        let (caller, attached) = {
            let mut state = slf.get().state();
            state.innermost = innermost;
            (state.caller.take(), state.attached.take())
        };
        if let (Some(attached), Some(bridge)) = (attached, bridge(py)) {
            bridge.detach.call1(py, (attached,))?;
        }
        match caller {
            Some(caller) => set_current(py, caller.bind(py).as_any()),
            None => set_current(py, py.None().bind(py)),
        }
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        // Another may have begun since it was started, and is the one to go back to.
        let outer = current(slf.py())?.filter(|outer| !outer.is(&slf));
        slf.get().state().outer = outer;
        enter(slf.as_unbound(), slf.py())?;
        Ok(slf)
    }

    fn __exit__(
        slf: &Bound<'_, Self>,
        _exc_type: &Bound<'_, PyAny>,
        exc: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        leave(slf.as_unbound(), slf.py(), exc)?;
        Ok(false)
    }

    /// The trace's id as 32 hexadecimal digits; None without a span.
    #[getter]
    fn trace_id(&self) -> Option<String> {
        self.span_context().map(|span| span.trace_id().to_string())
    }

    /// The span's id as 16 hexadecimal digits; None without a span.
    #[getter]
    fn span_id(&self) -> Option<String> {
        self.span_context().map(|span| span.span_id().to_string())
    }

    /// Trace id, span id and flags, or None. One whose trace is not decided yet says that it is
    /// sampled: else another SDK would record nothing within it.
    #[getter]
    fn _ids(&self) -> Option<(u128, u64, u8)> {
        let span = self.span_context()?;
        let is_recording = self.context.span().is_recording();
        Some((
            u128::from_be_bytes(span.trace_id().to_bytes()),
            u64::from_be_bytes(span.span_id().to_bytes()),
            // The flag's bit is the lowest one.
            span.trace_flags().to_u8() | u8::from(is_recording),
        ))
    }
}

impl Run {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn span_context(&self) -> Option<SpanContext> {
        let span = self.context.span().span_context().clone();
        span.is_valid().then_some(span)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if is_child() {
            // A drop would end the span and wait for locks that threads of the parent held at the
            // fork; no thread of the child releases them.
            std::mem::forget(self.state().measured.take());
        }
    }
}

/// Makes `run` the innermost of this context.
fn enter(run: &Py<Run>, py: Python<'_>) -> PyResult<()> {
    set_current(py, run.bind(py).as_any())?;
    if let Some(bridge) = bridge(py) {
        let attached = bridge.attach.call1(py, (run,))?;
        run.get().state().attached = Some(attached);
    }
    Ok(())
}

fn detach(run: &Py<Run>, py: Python<'_>) -> PyResult<()> {
    let (outer, attached) = {
        let mut state = run.get().state();
        let outer = state.outer.as_ref().map(|outer| outer.clone_ref(py));
        (outer, state.attached.take())
    };
    if let (Some(attached), Some(bridge)) = (attached, bridge(py)) {
        bridge.detach.call1(py, (attached,))?;
    }
    // In the middle of another that began within and did not end, that one stays.
    if current(py)?.is_some_and(|current| current.is(run)) {
        // One that has ended must not become the parent of what follows.
        let outer = outer.filter(|outer| !outer.get().state().is_ended);
        match outer {
            Some(outer) => set_current(py, outer.bind(py).as_any())?,
            None => set_current(py, py.None().bind(py))?,
        }
    }
    Ok(())
}

fn leave(run: &Py<Run>, py: Python<'_>, exc: &Bound<'_, PyAny>) -> PyResult<()> {
    if exc.is_none() {
        run.get().end(py, None)?;
    } else {
        run.get().end(py, Some(exc))?;
    }
    detach(run, py)?;
    // A chain of tasks that start tasks would keep all of it.
    run.get().state().outer = None;
    Ok(())
}

/// Runs `f`, code of the app's, as what happens within this thread's OpenTelemetry context: runs,
/// tasks and spans of Python's own API that it begins are children of the span in there, also those
/// that go on elsewhere.
pub(crate) fn in_handler<R>(py: Python<'_>, f: impl FnOnce() -> R) -> R {
    if !is_listening() {
        return f();
    }
    let entered = current(py).and_then(|outer| {
        let run = Run {
            state: Mutex::new(State {
                measured: None,
                outer,
                attached: None,
                is_ended: false,
                caller: None,
                innermost: None,
            }),
            context: Context::current(),
        };
        let run = Py::new(py, run)?;
        enter(&run, py)?;
        Ok(run)
    });
    let result = f();
    // What it returns or raises is the app's, whatever became of ours.
    if let Ok(run) = entered
        && let Err(error) = detach(&run, py)
    {
        // `sys.unraisablehook` shows it, and the app goes on.
        error.write_unraisable(py, None);
    }
    result
}

/// Says how a run ended that an exception left.
#[cold]
fn finish(py: Python<'_>, measured: DetachedRun, error: &Bound<'_, PyAny>) -> PyResult<()> {
    static DESCRIBE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    // A generator that is closed has ended well.
    if error.is_instance_of::<PyGeneratorExit>() {
        within(|| measured.complete());
        return Ok(());
    }
    let described = DESCRIBE
        .import(py, "spanwire._errors", "describe")
        .and_then(|describe| describe.call1((error,)))
        // Python formats the traceback, since an exception can have causes, notes and groups.
        .and_then(|described| described.extract::<(Option<Text>, Text, Text)>());
    match described {
        Ok((None, ..)) => within(|| measured.cancel()),
        Ok((Some(error_type), message, stack)) => {
            within(|| measured.fail(&error_type, &message, Some(&stack)));
        }
        // Python may have no stack left to describe it with.
        Err(_) => {
            let error_type = error.get_type().fully_qualified_name();
            // The specification's value for an error without a known type.
            let error_type = error_type.map_or("_OTHER".to_owned(), |name| name.to_string());
            within(|| measured.fail(&error_type, "", None));
        }
    }
    Ok(())
}

/// The variable with the innermost run, by its two methods.
///
/// They are called rather than C's functions for it, which are no part of Python's stable ABI.
struct Variable {
    get: Py<PyAny>,
    set: Py<PyAny>,
}

fn variable(py: Python<'_>) -> PyResult<&'static Variable> {
    static VARIABLE: PyOnceLock<Variable> = PyOnceLock::new();
    VARIABLE.get_or_try_init(py, || {
        let options = PyDict::new(py);
        // A default, so that `get` needs no argument, for which a tuple would be made each time.
        options.set_item("default", py.None())?;
        let variable = py
            .import("contextvars")?
            .getattr("ContextVar")?
            .call(("spanwire.run",), Some(&options))?;
        Ok(Variable {
            get: variable.getattr("get")?.unbind(),
            set: variable.getattr("set")?.unbind(),
        })
    })
}

/// The innermost run of this context.
fn current(py: Python<'_>) -> PyResult<Option<Py<Run>>> {
    let current = variable(py)?.get.bind(py).call0()?;
    Ok(current.cast_into::<Run>().ok().map(Bound::unbind))
}

fn set_current(py: Python<'_>, run: &Bound<'_, PyAny>) -> PyResult<()> {
    variable(py)?.set.bind(py).call1((run,))?;
    Ok(())
}

/// The context for what happens now in Python's context: that of the innermost run or span, or what
/// is current on this thread.
#[expect(dead_code, reason = "for the wire, which is built beside")]
pub(crate) fn context(py: Python<'_>) -> PyResult<Context> {
    Ok(parent(py)?.0)
}

fn parent(py: Python<'_>) -> PyResult<(Context, Option<Py<Run>>)> {
    if let Some(bridge) = bridge(py) {
        let found = bridge.current.call0(py)?;
        let found = found.bind(py);
        if let Ok(run) = found.cast::<Run>() {
            let context = run.get().context.clone();
            return Ok((context, Some(run.clone().unbind())));
        }
        if let Ok((trace, span, flags)) = found.extract::<(u128, u64, u8)>() {
            // One that comes through our pipeline and waits there is one of this process.
            let is_ours = is_undecided(span);
            let remote = SpanContext::new(
                TraceId::from_bytes(trace.to_be_bytes()),
                SpanId::from_bytes(span.to_be_bytes()),
                TraceFlags::new(if is_ours { 0 } else { flags }),
                !is_ours,
                TraceState::NONE,
            );
            // The span is another SDK's and has no run. The run around it is still the one to go
            // back to.
            let outer = current(py)?;
            return Ok((Context::new().with_remote_span_context(remote), outer));
        }
    }
    match current(py)? {
        Some(run) => Ok((run.get().context.clone(), Some(run))),
        None => Ok((Context::current(), None)),
    }
}

/// The way to the spans of OpenTelemetry's Python API; see `spanwire/opentelemetry.py`.
struct Bridge {
    current: Py<PyAny>,
    attach: Py<PyAny>,
    detach: Py<PyAny>,
}

static BRIDGE: PyOnceLock<Bridge> = PyOnceLock::new();

fn bridge(py: Python<'_>) -> Option<&'static Bridge> {
    BRIDGE.get(py)
}

/// Has runs and spans of OpenTelemetry's Python API see each other from now on.
#[pyfunction]
fn _bridge(py: Python<'_>, current: Py<PyAny>, attach: Py<PyAny>, detach: Py<PyAny>) {
    // The second call finds the first one's functions there, which do the same.
    let _ = BRIDGE.set(
        py,
        Bridge {
            current,
            attach,
            detach,
        },
    );
}

/// The innermost run of this context, or None.
#[pyfunction]
fn current_run(py: Python<'_>) -> PyResult<Option<Py<Run>>> {
    current(py)
}

/// Seconds from which an operation counts as slow, unless it has a threshold of its own.
#[pyfunction]
fn slow_threshold() -> f64 {
    spanwire::timer::slow_threshold().as_secs_f64()
}

/// Sets them; 1 is the default.
#[pyfunction]
fn set_slow_threshold(#[pyo3(from_py_with = argument::seconds)] seconds: Duration) {
    spanwire::timer::set_slow_threshold(seconds);
}

/// Says which operation is running now, for work without a block; None for none.
#[pyfunction]
#[pyo3(signature = (name))]
fn set_current_operation(
    #[pyo3(from_py_with = argument::name_or_none)] name: Option<Text>,
) -> PyResult<()> {
    if let Some(name) = &name {
        check_name(name)?;
    }
    if !is_child() {
        spanwire::timer::set_current_operation(name.as_deref());
    }
    Ok(())
}

fn field_value(value: &Bound<'_, PyAny>) -> PyResult<FieldValue> {
    // A bool is an int in Python.
    if let Ok(value) = value.cast::<PyBool>() {
        return Ok(value.is_true().into());
    }
    if value.is_instance_of::<PyInt>() {
        return match value.extract::<i64>() {
            Ok(value) => Ok(value.into()),
            // An int has no bound in Python. One above 64 bits is kept as text, not cut.
            Err(_) => Ok(value.str()?.to_string().into()),
        };
    }
    if let Ok(value) = value.cast::<PyFloat>() {
        return Ok(value.value().into());
    }
    if let Ok(value) = value.cast::<PyString>() {
        // What UTF-8 cannot say is replaced.
        return Ok(value.to_string_lossy().into_owned().into());
    }
    Err(PyTypeError::new_err(format!(
        "value: a str, int, float or bool is needed, not {}",
        value.get_type().name()?
    )))
}

/// An awaitable that has its result already.
#[pyclass(module = "spanwire._core")]
pub(crate) struct Ready(Option<Py<PyAny>>);

impl Ready {
    fn new(value: Py<PyAny>) -> Self {
        Self(Some(value))
    }
}

#[pymethods]
impl Ready {
    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&mut self) -> PyResult<Py<PyAny>> {
        match self.0.take() {
            Some(value) => Err(PyStopIteration::new_err((value,))),
            None => Err(PyValueError::new_err("it was awaited already")),
        }
    }
}

/// Adds what this file has to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // Now, so that no thread is at it at a fork, whose child would wait for it without end.
    variable(module.py())?;
    module.add_class::<Monitor>()?;
    module.add_class::<Run>()?;
    module.add_function(wrap_pyfunction!(_bridge, module)?)?;
    module.add_function(wrap_pyfunction!(current_run, module)?)?;
    module.add_function(wrap_pyfunction!(slow_threshold, module)?)?;
    module.add_function(wrap_pyfunction!(set_slow_threshold, module)?)?;
    module.add_function(wrap_pyfunction!(set_current_operation, module)?)
}
