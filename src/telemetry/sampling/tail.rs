//! What the sampler and the processor share: the traces that are held, under one short lock.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use opentelemetry::trace::{SpanContext, SpanId, SpanKind};
use opentelemetry::{KeyValue, TraceId};
use opentelemetry_sdk::trace::{SamplingDecision, SpanData};

use super::counts::Meters;
use super::fate::{Fate, KeepReason, SpanClass};
use super::few::Few;
use super::options::TailSampling;
use super::policy::Policy;
use super::traces::{Bounds, Decision, EndedSpan, JoinResult, Room, SweepResult, Traces, Wait};
use super::usual::UsualDurations;
use crate::clock::{Clock, Stamp};
use crate::instrument::handles::{self, GaugeSums, Instruments, Publish};
use crate::semconv::{SAMPLING_REASON, USUAL_DURATION_S};
use crate::telemetry::consent::{Epoch, Pending};
use crate::telemetry::diagnostics::local_recorder::LocalRecorder;
use crate::telemetry::export::batch_processor::{Batch, Occasion, Source};

/// Holds the spans of traces that begin here until it is known whether they are kept.
///
/// There is no thread and no timer: whoever starts or ends a span decides a little of what is due,
/// and the batch's thread the rest, whenever it would export.
pub(crate) struct Tail {
    clock: Clock,
    policy: Policy,
    // Boxed, so that a span is not moved under the lock; it is some 400 bytes.
    traces: Mutex<Traces<Box<SpanData>>>,
    /// None where nothing is slow by its own past. Its lock is never held with that of the traces.
    usual: Option<Mutex<UsualDurations>>,
    batch: Batch<SpanData>,
    attributes_max: usize,
    local_recorder: LocalRecorder,
    instruments: Instruments<Meters>,
    traces_per_second: AtomicU32,
}

/// The thresholds and limits that tail sampling takes from the rest of the settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SamplingConfig {
    /// From when a message between page and host is slow.
    pub(crate) ipc_slow: Duration,
    /// From when anything else is.
    pub(crate) slow: Duration,
    pub(crate) traces_per_second: u32,
    /// How many times its usual duration makes a span slow; 0 for no matter how many.
    pub(crate) slow_factor: u32,
    pub(crate) attributes_per_span: u32,
}

/// So many kept traces are remembered at least for late spans, and twice as many at most: what two
/// hash maps of 8,192 places hold, which take 0.3 MB.
const KEPT_MIN: usize = 7_000;
/// About so many spans are decided about by an app's thread at a time: it has work of its own.
const SPANS_IN_PASSING: usize = 32;
/// And by the batch's, before it lets go of the lock.
const SPANS_AT_ONCE: usize = 512;

impl Tail {
    /// Time comes from the clock in force on this thread.
    pub(crate) fn start(
        options: &TailSampling,
        config: SamplingConfig,
        local_recorder: LocalRecorder,
        batch: Batch<SpanData>,
    ) -> Arc<Self> {
        let bounds = Bounds {
            spans_held_max: options.spans_held_max,
            traces_held_max: options.traces_held_max,
            spans_per_trace_max: options.spans_per_trace_max,
            kept_min: KEPT_MIN,
            hold_max: options.hold_max,
            late_wait: options.late_wait,
            failures_per_minute: options.failures_per_minute,
            slower_per_minute: options.slower_per_minute,
        };
        let rate = config.traces_per_second;
        let tail = Arc::new(Self {
            clock: Clock::current(),
            policy: Policy {
                wire: config.ipc_slow,
                others: config.slow,
                named: options.slow_after.clone(),
            },
            traces: Mutex::new(Traces::new(bounds, rate)),
            usual: (config.slow_factor > 0)
                .then(|| Mutex::new(UsualDurations::new(config.slow_factor))),
            batch,
            attributes_max: config.attributes_per_span as usize,
            local_recorder,
            instruments: Instruments::new(),
            traces_per_second: AtomicU32::new(rate),
        });
        handles::register(Arc::downgrade(&tail) as Weak<dyn Publish>);
        tail.batch
            .feed_from(Arc::downgrade(&tail) as Weak<dyn Source>);
        tail
    }

    /// How many traces a second are kept that neither failed nor were slow.
    pub(super) fn traces_per_second(&self) -> u32 {
        self.traces_per_second.load(Ordering::Relaxed)
    }

    pub(super) fn set_traces_per_second(&self, rate: u32) {
        // The setter writes both under the lock, so that of two setters the same one wins in both
        // places.
        let mut traces = self.traces();
        self.traces_per_second.store(rate, Ordering::Relaxed);
        traces.set_traces_per_second(rate);
    }

