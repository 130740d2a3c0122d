//! Spans that began in a task of tokio without a parent, for the call that the task serves.
//!
//! A framework that polls its async handlers outside of every span, as Tauri does, leaves their
//! spans roots of traces of their own. Which call a task serves is known when the task answers it:
//! then the call's span gets links to them. Until then they are kept by task, while a call waits
//! that asked for it.

#![cfg_attr(
    not(any(feature = "otlp", feature = "testing")),
    allow(dead_code, reason = "spans are noted by our layer alone")
)]

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use metrics::Counter;
use opentelemetry::trace::SpanContext;
use tokio::task;

use super::handles::{self, Instruments};
use crate::semconv;

/// Tasks that serve no call are kept too, until no call waits. The oldest makes room.
const TASKS_MAX: usize = 1_024;

/// Beyond it a task's spans are no longer kept.
const SPANS_OF_TASK_MAX: usize = 16;

/// The calls that wait. Relaxed: a call waits before its task is spawned, which orders both.
static WAITING: AtomicUsize = AtomicUsize::new(0);

static TASKS: LazyLock<Mutex<Tasks>> = LazyLock::new(Mutex::default);

static DROPPED: Instruments<Counter> = Instruments::new();

/// A call that waits for its task: while there is one, spans are kept.
#[derive(Debug)]
#[must_use = "spans are kept while it is held"]
pub(crate) struct Waiting(());

#[derive(Debug, Default)]
struct Tasks {
    spans: HashMap<task::Id, Spans>,
    /// The oldest first. One that a call took may be here still.
    order: VecDeque<task::Id>,
}

#[derive(Debug, Default)]
struct Spans {
    kept: Vec<SpanContext>,
    dropped: u64,
}

impl Waiting {
    pub(crate) fn begin() -> Self {
        WAITING.fetch_add(1, Ordering::Relaxed);
        Self(())
    }

    /// The spans that began in the task of this thread, which serves the call.
    pub(crate) fn take(&self) -> Vec<SpanContext> {
        let Some(id) = task::try_id() else {
            return Vec::new();
        };
        let spans = tasks().spans.remove(&id).unwrap_or_default();
        count_dropped(spans.dropped);
        spans.kept
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if WAITING.fetch_sub(1, Ordering::Relaxed) == 1 {
            let mut tasks = tasks();
            // Unless a call began meanwhile.
            if !is_on() {
                *tasks = Tasks::default();
            }
        }
    }
}

/// Whether [`note`] is worth its arguments.
#[inline]
pub(crate) fn is_on() -> bool {
    WAITING.load(Ordering::Relaxed) > 0
}

/// A span without a parent has begun on this thread.
pub(crate) fn note(span: &SpanContext) {
    if let Some(id) = task::try_id() {
        let evicted = tasks().note(id, span);
        count_dropped(evicted);
    }
}

impl Tasks {
    /// How many spans had to make room.
    fn note(&mut self, id: task::Id, span: &SpanContext) -> u64 {
        let mut evicted = 0;
        if !self.spans.contains_key(&id) {
            if self.order.len() == TASKS_MAX
                && let Some(oldest) = self.order.pop_front()
                && let Some(spans) = self.spans.remove(&oldest)
            {
                evicted = spans.kept.len() as u64 + spans.dropped;
            }
            self.order.push_back(id);
        }
        let spans = self.spans.entry(id).or_default();
        if spans.kept.len() < SPANS_OF_TASK_MAX {
            spans.kept.push(span.clone());
        } else {
            spans.dropped += 1;
        }
        evicted
    }
}

fn tasks() -> MutexGuard<'static, Tasks> {
    // Sound after each step.
    TASKS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count_dropped(spans: u64) {
    if spans > 0
        && let Some(dropped) =
            DROPPED.get(|| handles::counter(&semconv::IPC_TASK_SPANS_DROPPED, &[]))
    {
        dropped.increment(spans);
    }
}
