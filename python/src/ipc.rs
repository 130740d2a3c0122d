//! The wire of `spanwire.WebView`: our message layer over a window of pywebview's.
//!
//! Nothing here holds the interpreter's lock while it waits or works: a message from the page is
//! taken up without it, and a thread of ours takes it for as long as the app's callback runs.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use serde_json::value::RawValue;
use spanwire::ipc::{
    Call, EmitError, EmitErrorReason, Ipc, ListenerId, PageEvents, Received, RegisterError,
    Responder, Script,
};

use crate::argument::{self, Text};
use crate::fork::threads_start;
use crate::ipc_metrics::{self, IpcMetrics};
use crate::monitor::in_handler;
use crate::telemetry::within;

/// A lock whose holder runs no code of the app's, so a poisoned one is sound.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What wakes the thread that pumps.
#[derive(Debug, Default)]
struct Wake {
    // The condition variable does not remember a wake that comes while no thread waits; the flag
    // does.
    is_due: Mutex<bool>,
    changed: Condvar,
}

impl Wake {
    fn set(&self) {
        *lock(&self.is_due) = true;
        self.changed.notify_all();
    }

    /// Whether it was woken within `timeout`.
    fn wait(&self, timeout: Duration) -> bool {
        let due = self
            .changed
            .wait_timeout_while(lock(&self.is_due), timeout, |is_due| !*is_due);
        let mut due = due.unwrap_or_else(PoisonError::into_inner).0;
        // The lock still covers this reset: a wake that comes after it makes the next wait return
        // at once.
        std::mem::take(&mut *due)
    }
}

/// What is to be called because the page gave up what it waited for.
///
/// The wire says so on any thread, the webview's among them, and must not wait for the interpreter's
/// lock there: the thread that pumps calls it.
#[derive(Debug)]
struct GivenUp {
    calls: Mutex<Vec<Py<PyAny>>>,
    wake: Arc<Wake>,
}

impl GivenUp {
    fn add(&self, call: Py<PyAny>) {
        lock(&self.calls).push(call);
        self.wake.set();
    }
}

/// A message whose callback is to run.
struct Job {
    call: Call<'static>,
    responder: Responder,
    callback: Arc<Py<PyAny>>,
    given_up: Arc<GivenUp>,
}

impl Job {
    fn run(self) {
        let Self {
            call,
            responder,
            callback,
            given_up,
        } = self;
        // While it waited for this thread, the page gave it up or went away.
        if responder.is_cancelled() {
            return;
        }
        // Cloned before the responder goes to Python, which may end the call before the callback
        // returns.
        let span = responder.span().clone();
        let reply = IpcReply {
            responder: Mutex::new(Some(responder)),
            wants_reply: call.wants_reply(),
            given_up,
        };
        // The interpreter may be about to end: then nothing runs any more.
        let _ = Python::try_attach(|py| {
            // The reply is dropped with the error, and a dropped responder rejects the page's
            // promise.
            let Ok(reply) = Py::new(py, reply) else {
                return;
            };
            let run = || callback.call1(py, (call.json(), reply.clone_ref(py)));
            // The thread is ours and has no context: the span makes what the callback records its
            // child.
            let ran = within(|| span.in_scope(|| in_handler(py, run)));
            if let Err(error) = ran {
                let (name, message) = describe(py, &error);
                reply
                    .get()
                    // Where the callback has replied before it raised, the page keeps that reply.
                    .end(|responder| responder.reject(&name, &message));
            }
        });
    }
}

/// The class of an exception, and its text.
fn describe(py: Python<'_>, error: &PyErr) -> (String, String) {
    let name = error.get_type(py).name();
    let name = name.map_or_else(|_| "Exception".to_owned(), |name| name.to_string());
    (name, error.value(py).to_string())
}

/// How a callback's outcome reaches the page: once, from any thread.
#[pyclass(module = "spanwire._core", frozen)]
#[derive(Debug)]
pub(crate) struct IpcReply {
    responder: Mutex<Option<Responder>>,
    wants_reply: bool,
    given_up: Arc<GivenUp>,
}

