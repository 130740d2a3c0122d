//! The rules for what failed: handlers, operations, deliveries, calls and the page itself.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::advice::{Found, subject};
use super::facts::{Event, HANDLER};
use super::text::{share, time};
use crate::history::query::{Series, SeriesStats};

impl<'a> Found<'a> {
    /// Failures by what failed, and with what error: how many were found, and the newest.
    pub(super) fn failed_by_type(
        &self,
        which: impl Fn(&Event) -> bool,
    ) -> BTreeMap<(Arc<Series>, String), (usize, &'a Event)> {
        by_type(self.facts.failed.iter().filter(|event| which(event)))
    }

    /// The same of one series. Where others failed so often that none of it is among the newest
    /// failures, those of its sample count.
    fn failed_of(
        &self,
        series: &Arc<Series>,
    ) -> BTreeMap<(Arc<Series>, String), (usize, &'a Event)> {
        let newest = self.failed_by_type(|event| event.series == *series);
        match newest.is_empty() {
            // The sample is in the order of time, and the newest is to come first.
            true => by_type(
                self.of(series)
                    .0
                    .iter()
                    .rev()
                    .filter(|event| event.failed()),
            ),
            false => newest,
        }
    }

    pub(super) fn failures(&mut self) {
        for stats in &self.facts.stats {
            let id = match stats.series.kind.as_str() {
                "operation" => "operation-failing",
                "call" | "event_in" => "handler-failing",
                "event_out" => "delivery-failed",
                _ => continue,
            };
            // A single failure among few is a high rate by chance.
            if stats.errors < 3 || stats.error_rate < ERROR_RATE {
                continue;
            }
            let mut evidence = format!(
                "{} of {} fail, {}",
                stats.errors,
                stats.count,
                share(stats.error_rate)
            );
            let of = self.failed_of(&stats.series);
            let most = of.iter().max_by_key(|(_, (count, _))| *count);
            let Some(((_, error), (count, example))) = most else {
                // Its records have expired or were sampled away, and its sums are there.
                self.add(id, subject(&stats.series), evidence, None);
                continue;
            };
            // `messages-dropped` names these.
            if example.outcome == "dropped" {
                continue;
            }
            let all: usize = of.values().map(|(count, _)| count).sum();
            evidence += &format!("; of the newest {all} failures {count} are {error}");
            let id = match example.outcome == "timeout" && stats.series.kind == "call" {
                true => "calls-unsettled",
                false => id,
            };
            self.add(id, subject(&stats.series), evidence, Some(example));
        }
    }

    /// Errors on the page by webview and type, with the events whose listeners threw the most.
    pub(super) fn page_errors(&mut self) {
        let mut of: BTreeMap<(&str, &str), Vec<&SeriesStats>> = BTreeMap::new();
        for stats in self.kind(&["page_error"]) {
            let Series { name, webview, .. } = &*stats.series;
            let error = match name.as_str() {
                name @ (LISTENER_ERROR | "uncaught" | "unhandled_rejection") => name,
                // The others are events.
                _ => LISTENER_ERROR,
            };
            of.entry((webview, error)).or_default().push(stats);
        }
        for ((webview, error), mut all) in of {
            let count: u64 = all.iter().map(|stats| stats.count).sum();
            if count < 3 {
                continue;
            }
            let is_of = |event: &&Event| all.iter().any(|stats| stats.series == event.series);
            let newest = self.facts.failed.iter().find(is_of);
            // Of an older page the event is not known.
            all.retain(|stats| stats.series.name != error);
            all.sort_by_key(|stats| (Reverse(stats.count), &stats.series.name));
            let subject = subject(&Series {
                kind: "page_error".to_owned(),
                name: error.to_owned(),
                webview: webview.to_owned(),
            });
            let evidence = format!("{count} errors on the page{}", in_listeners(&all));
            self.add("page-errors", subject, evidence, newest);
        }
    }

    /// Calls without an answer from their handler: they were open for long when their page or the wire
    /// ended.
    pub(super) fn unanswered(&mut self) {
        for stats in self.kind(&["call"]) {
            let (sample, slowest) = self.of(&stats.series);
            let is_open = |event: &&Event| {
                let ended = matches!(event.error_type.as_deref(), Some("shutdown" | "page_gone"));
                ended && event.duration >= UNANSWERED && event.stage(HANDLER).is_none()
            };
            let open: HashMap<i64, &Event> = sample
                .iter()
                .chain(slowest)
                .filter(is_open)
                .map(|event| (event.id, event))
                .collect();
            if open.len() < UNANSWERED_MIN {
                continue;
            }
            let example = open.values().copied().max_by_key(|event| event.duration);
            let evidence = format!(
                "{} of {} had no answer when the app or the page ended, the oldest for {}",
                open.len(),
                stats.count,
                time(example.map_or(0, |event| event.duration)),
            );
            self.add("calls-unsettled", subject(&stats.series), evidence, example);
        }
    }
}

/// The events whose listeners threw, given the most frequent first.
fn in_listeners(events: &[&SeriesStats]) -> String {
    if events.is_empty() {
        return String::new();
    }
    let (named, others) = events.split_at(events.len().min(EVENTS_NAMED));
    let named = named.iter();
    let named = named.map(|stats| format!("{} ({})", stats.series.name, stats.count));
    let named = named.collect::<Vec<_>>().join(", ");
    let others = match others.len() {
        0 => String::new(),
        1 => " and of another event".to_owned(),
        count => format!(" and of {count} other events"),
    };
    format!(", in listeners of {named}{others}")
}

/// By what failed, and with what error: how many, and the first.
fn by_type<'a>(
    events: impl Iterator<Item = &'a Event>,
) -> BTreeMap<(Arc<Series>, String), (usize, &'a Event)> {
    let mut by_type = BTreeMap::new();
    for event in events {
        // Not every failure has a type. Its outcome names its group then.
        let error = event.error_type.as_deref().unwrap_or(&event.outcome);
        let key = (event.series.clone(), error.to_owned());
        by_type.entry(key).or_insert((0, event)).0 += 1;
    }
    by_type
}

/// What the page calls an error of a listener.
const LISTENER_ERROR: &str = "listener_error";
/// Events that are named whose listeners throw; the others are counted.
const EVENTS_NAMED: usize = 3;
/// Calls that were open for so long, and how many, when the wire was closed or their page went away.
const UNANSWERED: u64 = 10_000_000_000;
const UNANSWERED_MIN: usize = 3;
const ERROR_RATE: f64 = 0.05;
