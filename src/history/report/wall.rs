//! Where the wall time of operations and messages went: what ran within what.
//!
//! A history has no ids of spans. So an event is within another one of its run that began before it
//! and ended after it, on the same thread or in the same trace; the latest of these.

use std::collections::HashMap;

use super::facts::{Event, Facts, HANDLER, STAGES};
use super::flame::{Flame, draw};
use super::text::{put, time};

/// The page's section.
pub(super) fn section(out: &mut String, facts: &Facts) {
    out.push_str("<h2>Wall time</h2>");
    let flame = flame(&facts.wall);
    if flame.is_empty() {
        out.push_str("<p class=\"soft\">No operation or message is in this period.</p>");
        return;
    }
    put!(
        out,
        "<p class=\"soft\">How long the newest {} operations and messages took in all, and what they \
         had within them: their stages, and what ran in the meantime on the same thread or in the same \
         trace. Waiting counts.</p>",
        facts.wall.len()
    );
    draw(out, &flame, &time);
}

/// Where an event is in the graph, and until when others may be within it.
#[derive(Clone, Copy)]
struct Open<'a> {
    event: &'a Event,
    at: usize,
    /// Its handler, from when to when.
    handler: Option<(usize, i64, i64)>,
}

fn flame(events: &[Event]) -> Flame {
    let mut events: Vec<&Event> = events.iter().collect();
    // The outer one comes before the inner one that begins with it.
    events.sort_by_key(|event| (event.session, event.start, -event.end(), event.id));
    let mut flame = Flame::new();
    let mut lanes: HashMap<(i64, Lane<'_>), Vec<Open<'_>>> = HashMap::new();
    for event in events {
        let keys = lanes_of(event);
        // On its thread or in its trace, whichever is closer.
        let outer = keys.iter().flatten().filter_map(|key| {
            let open = lanes.get_mut(&(event.session, *key))?;
            // Events come in the order of their starts, so nothing later can be within one that has
            // ended.
            open.retain(|outer| outer.event.end() > event.start);
            let outer = open
                .iter()
                .rev()
                .find(|outer| outer.event.end() >= event.end());
            outer.copied()
        });
        let outer = outer.max_by_key(|outer| outer.event.start);
        // What lies within the handler's time belongs to the handler's box, and not beside it.
        let within = outer.map_or(Flame::ROOT, |outer| match outer.handler {
            Some((at, from, to)) if event.start >= from && event.end() <= to => at,
            _ => outer.at,
        });
        let name = format!("{} {}", event.series.kind, event.series.name);
        let at = flame.within(within, &name);
        flame.add(at, of_all(event, event.duration));
        let mut handler = None;
        for (stage, _, took) in event.laid_out() {
            let name = STAGES.get(stage).copied().unwrap_or_default();
            let part = flame.within(at, &name.replace('_', " "));
            flame.add(part, of_all(event, took));
            if stage == HANDLER {
                handler = event.span_of(HANDLER).map(|(from, to)| (part, from, to));
            }
        }
        for key in keys.into_iter().flatten() {
            let open = lanes.entry((event.session, key)).or_default();
            // A thread with very many open events would make each search long.
            if open.len() >= OPEN_MAX {
                open.remove(0);
            }
            open.push(Open { event, at, handler });
        }
    }
    flame
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Lane<'a> {
    Thread(&'a str),
    Trace(&'a str),
}

/// Where it may have something within it, and be within something.
fn lanes_of(event: &Event) -> [Option<Lane<'_>>; 2] {
    // A call is on its thread only while its handler runs.
    let has_thread = matches!(event.series.kind.as_str(), "operation" | "event_in");
    let thread = event.thread.as_deref().filter(|_| has_thread);
    let trace = event.trace_id.as_deref();
    [thread.map(Lane::Thread), trace.map(Lane::Trace)]
}

/// With those that the row stands for.
fn of_all(event: &Event, nanos: u64) -> u64 {
    (nanos as f64 * event.weight.max(1.0)) as u64
}

/// Open at once, of a thread or a trace; of more the oldest are forgotten.
const OPEN_MAX: usize = 64;
