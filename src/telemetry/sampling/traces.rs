//! The traces that are held until it is known whether they are kept: the core of tail sampling.
//!
//! Time comes in and decisions go out. Each trace that begins is decided exactly once, and each
//! span that ends comes out exactly once, to be passed on or dropped.

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry::TraceId;

use super::counts::Counts;
use super::failures::Failures;
use super::fate::{DropReason, EarlyReason, Fate, KeepReason, SpanClass};
use super::few::Few;
use super::kept_traces::KeptTraces;
use super::order::Order;
use crate::clock::Stamp;
use crate::instrument::rate_limit::RateLimit;
use crate::telemetry::consent::Pending;

/// How much is held, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) spans_held_max: usize,
    pub(super) traces_held_max: usize,
    pub(super) spans_per_trace_max: usize,
    /// How many of those that are kept are remembered at least.
    pub(super) kept_min: usize,
    pub(super) hold_max: Duration,
    pub(super) late_wait: Duration,
    /// How many traces a minute are kept that failed in one way.
    pub(super) failures_per_minute: u32,
    /// How many are that were slower than usual.
    pub(super) slower_per_minute: u32,
}

/// The traces that are held, their spans `S`, and which of the earlier ones are kept.
#[derive(Debug)]
pub(super) struct Traces<S> {
    bounds: Bounds,
    rate: RateLimit,
    failures: Failures,
    slower: RateLimit,
    // Ids of traces are random, so the fast hasher will do.
    held: HashMap<TraceId, u32, foldhash::fast::RandomState>,
    // Traces stay in place and the orders link their numbers: nothing is moved or searched at a
    // bound.
    slots: Vec<Trace<S>>,
    free: Vec<u32>,
    /// All that are held, in the order in which they began.
    begun: Order,
    /// Those that hold spans, in the order of their first one's end.
    holding: Order,
    /// Those of which no span is open, in the order in which that came to be.
    complete: Order,
    spans_held: usize,
    kept: KeptTraces,
    counts: Counts,
    is_closed: bool,
}

#[derive(Debug)]
struct Trace<S> {
    id: TraceId,
    begun: Stamp,
    /// From when a span that is open makes it slow.
    slow_at: Stamp,
    /// When its last open span ended; only while none is open.
    complete_at: Stamp,
    open: u32,
    class: SpanClass,
    spans: Few<S>,
}

/// A trace that was decided, and what it held.
#[derive(Debug)]
pub(super) struct Decision<S> {
    pub(super) fate: Fate,
    pub(super) spans: Few<S>,
}

/// What becomes of a span that ends.
#[derive(Debug, PartialEq)]
pub(super) enum EndedSpan<S> {
    Held,
    PassedOn(KeepReason, S),
    Dropped(S),
}

/// What a span that begins within a trace finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JoinResult {
    /// The trace is held, and the span is one of its open ones now.
    Held,
    Kept,
    /// The trace was dropped or is not known.
    Dropped,
}

/// Room for spans where those of kept traces go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) free: usize,
    pub(super) is_empty: bool,
}

impl Room {
    /// Where nothing waits, even a trace goes that is larger than all the room: else it never
    /// would.
    fn is_for(self, spans: usize) -> bool {
        spans <= self.free || self.is_empty
    }

    fn take(&mut self, spans: usize) {
        self.free = self.free.saturating_sub(spans);
        self.is_empty = false;
    }
}

/// What a sweep left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SweepResult {
    Nothing,
    /// It did as much as it was allowed to.
    More,
    /// There was no room for a trace that is due.
    Stalled,
}

impl<S> Traces<S> {
    pub(super) fn new(bounds: Bounds, traces_per_second: u32) -> Self {
        Self {
            // Slots are numbered in 32 bits, and zero would hold nothing to decide about.
            bounds: Bounds {
                spans_held_max: bounds.spans_held_max.max(1),
                traces_held_max: bounds.traces_held_max.clamp(1, SLOTS_MAX),
                spans_per_trace_max: bounds.spans_per_trace_max.max(1),
                ..bounds
            },
            rate: RateLimit::per_second(traces_per_second),
            failures: Failures::new(bounds.failures_per_minute),
            slower: RateLimit::per_minute(bounds.slower_per_minute),
            held: HashMap::default(),
            slots: Vec::new(),
            free: Vec::new(),
            begun: Order::new(),
            holding: Order::new(),
            complete: Order::new(),
            spans_held: 0,
            kept: KeptTraces::new(bounds.kept_min),
            counts: Counts::default(),
            is_closed: false,
        }
    }

    /// Keeps that many a second from now on of the traces that neither failed nor were slow.
    pub(super) fn set_traces_per_second(&mut self, rate: u32) {
        self.rate.set_rate(rate);
    }