    /// Whether a span that starts is recorded, and whether it says that it is sampled.
    ///
    /// A span that is to be recorded counts as open from here on, since nothing comes between this
    /// and its start.
    pub(in crate::telemetry) fn started(
        &self,
        parent: Option<&SpanContext>,
        id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
    ) -> SamplingDecision {
        match parent {
            // What others began and keep, and what is kept already.
            Some(parent) if parent.is_sampled() => SamplingDecision::RecordAndSample,
            // Where the trace is not one of ours, the parent's word holds, and it said no. One that
            // is ours is so by whatever way its context came back.
            Some(_) => match self.run(|traces, _, _| traces.join(id)) {
                JoinResult::Held => SamplingDecision::RecordOnly,
                JoinResult::Kept => SamplingDecision::RecordAndSample,
                JoinResult::Dropped => SamplingDecision::Drop,
            },
            None => {
                let slow_after = self.policy.slow_after(name, kind, attributes);
                if self.run(|traces, now, out| traces.begin(id, slow_after, now, out)) {
                    SamplingDecision::RecordOnly
                } else {
                    SamplingDecision::Drop
                }
            }
        }
    }

    pub(in crate::telemetry) fn ended(&self, mut span: SpanData) {
        // The judgement precedes the lock of the traces: it reads attributes and has a lock of its
        // own.
        let now = self.clock.now();
        let class = self.judge(&mut span, now);
        // It began after its trace was kept, or in a trace that another process keeps.
        if span.span_context.is_sampled() {
            self.batch.push(span);
            return;
        }
        let (id, is_root) = (span.span_context.trace_id(), is_root(&span));
        // Allocated here, outside the lock.
        let span = Box::new(span);
        let fate = self.run_at(now, |traces, now, out| {
            traces.end(id, class, is_root, span, now, out)
        });
        match fate {
            EndedSpan::Held => {}
            EndedSpan::PassedOn(reason, span) => self.batch.push(self.sampled(*span, reason)),
            // It comes back to be dropped here: freeing its attributes under the lock would hold up
            // others.
            EndedSpan::Dropped(span) => drop(span),
        }
    }

    /// A span of this trace ended that is not recorded, such as one that began before a pause was
    /// over.
    pub(in crate::telemetry) fn ended_unrecorded(&self, id: TraceId) {
        self.run(|traces, now, _| traces.end_unrecorded(id, now));
    }

    /// Lets go of everything that is held, for a pause that ended `epoch`: what is known to be kept
    /// goes into the batch, or all is deleted. Says how many spans were deleted.
    pub(crate) fn settle(&self, epoch: Epoch, pending: Pending) -> u64 {
        let decisions = self.traces().settle(self.clock.now(), pending);
        let mut discarded = 0;
        for Decision { fate, spans } in decisions {
            match (fate, pending) {
                (Fate::Kept(reason), Pending::Keep) => {
                    for span in spans {
                        // With the epoch that ended: the batch is paused, and `push` would refuse
                        // it.
                        self.batch.push_of(epoch, self.sampled(*span, reason));
                    }
                }
                (Fate::Dropped, Pending::Keep) => {}
                (_, Pending::Discard) => discarded += spans.len() as u64,
            }
        }
        if pending == Pending::Discard
            && let Some(usual) = &self.usual
        {
            usual
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .forget();
        }
        // They never reached the batch, whose counts the report of the shutdown is made of.
        self.batch.discard_unseen(discarded);
        discarded
    }

    /// What the span says of its trace. A span that was slower than usual gets the usual duration
    /// as an attribute, even if its trace is kept for another reason.
    fn judge(&self, span: &mut SpanData, now: Stamp) -> SpanClass {
        let judgement = self.policy.judge(span);
        let class = judgement.class;
        let (Some(usual), Some((name, took))) = (&self.usual, judgement.comparable) else {
            return class;
        };
        let usual = usual
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .compare(&span.span_kind, name, took, now);
        let Some(usual) = usual else {
            return class;
        };
        self.note(span, KeyValue::new(USUAL_DURATION_S, usual.as_secs_f64()));
        // A stronger class stays: slower than usual is the weakest reason to keep a trace.
        class.max(SpanClass::SlowerThanUsual)
    }

    /// Adds an attribute as far as a span may have one more.
    fn note(&self, span: &mut SpanData, attribute: KeyValue) {
        if span.attributes.len() < self.attributes_max {
            span.attributes.push(attribute);
        } else {
            // As the SDK counts what exceeds its limit.
            span.dropped_attributes_count = span.dropped_attributes_count.saturating_add(1);
        }
    }

    pub(super) fn batch(&self) -> &Batch<SpanData> {
        &self.batch
    }

