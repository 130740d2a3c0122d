//! Threads that work on what a queue holds.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::bounded;
use metrics::Gauge;

use super::message_queue::MessageQueue;
use super::outcome::PopError;
use super::traced::Traced;
use crate::instrument::caught_panic::catch_panic;
use crate::instrument::handles::{self, GaugeSums, Instruments, Publish};
use crate::semconv;
use crate::timer::{Operation, OperationError, operation};

/// How long a worker waits before it looks again whether the queue is closed, which wakes it anyway.
const WAIT: Duration = Duration::from_secs(3_600);

/// Threads that work on a queue; made by [`MessageQueue::work`].
///
/// They end when the queue is closed and empty. If this is dropped they work on; until they end they
/// keep the queue.
pub struct Workers {
    threads: Vec<JoinHandle<()>>,
    counts: Arc<WorkerCounts>,
}

impl Workers {
    /// Waits until all of them have ended: close the queue before.
    ///
    /// A worker that calls it does not wait for itself.
    pub fn join(self) {
        for worker in self.threads {
            if worker.thread().id() != thread::current().id() {
                // A panic of the work was caught, so there is none to pass on.
                let _ = worker.join();
            }
        }
    }

    /// Workers that have not ended.
    #[must_use]
    pub fn count(&self) -> usize {
        self.counts.count.load(Ordering::Relaxed)
    }

    /// Those of them that are at work on a message.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.counts.busy.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers")
            .field("count", &self.count())
            .field("busy", &self.busy())
            .finish_non_exhaustive()
    }
}

/// Workers. Each message is a run of an operation, whose span is linked to that of the push.
impl<T: Send + 'static> MessageQueue<Traced<T>> {
    /// Starts threads that take messages and run `work` as that operation until the queue is
    /// closed and empty. 0 workers count as 1.
    ///
    /// A panic of `work` is a failure of the operation; its worker then takes the next message.
    ///
    /// ```
    /// use spanwire::queue::{MessageQueue, Traced};
    ///
    /// let jobs = MessageQueue::<Traced<u32>>::bounded("jobs", 100);
    /// let workers = jobs.work(2, "resize", |job| println!("{job}"))?;
    /// jobs.push_traced(7)?;
    ///
    /// jobs.close();
    /// workers.join();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the system gives fewer threads. Then none of them takes a message.
    pub fn work(
        &self,
        workers: usize,
        operation_name: &str,
        work: impl Fn(T) + Send + Sync + 'static,
    ) -> io::Result<Workers> {
        let operation = operation(operation_name);
        self.start_workers(workers, move |message| run(&operation, &work, message))
    }

    /// As [`work`](Self::work), for work that can fail: an error is a failure of the operation, and
    /// goes no further.
    ///
    /// # Errors
    ///
    /// As [`work`](Self::work).
    pub fn try_work<E, Kind: ?Sized>(
        &self,
        workers: usize,
        operation_name: &str,
        work: impl Fn(T) -> Result<(), E> + Send + Sync + 'static,
    ) -> io::Result<Workers>
    where
        E: OperationError<Kind>,
    {
        let operation = operation(operation_name);
        self.start_workers(workers, move |message| {
            try_run(&operation, &work, message);
        })
    }

    fn start_workers(
        &self,
        workers: usize,
        step: impl Fn(Traced<T>) + Send + Sync + 'static,
    ) -> io::Result<Workers> {
        let counts = WorkerCounts::new(self.label());
        let step = Arc::new(step);
        // No message goes through it: workers wait at it until all are there, or one is not.
        let (gate, opened) = bounded::<()>(0);
        let may_work = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for _ in 0..workers.max(1) {
            let (queue, step) = (self.clone(), Arc::clone(&step));
            let (opened, may_work) = (opened.clone(), Arc::clone(&may_work));
            // Counted before its thread runs, so that the count is right when this returns.
            let worker = Worker::new(&counts);
            let thread = thread::Builder::new()
                // A name with a zero byte is a panic.
                .name(self.name().replace('\0', ""))
                .spawn(move || {
                    let _ = opened.recv();
                    // Acquire: a worker that finds the gate open sees what was done before.
                    if may_work.load(Ordering::Acquire) {
                        worker.work(&queue, &*step);
                    }
                })?;
            threads.push(thread);
        }
        may_work.store(true, Ordering::Release);
        drop(gate);
        Ok(Workers { threads, counts })
    }
}

