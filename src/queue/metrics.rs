//! The metrics of one queue.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use super::builder::QueueBuilder;
use super::capacity::Capacity;
use crate::clock::{Clock, Stamp};
use crate::instrument::cardinality::{CappedNames, NameSource};
use crate::instrument::handles::{self, GaugeSums, Instruments, Publish};
use crate::semconv::{self, ErrorType};

/// The part of a queue that does not depend on the type of its messages.
#[derive(Debug)]
pub(super) struct QueueMetrics {
    pub(super) name: String,
    pub(super) capacity: Capacity,
    pub(super) label: Arc<str>,
    counted: bool,
    always_stamped: bool,
    clock: Clock,
    instruments: Instruments<Handles>,
}

#[derive(Debug)]
pub(super) struct Handles {
    wait: Histogram,
    /// None for a queue whose messages are counted elsewhere.
    messages: Option<Messages>,
    size: Gauge,
    capacity: Gauge,
    peak: Gauge,
}

#[derive(Debug)]
struct Messages {
    ok: Counter,
    queue_full: Counter,
    superseded: Counter,
    shutdown: Counter,
    timeout: Counter,
}

impl QueueMetrics {
    pub(super) fn new<T>(options: QueueBuilder<T>) -> Arc<Self> {
        let label = if options.is_measured {
            LABELS.get(&options.name, NameSource::Registered, Arc::clone)
        } else {
            // The label bypasses `LABELS`, whose lock a thread could have held at the fork.
            Arc::new(Arc::from(&*options.name))
        };
        let metrics = Arc::new(Self {
            label: Arc::clone(&label),
            name: options.name,
            capacity: Capacity::new(options.capacity),
            counted: options.counted,
            always_stamped: options.always_stamped,
            // The clock in force where the queue is built, so that a test with fake time moves its
            // waits.
            clock: Clock::current(),
            instruments: Instruments::new(),
        });
        if options.is_measured {
            // Weak: the registry must not keep a queue alive that the app has dropped.
            let weak = Arc::downgrade(&metrics);
            handles::register(weak);
        }
        metrics
    }

    /// The time to remember with a message; none when nothing measures its wait.
    #[inline]
    pub(super) fn stamp(&self) -> Stamp {
        // Without a recorder nothing would read the stamp, so the clock is not read either.
        if self.always_stamped || self.handles().is_some() {
            self.clock.now()
        } else {
            Stamp::NONE
        }
    }

    /// Records that a message left the queue well, and returns how long it waited.
    #[inline]
    pub(super) fn popped(&self, enqueued_at: Stamp) -> Duration {
        let handles = self.handles();
        if let Some(Messages { ok, .. }) = handles.and_then(|handles| handles.messages.as_ref()) {
            ok.increment(1);
        }
        // Pushed before there was a recorder: it counts, but its wait is unknown.
        if enqueued_at == Stamp::NONE {
            return Duration::ZERO;
        }
        let wait = self.clock.now().since(enqueued_at);
        if let Some(handles) = handles {
            handles.wait.record(wait.as_secs_f64());
        }
        wait
    }

    /// How long a message waited that was stamped at its push.
    pub(super) fn waited(&self, enqueued_at: Stamp) -> Duration {
        self.clock.now().since(enqueued_at)
    }

    /// Records messages that left the queue well.
    pub(super) fn record_waits(&self, waits: &[Duration]) {
        if waits.is_empty() {
            return;
        }
        let Some(handles) = self.handles() else {
            return;
        };
        if let Some(Messages { ok, .. }) = &handles.messages {
            ok.increment(waits.len() as u64);
        }
        for wait in waits {
            handles.wait.record(wait.as_secs_f64());
        }
    }