    /// Decides everything as far as it is known, and closes the batch with what is kept.
    pub(crate) fn close(&self, deadline: Stamp) {
        // Spans that end after this are late: kept traces go on to the closed batch, which counts
        // them.
        let decisions = self.traces().close(self.clock.now());
        let mut last = Vec::new();
        for Decision { fate, spans } in decisions {
            if let Fate::Kept(reason) = fate {
                last.extend(spans.into_iter().map(|span| self.sampled(*span, reason)));
            }
        }
        // These spans pass the queue's bound: at the shutdown there is no later time at which they
        // would fit.
        self.batch.close_with(deadline, last);
        self.tell();
    }

    /// Runs `f` on the traces, decides a little of what is due, and passes on what was decided.
    fn run<R>(
        &self,
        f: impl FnOnce(&mut Traces<Box<SpanData>>, Stamp, &mut Few<Decision<Box<SpanData>>>) -> R,
    ) -> R {
        self.run_at(self.clock.now(), f)
    }

    /// The same for who has just read the time.
    fn run_at<R>(
        &self,
        now: Stamp,
        f: impl FnOnce(&mut Traces<Box<SpanData>>, Stamp, &mut Few<Decision<Box<SpanData>>>) -> R,
    ) -> R {
        let mut out = Few::new();
        let mut traces = self.traces();
        let result = f(&mut traces, now, &mut out);
        // Two comparisons; most calls find nothing.
        if traces.is_due(now) {
            traces.sweep(now, Wait::Late, self.room(), SPANS_IN_PASSING, &mut out);
        }
        // Marking and pushing wake threads and copy contexts, so they come after the lock.
        drop(traces);
        self.pass_on(out);
        result
    }

    fn pass_on(&self, decisions: Few<Decision<Box<SpanData>>>) {
        for Decision { fate, spans } in decisions {
            if let Fate::Kept(reason) = fate {
                for span in spans {
                    self.batch.push(self.sampled(*span, reason));
                }
            }
        }
    }

    /// The span as one of a trace that is kept.
    fn sampled(&self, mut span: SpanData, reason: KeepReason) -> SpanData {
        let context = &span.span_context;
        // A context cannot be changed. The new one shares the trace's and the span's id.
        span.span_context = SpanContext::new(
            context.trace_id(),
            context.span_id(),
            context.trace_flags().with_sampled(true),
            context.is_remote(),
            context.trace_state().clone(),
        );
        // On the root alone: it is a fact of the trace, and a copy for each span would cost.
        if is_root(&span) {
            self.note(&mut span, KeyValue::new(SAMPLING_REASON, reason.as_str()));
        }
        span
    }

    fn room(&self) -> Room {
        let (queued, most) = self.batch.queued();
        Room {
            // An estimate, since other threads push meanwhile. The batch drops and counts what does
            // not fit.
            free: most.saturating_sub(queued),
            is_empty: queued == 0,
        }
    }

    fn traces(&self) -> MutexGuard<'_, Traces<Box<SpanData>>> {
        self.traces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        self.local_recorder.run(|| {
            // Without a recorder they stay, for one that comes later.
            // The check precedes the taking of the counts, which would be lost otherwise.
            let Some(meters) = self.instruments.get(Meters::register) else {
                return;
            };
            // The values are copied under the lock and reported after it, since a recorder may be
            // the app's code.
            let (counts, traces, spans) = {
                let mut held = self.traces();
                (held.take_counts(), held.traces_held(), held.spans_held())
            };
            meters.count(&counts);
            if let Some(usual) = &self.usual {
                let mut usual = usual.lock().unwrap_or_else(PoisonError::into_inner);
                let spans = usual.take_unjudged();
                drop(usual);
                meters.leave_unjudged(spans);
            }
            meters.hold(traces, spans);
        });
    }
}

/// Whether its parent, if any, is no span of this process.
fn is_root(span: &SpanData) -> bool {
    span.parent_span_id == SpanId::INVALID || span.parent_span_is_remote
}

impl Source for Tail {
    fn feed(&self, occasion: Occasion) -> bool {
        let wait = match occasion {
            Occasion::Tick => Wait::Late,
            Occasion::Flush => Wait::Over,
        };
        // One time for all rounds: what completes meanwhile waits for the next call, so the loop
        // ends.
        let now = self.clock.now();
        loop {
            let mut out = Few::new();
            let room = self.room();
            // In rounds, so that app threads get the lock in between.
            let left = self
                .traces()
                .sweep(now, wait, room, SPANS_AT_ONCE, &mut out);
            self.pass_on(out);
            if left != SweepResult::More {
                self.tell();
                return left == SweepResult::Stalled;
            }
        }
    }
}

impl Publish for Tail {
    fn publish(&self, _: &mut GaugeSums) {
        self.tell();
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tail")
            .field("policy", &self.policy)
            .field("batch", &self.batch)
            .finish_non_exhaustive()
    }
}