pub(super) fn run<T>(operation: &Operation, work: &impl Fn(T), message: Traced<T>) {
    let (message, monitor) = message.take(operation.monitor());
    monitor.time(|| work(message));
}

fn try_run<T, E, Kind: ?Sized>(
    operation: &Operation,
    work: &impl Fn(T) -> Result<(), E>,
    message: Traced<T>,
) where
    E: OperationError<Kind>,
{
    let (message, monitor) = message.take(operation.monitor());
    // The operation has recorded it.
    let _ = monitor.run(|| work(message));
}

/// One worker, counted until it is dropped.
pub(super) struct Worker(Arc<WorkerCounts>);

impl Worker {
    pub(super) fn new(counts: &Arc<WorkerCounts>) -> Self {
        counts.count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counts))
    }

    /// Works on the queue until it is closed and empty.
    pub(super) fn work<T>(&self, queue: &MessageQueue<T>, step: &impl Fn(T)) {
        loop {
            match queue.pop_timeout(WAIT) {
                Ok(message) => {
                    self.0.busy.fetch_add(1, Ordering::Relaxed);
                    // The operation counts it as failed, and the panic hook has printed it.
                    let caught = catch_panic(|| step(message));
                    self.0.busy.fetch_sub(1, Ordering::Relaxed);
                    // After the count: the drop of a panic's payload is code of the app.
                    drop(caught);
                }
                Err(PopError::Timeout) => {}
                Err(PopError::Closed) => return,
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many workers there are, and how many are busy.
pub(super) struct WorkerCounts {
    label: Arc<str>,
    count: AtomicUsize,
    busy: AtomicUsize,
    gauges: Instruments<Gauges>,
}

struct Gauges {
    busy: Gauge,
    idle: Gauge,
}

impl WorkerCounts {
    pub(super) fn new(queue: &Arc<str>) -> Arc<Self> {
        let counts = Arc::new(Self {
            label: Arc::clone(queue),
            count: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            gauges: Instruments::new(),
        });
        let weak: Weak<Self> = Arc::downgrade(&counts);
        handles::register(weak);
        counts
    }

    fn register(&self) -> Gauges {
        let gauge = |state| {
            handles::gauge(
                &semconv::QUEUE_WORKER_COUNT,
                &[
                    (semconv::QUEUE_NAME, &*self.label),
                    (semconv::QUEUE_WORKER_STATE, state),
                ],
            )
        };
        Gauges {
            busy: gauge(BUSY),
            idle: gauge(IDLE),
        }
    }
}

const BUSY: &str = "busy";
const IDLE: &str = "idle";

impl Publish for WorkerCounts {
    fn publish(&self, sums: &mut GaugeSums) {
        if let Some(gauges) = self.gauges.get(|| self.register()) {
            // Read without a lock: a worker may begin or end in between.
            let busy = self.busy.load(Ordering::Relaxed);
            let idle = self.count.load(Ordering::Relaxed).saturating_sub(busy);
            for (state, gauge, workers) in [(BUSY, &gauges.busy, busy), (IDLE, &gauges.idle, idle)]
            {
                let metric = &semconv::QUEUE_WORKER_COUNT;
                sums.add_part(metric, &self.label, state, gauge, workers as f64);
            }
        }
    }
}

impl Drop for WorkerCounts {
    fn drop(&mut self) {
        // As for a queue: they are not published again, unless another pool has the queue's name.
        if let Some(gauges) = self.gauges.existing() {
            gauges.busy.set(0.0);
            gauges.idle.set(0.0);
        }
    }
}