impl IpcReply {
    fn end<E>(&self, respond: impl FnOnce(Responder) -> Result<(), E>) -> bool {
        // This line takes the responder out and releases the lock, since a response may run a wake.
        let responder = lock(&self.responder).take();
        responder.is_some_and(|responder| respond(responder).is_ok())
    }
}

#[pymethods]
impl IpcReply {
    /// The page's promise gets the value of `json`; `False` when nothing waits for it any more, or
    /// it is too large.
    fn respond(&self, py: Python<'_>, json: String) -> PyResult<bool> {
        let value = raw(json)?;
        Ok(
            py.detach(|| {
                within(|| self.end(|responder| responder.respond(Ok::<_, String>(value))))
            }),
        )
    }

    /// The page's promise is rejected.
    fn reject(&self, py: Python<'_>, name: &str, message: &str) -> bool {
        py.detach(|| within(|| self.end(|responder| responder.reject(name, message))))
    }

    /// Whether the page waits for a value: it called `invoke`, not `emit`.
    #[getter]
    fn wants_reply(&self) -> bool {
        self.wants_reply
    }

    /// Whether the page gave the call up, or went away.
    #[getter]
    fn is_cancelled(&self) -> bool {
        lock(&self.responder)
            .as_ref()
            // Once the responder has answered, no caller waits for further work on the message.
            .is_none_or(Responder::is_cancelled)
    }

    /// `callback` is called once, by whoever calls `Ipc.given_up`, when the page gives the call up or
    /// goes away; never after a response.
    fn on_cancelled(&self, callback: Py<PyAny>) {
        if let Some(responder) = &*lock(&self.responder) {
            let given_up = Arc::clone(&self.given_up);
            // It may run at once, on this thread, where the page was faster. `add` takes other
            // locks.
            responder.on_cancelled(move || given_up.add(callback));
        }
    }
}

fn raw(json: String) -> PyResult<Box<RawValue>> {
    RawValue::from_string(json)
        .map_err(|error| PyValueError::new_err(format!("the value is not JSON: {error}")))
}

/// A script for the page, whose messages are in flight until the page acknowledges them.
#[pyclass(module = "spanwire._core", frozen)]
#[derive(Debug)]
pub(crate) struct IpcScript {
    ipc: Ipc,
    script: Mutex<Option<Script>>,
}

#[pymethods]
impl IpcScript {
    /// What to run in the page.
    #[getter]
    fn text(&self) -> String {
        let script = lock(&self.script);
        script
            .as_ref()
            .map(|script| script.text())
            .unwrap_or_default()
    }

    /// The page could not take it: its messages are sent again, three times at most.
    fn failed(&self, py: Python<'_>) {
        if let Some(script) = lock(&self.script).take() {
            py.detach(|| within(|| self.ipc.evaluation_failed(script)));
        }
    }
}

/// Messages that may wait for a thread. The wire bounds the bytes of their payloads.
const JOBS_MAX: usize = 10_000;

/// The threads that run the callbacks of one wire.
#[derive(Debug)]
struct Workers {
    jobs: mpsc::SyncSender<Job>,
    waiting: Option<Arc<Mutex<mpsc::Receiver<Job>>>>,
    count: usize,
    running: Arc<AtomicUsize>,
}

impl Workers {
    fn new(count: usize) -> Self {
        let (jobs, waiting) = mpsc::sync_channel(JOBS_MAX);
        Self {
            jobs,
            waiting: Some(Arc::new(Mutex::new(waiting))),
            count,
            running: Arc::default(),
        }
    }

    /// A thread is started only for a wire with a callback. Each ends with the wire.
    fn start(&mut self, name: &str) -> PyResult<()> {
        let Some(waiting) = self.waiting.take() else {
            return Ok(());
        };
        for _ in 0..self.count {
            let waiting = Arc::clone(&waiting);
            let running = Arc::clone(&self.running);
            thread::Builder::new()
                .name(format!("spanwire-{name}"))
                .spawn(move || {
                    loop {
                        // Held while it waits: the others wait for the lock instead.
                        let job = lock(&waiting).recv();
                        match job {
                            Ok(job) => {
                                running.fetch_add(1, Ordering::SeqCst);
                                job.run();
                                running.fetch_sub(1, Ordering::SeqCst);
                            }
                            Err(mpsc::RecvError) => break,
                        }
                    }
                })
                .map_err(|error| PyRuntimeError::new_err(format!("no thread: {error}")))?;
        }
        Ok(())
    }
}