    /// A trace begins, with one open span, which is slow after that long; false when it is not to
    /// be recorded, since nothing is held any more.
    pub(super) fn begin(
        &mut self,
        id: TraceId,
        slow_after: Duration,
        now: Stamp,
        out: &mut Few<Decision<S>>,
    ) -> bool {
        if self.is_closed {
            return false;
        }
        if self.held.len() >= self.bounds.traces_held_max {
            // A complete trace first, since it loses nothing by it but the wait for late spans.
            let oldest = self.complete.first().or(self.begun.first());
            if let Some(slot) = oldest {
                out.push(self.decide(slot, Some(EarlyReason::TracesFull), now));
            }
        }
        let trace = Trace {
            id,
            begun: now,
            slow_at: now.plus(slow_after),
            complete_at: Stamp::NONE,
            open: 1,
            class: SpanClass::Fine,
            spans: Few::new(),
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = trace;
                slot
            }
            None => {
                self.slots.push(trace);
                u32::try_from(self.slots.len() - 1).expect("slots are fewer than SLOTS_MAX")
            }
        };
        self.begun.push(slot);
        self.held.insert(id, slot);
        true
    }

    /// A span begins within a trace that began before.
    pub(super) fn join(&mut self, id: TraceId) -> JoinResult {
        let Some(&slot) = self.held.get(&id) else {
            return match self.kept.recall(id) {
                Some(_) => JoinResult::Kept,
                None => JoinResult::Dropped,
            };
        };
        let trace = &mut self.slots[slot as usize];
        // It waited to be decided, and is not complete any more.
        if trace.open == 0 {
            self.complete.remove(slot);
        }
        trace.open = trace.open.saturating_add(1);
        JoinResult::Held
    }

    /// A span ends that was begun or joined.
    pub(super) fn end(
        &mut self,
        id: TraceId,
        class: SpanClass,
        is_root: bool,
        span: S,
        now: Stamp,
        out: &mut Few<Decision<S>>,
    ) -> EndedSpan<S> {
        let Some(&slot) = self.held.get(&id) else {
            return match self.kept.recall(id) {
                Some(reason) => EndedSpan::PassedOn(reason, span),
                None => {
                    self.counts.lose(DropReason::Late, 1);
                    EndedSpan::Dropped(span)
                }
            };
        };
        let trace = &mut self.slots[slot as usize];
        // The class counts even if the span is not held, since the span still says something of the
        // trace.
        trace.class = trace.class.max(class);
        // Spans beyond the bound that failed or were slow are why the trace is kept. They are
        // bounded by `spans_held_max` alone.
        let is_held = trace.spans.len() < self.bounds.spans_per_trace_max
            || class != SpanClass::Fine
            || is_root;
        if is_held
            && self.spans_held >= self.bounds.spans_held_max
            && let Some(oldest) = self.complete.first().or(self.holding.first())
        {
            out.push(self.decide(oldest, Some(EarlyReason::SpansFull), now));
            // This span's own trace may have been the one.
            // Each round decides one trace, so the recursion ends when there is room or nothing
            // left to decide.
            return self.end(id, class, is_root, span, now, out);
        }
        // The span is closed after the bound's check: a trace that completes first could be decided
        // without this span.
        self.close_span(slot, now);
        if !is_held {
            self.counts.lose(DropReason::TraceFull, 1);
            return EndedSpan::Dropped(span);
        }
        let trace = &mut self.slots[slot as usize];
        if trace.spans.is_empty() {
            self.holding.push(slot);
        }
        trace.spans.push(span);
        self.spans_held += 1;
        EndedSpan::Held
    }

    /// A span ends that was begun or joined, and is not wanted.
    pub(super) fn end_unrecorded(&mut self, id: TraceId, now: Stamp) {
        if let Some(&slot) = self.held.get(&id) {
            self.close_span(slot, now);
        }
    }

    /// A span that is open in a held trace is not open any more. One whose begin was not seen here
    /// completes nothing.
    fn close_span(&mut self, slot: u32, now: Stamp) {
        let trace = &mut self.slots[slot as usize];
        if trace.open > 0 {
            trace.open -= 1;
            if trace.open == 0 {
                trace.complete_at = now;
                self.complete.push(slot);
            }
        }
    }

    /// Whether a sweep would find something.
    pub(super) fn is_due(&self, now: Stamp) -> bool {
        self.waited(now, self.bounds.late_wait).is_some() || self.overdue(now).is_some()
    }

    /// Decides what is complete and had its wait, as long as there is room for it, and what was
    /// held for too long, whether or not there is; until so many spans were decided about.
    pub(super) fn sweep(
        &mut self,
        now: Stamp,
        wait: Wait,
        mut room: Room,
        spans_most: usize,
        out: &mut Few<Decision<S>>,
    ) -> SweepResult {
        let wait = match wait {
            Wait::Late => self.bounds.late_wait,
            Wait::Over => Duration::ZERO,
        };
        let mut spans = 0;
        let mut left = SweepResult::Nothing;
        loop {
            if spans >= spans_most {
                return SweepResult::More;
            }
            // The first of those that wait decides: to let a small trace pass it would starve a
            // large one.
            let waited = self.waited(now, wait).filter(|slot| {
                let has_room = room.is_for(self.slots[*slot as usize].spans.len());
                if !has_room {
                    left = SweepResult::Stalled;
                }
                has_room
            });
            // Overdue traces ignore the room: their bound is on time, and the batch counts what it
            // drops.
            let decision = match (waited, self.overdue(now)) {
                (Some(slot), _) => self.decide(slot, None, now),
                (None, Some(slot)) => self.decide(slot, Some(EarlyReason::HoldTime), now),
                (None, None) => return left,
            };
            // A trace without spans costs something too.
            spans += decision.spans.len().max(1);
            if matches!(decision.fate, Fate::Kept(_)) {
                room.take(decision.spans.len());
            }
            out.push(decision);
        }
    }

    /// Decides everything as far as it is known. Nothing is held from then on.
    pub(super) fn close(&mut self, now: Stamp) -> Few<Decision<S>> {
        // Spans that begin later are not recorded, as nothing would decide about them.
        self.is_closed = true;
        let mut out = Few::new();
        while let Some(slot) = self.begun.first() {
            out.push(self.decide(slot, Some(EarlyReason::Shutdown), now));
        }
        out
    }

    /// Decides or deletes every trace that is held, and holds those that begin later. A deleted
    /// trace is not sampled out, so it is not counted as that.
    pub(super) fn settle(&mut self, now: Stamp, pending: Pending) -> Few<Decision<S>> {
        // This function sets the counts aside, since `decide_as` counts each trace as dropped.
        let counts = self.counts.clone();
        let mut out = Few::new();
        while let Some(slot) = self.begun.first() {
            out.push(match pending {
                Pending::Keep => self.decide(slot, None, now),
                // Without asking the budgets, which the traces after the resume need.
                Pending::Discard => self.decide_as(slot, Fate::Dropped, DropReason::OverRate),
            });
        }
        if pending == Pending::Discard {
            self.counts = counts;
        }
        out
    }

    pub(super) fn traces_held(&self) -> usize {
        self.held.len()
    }

    pub(super) fn spans_held(&self) -> usize {
        self.spans_held
    }

    /// What was counted since the last time.
    pub(super) fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// The first of those whose wait for late spans is over.
    fn waited(&self, now: Stamp, wait: Duration) -> Option<u32> {
        let slot = self.complete.first()?;
        // The list has the order of these times, but for moments between threads, so the first is
        // the only one to look at.
        let since = self.slots[slot as usize].complete_at;
        (now >= since.plus(wait)).then_some(slot)
    }

    /// The first of those that were held for too long.
    fn overdue(&self, now: Stamp) -> Option<u32> {
        let slot = self.begun.first()?;
        let begun = self.slots[slot as usize].begun;
        (now >= begun.plus(self.bounds.hold_max)).then_some(slot)
    }

    fn decide(&mut self, slot: u32, early: Option<EarlyReason>, now: Stamp) -> Decision<S> {
        let trace = &self.slots[slot as usize];
        let open = trace.open;
        let is_open_too_long = open > 0 && now >= trace.slow_at;
        let class = trace.class;
        let (rate, slower, failures) = (&self.rate, &self.slower, &mut self.failures);
        let mut loss = match class {
            SpanClass::SlowerThanUsual => DropReason::SlowerThanUsual,
            _ => DropReason::OverRate,
        };
        let is_within_budget = |failure| {
            let is_admitted = failures.admits(failure, now);
            if !is_admitted {
                loss = DropReason::RepeatedError;
            }
            is_admitted
        };
        let fate = Fate::decide(
            class,
            is_open_too_long,
            is_within_budget,
            || slower.admits(now),
            || rate.admits(now),
        );
        // A complete trace lost nothing by being decided early, so it is not counted as that.
        if let Some(early) = early
            && open > 0
        {
            self.counts.hurry(early);
        }
        self.decide_as(slot, fate, loss)
    }

    fn decide_as(&mut self, slot: u32, fate: Fate, loss: DropReason) -> Decision<S> {
        let trace = &mut self.slots[slot as usize];
        let (id, open) = (trace.id, trace.open);
        // The memory goes with the decision: a slot that held a large trace keeps none of it.
        let spans = std::mem::take(&mut trace.spans);
        self.held.remove(&id);
        self.free.push(slot);
        self.begun.remove(slot);
        if !spans.is_empty() {
            self.holding.remove(slot);
        }
        if open == 0 {
            self.complete.remove(slot);
        }
        self.spans_held -= spans.len();
        // One that was dropped and one that is not known are the same to whoever asks.
        if let Fate::Kept(reason) = fate {
            self.kept.remember(id, reason);
        }
        self.counts.decide(fate, loss, spans.len());
        Decision { fate, spans }
    }
}

/// How long a complete trace waits for late spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// As long as it is to.
    Late,
    /// No longer: somebody wants everything that there is.
    Over,
}

// Far below `u32::MAX`, which `Order` uses for no slot.
const SLOTS_MAX: usize = 1 << 30;

#[cfg(test)]
mod tests;