    /// Begins a batch of pops.
    pub(super) fn batch(&self) -> PopBatch<'_> {
        let handles = self.handles();
        PopBatch {
            handles,
            // One stamp for all: the wait ends when the consumer comes.
            now: handles.map_or(Stamp::NONE, |_| self.clock.now()),
            popped: 0,
        }
    }

    /// Counts messages that were refused or given up.
    #[cold]
    pub(super) fn dropped(&self, why: ErrorType, messages: usize) {
        let Some(counters) = self.handles().and_then(|handles| handles.messages.as_ref()) else {
            return;
        };
        let counter = match why {
            ErrorType::Superseded => &counters.superseded,
            ErrorType::Shutdown => &counters.shutdown,
            ErrorType::Timeout => &counters.timeout,
            // The callers pass no other reason.
            _ => &counters.queue_full,
        };
        counter.increment(messages as u64);
    }

    /// The queue is dropped with what it held. Its size is not published again, so the last value that
    /// the gauge gets is zero, unless another queue has its name: then the next publishing corrects it.
    pub(super) fn queue_dropped(&self) {
        // Not `handles()`: a queue that was never measured must not get series by its end.
        if let Some(handles) = self.instruments.existing() {
            handles.size.set(0.0);
        }
    }

    #[inline]
    fn handles(&self) -> Option<&Handles> {
        self.instruments.get(|| self.register())
    }

    #[cold]
    fn register(&self) -> Handles {
        let label = (semconv::QUEUE_NAME, &*self.label);
        let dropped = |why: ErrorType| {
            handles::counter(
                &semconv::QUEUE_MESSAGES,
                &[
                    label,
                    (semconv::OUTCOME, "dropped"),
                    (semconv::ERROR_TYPE, why.as_str()),
                ],
            )
        };
        Handles {
            // All outcomes at once, so that each series is there, at zero, before the first loss: a
            // rate needs a sample before the increase.
            wait: handles::histogram(&semconv::QUEUE_WAIT_DURATION, &[label]),
            messages: self.counted.then(|| Messages {
                ok: handles::counter(&semconv::QUEUE_MESSAGES, &[label, (semconv::OUTCOME, "ok")]),
                queue_full: dropped(ErrorType::QueueFull),
                superseded: dropped(ErrorType::Superseded),
                shutdown: dropped(ErrorType::Shutdown),
                timeout: dropped(ErrorType::Timeout),
            }),
            size: handles::gauge(&semconv::QUEUE_SIZE, &[label]),
            capacity: handles::gauge(&semconv::QUEUE_CAPACITY, &[label]),
            peak: handles::gauge(&semconv::QUEUE_PEAK, &[label]),
        }
    }
}

impl Publish for QueueMetrics {
    fn publish(&self, sums: &mut GaugeSums) {
        if let Some(handles) = self.handles() {
            // Size and peak are read without a lock, so they may be a message apart.
            let mut add =
                |metric, gauge, of: usize| sums.add(metric, &self.label, gauge, of as f64);
            add(&semconv::QUEUE_SIZE, &handles.size, self.capacity.len());
            add(
                &semconv::QUEUE_CAPACITY,
                &handles.capacity,
                self.capacity.capacity(),
            );
            add(
                &semconv::QUEUE_PEAK,
                &handles.peak,
                self.capacity.peak_ever(),
            );
        }
    }
}

/// Pops that are counted together.
pub(super) struct PopBatch<'a> {
    handles: Option<&'a Handles>,
    now: Stamp,
    popped: usize,
}

impl PopBatch<'_> {
    #[inline]
    pub(super) fn popped(&mut self, enqueued_at: Stamp) {
        self.popped += 1;
        if let Some(handles) = self.handles
            // Such a message was pushed before there was a recorder.
            && enqueued_at != Stamp::NONE
        {
            handles
                .wait
                .record(self.now.since(enqueued_at).as_secs_f64());
        }
    }

    /// Counts the pops, and says how many there were.
    pub(super) fn end(self) -> usize {
        // One increment for the batch: that is what makes `drain_into` cheaper.
        if let Some(Messages { ok, .. }) = self.handles.and_then(|h| h.messages.as_ref())
            && self.popped > 0
        {
            ok.increment(self.popped as u64);
        }
        self.popped
    }
}

/// An app names its queues itself, but one that names them after its users must not make series
/// without end.
static LABELS: LazyLock<CappedNames<Arc<str>>> = LazyLock::new(|| CappedNames::new(Arc::clone));