/// The wire between one page and Python.
#[pyclass(name = "Ipc", module = "spanwire._core", frozen)]
#[derive(Debug)]
pub(crate) struct PyIpc {
    ipc: Ipc,
    wake: Arc<Wake>,
    given_up: Arc<GivenUp>,
    workers: Mutex<Workers>,
    listeners: Mutex<HashMap<u64, ListenerId>>,
    last: AtomicU64,
    has_plain_events: bool,
}

#[pymethods]
impl PyIpc {
    #[new]
    #[pyo3(signature = (name, *, workers=1, origins=None, any_origin=false, page_events=false, queue_capacity=10_000))]
    fn new(
        #[pyo3(from_py_with = argument::name)] name: Text,
        #[pyo3(from_py_with = argument::workers)] workers: usize,
        origins: Option<Vec<String>>,
        any_origin: bool,
        page_events: bool,
        #[pyo3(from_py_with = argument::queue_capacity)] queue_capacity: usize,
    ) -> PyResult<Self> {
        const WORKERS_MAX: usize = 64;
        if workers == 0 || workers > WORKERS_MAX {
            return Err(PyValueError::new_err(format!(
                "workers: {workers} is not 1 to {WORKERS_MAX}"
            )));
        }
        // The process notes its threads before any thread of the wire starts, so that a child that
        // is forked from now on knows of them.
        threads_start();
        let mut builder = Ipc::builder(&name).queue_capacity(queue_capacity);
        for origin in origins.unwrap_or_default() {
            builder = builder.allow_origin(&origin);
        }
        if any_origin {
            builder = builder.any_origin();
        }
        if page_events {
            builder = builder.page_events(PageEvents::SpanwireAndPlain);
        }
        let ipc = builder.build();
        let wake = Arc::new(Wake::default());
        ipc.on_wake({
            // The closure has no way back to the `Ipc` that owns it: that would be a cycle, and
            // never dropped.
            let wake = Arc::clone(&wake);
            move || wake.set()
        });
        let given_up = Arc::new(GivenUp {
            calls: Mutex::default(),
            wake: Arc::clone(&wake),
        });
        Ok(Self {
            ipc,
            wake,
            given_up,
            workers: Mutex::new(Workers::new(workers)),
            listeners: Mutex::default(),
            last: AtomicU64::new(0),
            has_plain_events: page_events,
        })
    }

    /// The script to run at the start of each document, in its main frame. `post` is a function of
    /// the page's, as an expression, which hands a text to the host.
    fn page_script(&self, post: &str) -> String {
        let script = self.ipc.page_script();
        // The script takes it at once. Code of the page needs it for what it posts by hand alone.
        let after = if self.has_plain_events {
            ""
        } else {
            "delete window.ipc;"
        };
        format!("window.ipc={{postMessage:{post}}};{script}{after}")
    }

    /// Takes a text of the page's, from its main frame's `origin`; `False` when it is none of ours.
    #[pyo3(signature = (text, origin=None))]
    fn receive(&self, py: Python<'_>, text: &str, origin: Option<&str>) -> bool {
        // Handlers only queue a job, so this returns fast, on the webview's thread.
        py.detach(|| within(|| self.ipc.receive(text, origin))) == Received::Ours
    }

