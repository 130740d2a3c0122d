//! Where the time of a message went, read from the spans of its trace.
//!
//! `docs/guide/reading-a-trace.md` says the same in words.

use std::fmt;
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

/// A part of a message's way. Together they are the whole way but for some instructions between
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// In the page, until its batch was posted.
    PageWait,
    /// From the page to the host's receipt.
    WireIn,
    /// In the host's handler, awaits included.
    Handler,
    /// Until it was sent to the page, for another reason than the next one.
    Queue,
    /// Until it was sent to the page, since the UI thread was woken and did not come.
    MainThread,
    /// From the host to the moment when the page began to run it.
    WireOut,
    /// The page at work: listeners, or what follows a promise.
    PageWork,
}

impl Stage {
    /// All, in the order of the way.
    pub const ALL: [Self; 7] = [
        Self::PageWait,
        Self::WireIn,
        Self::Handler,
        Self::Queue,
        Self::MainThread,
        Self::WireOut,
        Self::PageWork,
    ];

    /// What `docs/guide/reading-a-trace.md` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::PageWait => "page wait",
            Self::WireIn => "wire in",
            Self::Handler => "handler",
            Self::Queue => "queue",
            Self::MainThread => "main thread",
            Self::WireOut => "wire out",
            Self::PageWork => "page at work",
        }
    }
}

/// How long each stage took.
#[derive(Clone, Copy, Default, PartialEq)]
pub struct Stages([Duration; Stage::ALL.len()]);

impl Stages {
    /// How long that stage took.
    pub fn get(&self, stage: Stage) -> Duration {
        self.0[stage as usize]
    }

    /// Adds to that stage.
    pub fn add(&mut self, stage: Stage, took: Duration) {
        self.0[stage as usize] += took;
    }

    /// The longest one.
    pub fn worst(&self) -> Stage {
        let worst = Stage::ALL.into_iter().max_by_key(|stage| self.get(*stage));
        worst.expect("there are stages")
    }

    /// The longest of the others.
    pub fn next_to(&self, stage: Stage) -> Duration {
        let others = Stage::ALL.into_iter().filter(|other| *other != stage);
        others
            .map(|other| self.get(other))
            .max()
            .unwrap_or_default()
    }
}

impl fmt::Debug for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |stage| format!("{:.1} ms", self.get(stage).as_secs_f64() * 1e3);
        f.debug_map()
            .entries(Stage::ALL.map(|stage| (stage, ms(stage))))
            .finish()
    }
}

/// The stages of all messages in these spans, added up.
pub fn stages(spans: &[Span]) -> Stages {
    let mut stages = Stages::default();
    for span in spans {
        // A message of the page's: the client span of a call, or the producer span of an event,
        // which ends when it is received.
        if let Some(posted) = event(span, "posted") {
            let received = event(span, "received").unwrap_or(span.end_time_unix_nano);
            stages.add(Stage::PageWait, between(span.start_time_unix_nano, posted));
            stages.add(Stage::WireIn, between(posted, received));
        }
        // A message to the page.
        if let Some(dequeued) = event(span, "dequeued") {
            let waited = between(span.start_time_unix_nano, dequeued);
            let for_ui = number(span, "spanwire.main_thread.delay").unwrap_or(0.0);
            let for_ui = Duration::from_secs_f64(for_ui).min(waited);
            stages.add(Stage::Queue, waited - for_ui);
            stages.add(Stage::MainThread, for_ui);
        }
        if let Some(dispatched) = event(span, "dispatched") {
            let ran = spans
                .iter()
                .find(|child| child.parent_span_id == span.span_id && is_page_work(child));
            let began = ran.map(|ran| ran.start_time_unix_nano);
            if let Some(began) = began.or_else(|| event(span, "acknowledged")) {
                stages.add(Stage::WireOut, between(dispatched, began));
            }
        }
        let is_handler = matches!(span.kind(), SpanKind::Server | SpanKind::Consumer);
        if is_handler && !is_page_work(span) {
            let took = between(span.start_time_unix_nano, span.end_time_unix_nano);
            stages.add(Stage::Handler, took);
        }
    }
    stages.add(Stage::PageWork, page_work(spans));
    stages
}

/// How long the page was at work. What one script brought is run in one go, and a reply's span ends
/// with all of it, so these spans overlap.
fn page_work(spans: &[Span]) -> Duration {
    let work = spans.iter().filter(|span| is_page_work(span));
    let mut work: Vec<_> = work
        .map(|span| (span.start_time_unix_nano, span.end_time_unix_nano))
        .collect();
    work.sort_unstable();
    let (mut took, mut until) = (Duration::ZERO, 0);
    for (start, end) in work {
        took += between(start.max(until), end);
        until = until.max(end);
    }
    took
}

fn is_page_work(span: &Span) -> bool {
    span.name.starts_with("process ")
}

/// When an event of a span was, in nanoseconds of the wall clock.
pub fn event(span: &Span, name: &str) -> Option<u64> {
    let mut events = span.events.iter();
    Some(events.find(|event| event.name == name)?.time_unix_nano)
}

/// An attribute that is a number.
pub fn number(span: &Span, key: &str) -> Option<f64> {
    match attribute(span, key)? {
        Value::DoubleValue(number) => Some(*number),
        Value::IntValue(number) => Some(*number as f64),
        _ => None,
    }
}

/// An attribute that is a text.
pub fn text<'a>(span: &'a Span, key: &str) -> Option<&'a str> {
    match attribute(span, key)? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

fn attribute<'a>(span: &'a Span, key: &str) -> Option<&'a Value> {
    let mut attributes = span.attributes.iter();
    let attribute = attributes.find(|attribute| attribute.key == key)?;
    attribute.value.as_ref()?.value.as_ref()
}

fn between(from: u64, to: u64) -> Duration {
    Duration::from_nanos(to.saturating_sub(from))
}
