//! Unsigned fields of spans, which are numbers and not texts.
//!
//! `tracing-opentelemetry` has no words for unsigned and 128-bit integers, so every `usize`, `u64`
//! or `u8` of a span or of an event within it becomes a text. It cannot be told otherwise: what it
//! visits is sealed. So a layer in front of it remembers which fields of a span, and which of its
//! events, are such integers, and when the span ends, our processor, which runs within the same
//! call, makes numbers of them again. Log records need nothing of it. A number above `i64::MAX`
//! stays a text, since OpenTelemetry has no integer for it.

use std::cell::RefCell;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::instrument::thread_end::span_seen;

/// Whether a span ever had one: until then nothing is looked for when spans end.
///
/// Relaxed: the thread that ends a span has been told of it by whoever put fields into it.
static SEEN: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The integers of the span that is being closed on this thread.
    static CLOSING: RefCell<Integers> = const { RefCell::new(Integers::none()) };
}

/// In front of the layer that makes spans: remembers their integers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RememberIntegers;

/// Behind that layer: what no processor took belongs to no other span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForgetIntegers;

/// Makes numbers of what [`RememberIntegers`] remembers of the span that is being closed.
pub(crate) fn restore_integers(span: &mut SpanData) {
    if !SEEN.load(Ordering::Relaxed) {
        return;
    }
    let integers = CLOSING.try_with(RefCell::take).unwrap_or_default();
    restore(&mut span.attributes, &integers.of_span);
    for event in &mut span.events.events {
        restore(&mut event.attributes, &integers.of_events);
    }
}

/// Makes numbers of the attributes of these names, where their texts are what an integer becomes.
///
/// Not told apart are two events of one span that have a field of one name, an unsigned integer in
/// one and in the other a text that is written as an integer is, such as `7`; nor are the two when
/// they are recorded into one field of the span. Then both become numbers.
fn restore(attributes: &mut [KeyValue], names: &[&'static str]) {
    // Most spans have no unsigned field.
    if names.is_empty() {
        return;
    }
    for attribute in attributes {
        // A list and no set: a span has a few such fields.
        if names.contains(&attribute.key.as_str())
            && let Value::String(text) = &attribute.value
            && let Some(number) = formatted_integer(text.as_str())
        {
            attribute.value = Value::I64(number);
        }
    }
}

/// The integer that is formatted so; `None` for other texts that can be read as one, such as `007`
/// and `+7`, and above `i64::MAX`.
fn formatted_integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_formatted = match digits.as_bytes() {
        [b'0'] => text == "0",
        [first, ..] => matches!(first, b'1'..=b'9'),
        [] => false,
    };
    // The rest of the digits are for the parser to check.
    is_formatted.then(|| text.parse().ok()).flatten()
}

impl<S> Layer<S> for RememberIntegers
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        // The layer finds the integers before it looks up the span, since only spans with such
        // fields are worth a look-up and its lock.
        let mut found = Found::default();
        attributes.record(&mut found);
        found.keep(Integers::of_span, || ctx.span(id));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        let mut found = Found::default();
        values.record(&mut found);
        found.keep(Integers::of_span, || ctx.span(id));
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let mut found = Found::default();
        event.record(&mut found);
        found.keep(Integers::of_events, || ctx.event_span(event));
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        if SEEN.load(Ordering::Relaxed)
            && let Some(span) = ctx.span(&id)
            // Handed over by the thread: the processor gets OpenTelemetry's data, from which no way
            // leads to the extensions of `tracing`'s span.
            && let Some(integers) = span.extensions_mut().remove::<Integers>()
        {
            // Where a thread ends, they stay texts.
            let _ = CLOSING.try_with(|closing| closing.replace(integers));
        }
    }
}

impl<S: Subscriber> Layer<S> for ForgetIntegers {
    fn on_exit(&self, _: &Id, _: Context<'_, S>) {
        // An exit comes after an enter: by now the layer and the registry have used their
        // thread-locals, and a sentinel that is first used after those goes before them.
        span_seen();
    }

    fn on_close(&self, _: Id, _: Context<'_, S>) {
        if SEEN.load(Ordering::Relaxed) {
            // Left over where the span was not recorded, so that no processor saw it end.
            let _ = CLOSING.try_with(RefCell::take);
        }
    }
}

/// The names of fields that are integers.
#[derive(Default)]
struct Integers {
    of_span: Vec<&'static str>,
    /// Of all events within the span. A list for each event would have no bound.
    of_events: Vec<&'static str>,
}

impl Integers {
    const fn none() -> Self {
        Self {
            of_span: Vec::new(),
            of_events: Vec::new(),
        }
    }

    fn of_span(&mut self) -> &mut Vec<&'static str> {
        &mut self.of_span
    }

    fn of_events(&mut self) -> &mut Vec<&'static str> {
        &mut self.of_events
    }
}

/// Those that a visitor found. It formats and allocates nothing for other fields.
#[derive(Default)]
struct Found(Vec<&'static str>);

impl Found {
    /// Adds them to the `list` of `span`.
    fn keep<'a, S>(
        self,
        list: fn(&mut Integers) -> &mut Vec<&'static str>,
        span: impl FnOnce() -> Option<SpanRef<'a, S>>,
    ) where
        S: Subscriber + LookupSpan<'a> + 'a,
    {
        if self.0.is_empty() {
            return;
        }
        let Some(span) = span() else { return };
        SEEN.store(true, Ordering::Relaxed);
        let mut extensions = span.extensions_mut();
        if extensions.get_mut::<Integers>().is_none() {
            extensions.insert(Integers::none());
        }
        let Some(integers) = extensions.get_mut() else {
            return;
        };
        let known = list(integers);
        if known.is_empty() {
            *known = self.0;
            return;
        }
        for name in self.0 {
            // Fields may be recorded twice, and a span's events repeat theirs.
            if !known.contains(&name) {
                known.push(name);
            }
        }
    }
}

impl Visit for Found {
    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}

    fn record_u64(&mut self, field: &Field, _: u64) {
        // A field's name is `'static`, so remembering it copies a pointer.
        self.0.push(field.name());
    }

    fn record_u128(&mut self, field: &Field, _: u128) {
        self.0.push(field.name());
    }

    fn record_i128(&mut self, field: &Field, _: i128) {
        self.0.push(field.name());
    }
}