    /// Waits until there is something for the page, `seconds` at most; returns whether there is.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        // Without the interpreter's lock, since the thread that pumps waits here most of the time.
        let timeout = Duration::try_from_secs_f64(seconds)
            .map_err(|error| PyValueError::new_err(format!("seconds: {error}")))?;
        Ok(py.detach(|| self.wake.wait(timeout)))
    }

    /// The next script for the page.
    fn next_script(&self, py: Python<'_>) -> Option<IpcScript> {
        let script = py.detach(|| within(|| self.ipc.next_script()))?;
        Some(IpcScript {
            ipc: self.ipc.clone(),
            script: Mutex::new(Some(script)),
        })
    }

    /// What `IpcReply.on_cancelled` was given for calls that the page gave up since it was last asked.
    fn given_up(&self) -> Vec<Py<PyAny>> {
        std::mem::take(&mut *lock(&self.given_up.calls))
    }

    /// Runs `callback(json, reply)` for each message of `event`; returns what `off` takes.
    fn on(&self, event: &str, callback: Py<PyAny>) -> PyResult<u64> {
        let jobs = {
            let mut workers = lock(&self.workers);
            workers.start(self.ipc.name())?;
            Mutex::new(workers.jobs.clone())
        };
        let callback = Arc::new(callback);
        let given_up = Arc::clone(&self.given_up);
        let listener = self
            .ipc
            .on_deferred(event, move |call, responder| {
                let callback = Arc::clone(&callback);
                // It fails when the wire has ended, and then nothing waits for it; and at the bound,
                // where the responder that goes rejects the page's promise and is counted.
                let _ = lock(&jobs).try_send(Job {
                    call,
                    responder,
                    callback,
                    given_up: Arc::clone(&given_up),
                });
            })
            .map_err(|error| match error {
                RegisterError::InvalidName { .. } => PyValueError::new_err(error.to_string()),
                error => PyRuntimeError::new_err(error.to_string()),
            })?;
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        lock(&self.listeners).insert(id, listener);
        Ok(id)
    }

    /// Takes a callback off; returns whether it was there.
    fn off(&self, py: Python<'_>, id: u64) -> bool {
        let listener = lock(&self.listeners).remove(&id);
        listener.is_some_and(|listener| py.detach(|| within(|| self.ipc.off(listener))))
    }

    /// Sends an event, whose payload is JSON already.
    fn emit(&self, py: Python<'_>, event: &str, json: String) -> PyResult<()> {
        let value = raw(json)?;
        py.detach(|| within(|| self.ipc.emit(event, &value)))
            .map_err(emit_error)
    }

    /// Runs a script in the page, without its result.
    fn eval(&self, py: Python<'_>, script: &str) -> PyResult<()> {
        py.detach(|| within(|| self.ipc.eval(script)))
            .map_err(emit_error)
    }

    /// Another page is being loaded.
    fn page_loading(&self, py: Python<'_>) {
        py.detach(|| within(|| self.ipc.page_loading()));
    }

    /// The page is gone.
    fn page_gone(&self, py: Python<'_>) {
        py.detach(|| within(|| self.ipc.page_gone()));
    }

    /// `loading`, `ready`, `unresponsive`, `gone` or `closed`.
    #[getter]
    fn page_state(&self) -> &'static str {
        self.ipc.page_state().as_str()
    }

    /// Closes the wire: what is open is dropped and counted.
    fn close(&self, py: Python<'_>) {
        py.detach(|| within(|| self.ipc.close()));
        // The thread that pumps wakes, sees that the wire is closed, and ends.
        self.wake.set();
    }

    /// Callbacks that run now.
    #[getter]
    fn running(&self) -> usize {
        lock(&self.workers).running.load(Ordering::SeqCst)
    }

    /// What crossed so far.
    fn metrics(&self, py: Python<'_>) -> PyResult<Py<IpcMetrics>> {
        ipc_metrics::snapshot(py, self.ipc.metrics())
    }

    /// Zeroes `metrics`.
    fn reset_metrics(&self) {
        self.ipc.reset_metrics();
    }
}

fn emit_error(error: EmitError) -> PyErr {
    let text = error.to_string();
    match error.reason {
        EmitErrorReason::InvalidName(_) | EmitErrorReason::TooLarge => PyValueError::new_err(text),
        EmitErrorReason::NotJson(_) => PyTypeError::new_err(text),
        _ => PyRuntimeError::new_err(text),
    }
}

/// Adds what this file has to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyIpc>()?;
    module.add_class::<IpcReply>()?;
    module.add_class::<IpcScript>()
}
