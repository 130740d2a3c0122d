//! What to change: rules over a history, with the catalogue's ids, remedies and runbooks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::catalogue::{self, Entry};
use super::facts::{Event, Facts, HANDLER, QUEUE_WAIT};
use super::growth::growth;
use super::spread::{above, longest, spread, spread_of};
use super::text::{bytes, digits, share, time};
use crate::history::query::{Series, SeriesStats};

/// One thing that is wrong, with its evidence.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Advice {
    /// Its id in the catalogue of findings, or the name of the app's own rule.
    pub id: String,
    /// `critical` or `warning`.
    pub severity: String,
    /// Where in the app the time or the message is lost.
    pub stage: String,
    /// The operation, event, phase or process that it is about; empty where it is none.
    pub subject: String,
    /// What was measured.
    pub evidence: String,
    /// What to do.
    pub remedy: String,
    /// What the app's own rule asked; `None` for a finding of the catalogue.
    pub question: Option<String>,
    /// The setting that a running app can change, as the id of an optimisation:
    /// [`PerformanceClient::apply_optimization`](crate::report::PerformanceClient::apply_optimization)
    /// changes it, and `undo_optimization` takes that back.
    pub optimization: Option<String>,
    /// The runbook, among those that `spanwire alerts export` writes.
    pub runbook: Option<String>,
    /// An example's trace.
    pub trace_id: Option<String>,
    /// When the example began, in nanoseconds since the Unix epoch.
    pub example_at: Option<i64>,
}

/// The ids of all rules.
#[cfg(test)]
pub(super) const RULES: &[&str] = &[
    "ui-thread-blocked",
    "handler-slow",
    "listener-slow",
    "queue-waits",
    "messages-dropped",
    "event-flood",
    "payload-large",
    "calls-in-a-row",
    "startup-slow",
    "memory-growth",
    "handler-failing",
    "operation-failing",
    "delivery-failed",
    "calls-unsettled",
    "operation-slow",
    "slower-than-before",
    "page-errors",
    "page-reloading",
    "host-cpu-saturated",
];

/// All that the history shows, and what the app's own rules found, the worst first; nothing where all
/// is well.
pub(super) fn advice(facts: &Facts, own: Vec<Advice>) -> Vec<Advice> {
    let mut found = Found {
        entries: catalogue::entries(),
        facts,
        advice: Vec::new(),
    };
    // The order is that of causes before consequences: `queues` looks whether `handlers` found what
    // keeps the UI thread.
    found.handlers();
    found.operations_on_main();
    found.reloads();
    found.queues();
    found.messages();
    found.rows_of_calls();
    found.failures();
    found.page_errors();
    found.unanswered();
    found.slow_operations();
    found.slower_than_before();
    found.startup();
    found.system();
    found.advice.extend(own);
    // A busy machine is seldom the app's fault, so it never stands before a finding.
    let rank = |is: &Advice| (is.severity != "critical", is.id == "host-cpu-saturated");
    found.advice.sort_by_key(rank);
    found.advice
}

pub(super) struct Found<'a> {
    entries: HashMap<String, Entry>,
    pub(super) facts: &'a Facts,
    advice: Vec<Advice>,
}

impl<'a> Found<'a> {
    pub(super) fn add(
        &mut self,
        id: &str,
        subject: String,
        evidence: String,
        example: Option<&Event>,
    ) {
        // A test holds that every rule has its entry.
        let Some(entry) = self.entries.get(id) else {
            return;
        };
        self.advice.push(Advice {
            id: id.to_owned(),
            severity: entry.severity.clone(),
            stage: entry.stage.clone(),
            subject,
            evidence,
            remedy: entry.remedy.clone(),
            question: None,
            optimization: None,
            runbook: entry.runbook.clone(),
            trace_id: example.and_then(|example| example.trace_id.clone()),
            example_at: example.map(|example| example.start),
        });
    }

    /// Says of the last finding which setting a running app can change: `what`, of the series' wire.
    fn can_change(&mut self, what: &str, of: &str) {
        if let Some(last) = self.advice.last_mut() {
            last.optimization = Some(format!("{what}:{of}"));
        }
    }

    fn has(&self, id: &str) -> bool {
        self.advice.iter().any(|advice| advice.id == id)
    }

    /// Those of a series that stand for all of them, and its slowest beside them as examples.
    pub(super) fn of(&self, series: &Arc<Series>) -> (&'a [Event], Vec<&'a Event>) {
        // Numbers come from the sample alone. With the slowest among them every quantile would be
        // too high.
        let sample = self
            .facts
            .of_series
            .get(series)
            .map_or(&[][..], |events| events);
        let slowest = self.facts.slowest.iter();
        (
            sample,
            slowest.filter(|event| event.series == *series).collect(),
        )
    }

    pub(super) fn kind(
        &self,
        kinds: &'a [&str],
    ) -> impl Iterator<Item = &'a SeriesStats> + use<'a> {
        let stats = self.facts.stats.iter();
        stats.filter(|stats| kinds.contains(&stats.series.kind.as_str()))
    }

    /// Handlers, and the page's listeners, that take long.
    fn handlers(&mut self) {
        for stats in self.kind(&["call", "event_in"]) {
            let (sample, slowest) = self.of(&stats.series);
            // One or two slow handlers may have had a reason of that moment.
            let Some(spread) = spread(sample, HANDLER).filter(|is| is.count >= 3) else {
                continue;
            };
            if spread.p95 < HANDLER_SLOW {
                continue;
            }
            // An example may be one of the slowest: it shows what to look at and counts for
            // nothing.
            let example = longest(sample.iter().chain(slowest.iter().copied()), HANDLER);
            let blocked = self.waits_within(&stats.series);
            // A call's handler may have run on another thread than the one that kept its record.
            let is_main = stats.series.kind == "event_in"
                && sample
                    .iter()
                    .any(|event| event.thread.as_deref() == Some("main"));
            let took = format!(
                "of {} messages one in 20 keeps its handler for {} or longer, {} at most",
                stats.count,
                time(spread.p95),
                time(
                    example
                        .and_then(|is| is.stage(HANDLER))
                        .unwrap_or(spread.max)
                ),
            );
            let subject = subject(&stats.series);
            let meanwhile = self.meanwhile(&stats.series).unwrap_or_default();
            // One that keeps the thread for 2 s makes some message wait for nearly that. Short waits
            // beside a long handler have another cause: an async one is there all the time.
            let blocks = blocked.0 >= 3 && blocked.1.saturating_mul(4) >= spread.p95;
            if blocks || is_main {
                let so = match blocked {
                    _ if !blocks => "it runs on the thread main".to_owned(),
                    (count, longest) => format!(
                        "meanwhile {count} messages to the page waited for the UI thread, {} at \
                         most",
                        time(longest)
                    ),
                };
                self.add(
                    "ui-thread-blocked",
                    subject,
                    format!("{took}; {so}{meanwhile}"),
                    example,
                );
            } else {
                self.add("handler-slow", subject, took + &meanwhile, example);
            }
        }
        for stats in self.kind(&["event_out"]) {
            let (sample, slowest) = self.of(&stats.series);
            let Some(spread) = spread(sample, HANDLER).filter(|is| is.count >= 3) else {
                continue;
            };
            // One that blocks the page now and then is slow too, however fast it is else.
            if spread.mean > LISTENER_SLOW
                || spread.p95 > LISTENER_SLOW && above(sample, HANDLER, LISTENER_SLOW) >= ABOVE_MIN
            {
                let example = longest(sample.iter().chain(slowest), HANDLER);
                let evidence = format!(
                    "the page's listeners take {} on average, one of 20 times {} or longer, {} \
                     messages in all",
                    time(spread.mean),
                    time(spread.p95),
                    stats.count
                );
                self.add("listener-slow", subject(&stats.series), evidence, example);
            }
        }
    }

    /// How many messages to the page waited while a handler or an operation of the series ran, and how long at most.
    fn waits_within(&self, series: &Arc<Series>) -> (usize, u64) {
        let events = self.facts.events();
        let mut handlers: Vec<(i64, (i64, i64))> = Vec::new();
        for event in &events {
            let is_long = held(event).is_some_and(|took| took >= HANDLER_SLOW / 2);
            if event.series == *series && is_long {
                handlers.extend(held_span(event).map(|span| (event.session, span)));
            }
        }
        let (mut count, mut longest) = (0, 0);
        for event in events.iter().filter(|event| event.is_outbound()) {
            let waited = event.stage(QUEUE_WAIT).unwrap_or(0);
            let Some((from, to)) = event
                .span_of(QUEUE_WAIT)
                .filter(|_| waited >= QUEUE_WAITS / 2)
            else {
                continue;
            };
            // A wait counts for a handler that took at least half of it. Several runs of the app
            // may share the time, so only the same run counts.
            let within = handlers.iter().any(|(session, (begin, end))| {
                let shared = to.min(*end) - from.max(*begin);
                *session == event.session && shared * 2 >= to - from
            });
            if within {
                count += 1;
                longest = longest.max(waited);
            }
        }
        (count, longest)
    }

    /// Operations on the UI thread, outside of handlers or within, for which the page waits.
    fn operations_on_main(&mut self) {
        for stats in self.kind(&["operation"]) {
            let (sample, slowest) = self.of(&stats.series);
            let is_main = sample
                .iter()
                .any(|event| event.thread.as_deref() == Some("main"));
            let spread = spread_of(sample, held);
            let Some(spread) = spread.filter(|is| is_main && is.count >= 3) else {
                continue;
            };
            let (waited, longest_wait) = self.waits_within(&stats.series);
            if spread.p95 < HANDLER_SLOW || waited < 3 {
                continue;
            }
            let example = sample
                .iter()
                .chain(slowest)
                .max_by_key(|event| event.duration);
            let evidence = format!(
                "of {} runs one in 20 takes {} or longer on the thread main, {} at most; meanwhile \
                 {waited} messages to the page waited for the UI thread, {} at most",
                stats.count,
                time(spread.p95),
                time(example.map_or(spread.max, |event| event.duration)),
                time(longest_wait),
            );
            self.add(
                "ui-thread-blocked",
                subject(&stats.series),
                evidence,
                example,
            );
        }
    }

    /// An operation on another thread that runs whenever a handler of the series is slow: what the
    /// handler waits for, maybe.
    fn meanwhile(&self, series: &Arc<Series>) -> Option<String> {
        let events = self.facts.events();
        let of_series = events.iter().filter(|event| event.series == *series);
        let slow: Vec<(&Event, (i64, i64))> = of_series
            .filter(|event| held(event).is_some_and(|took| took >= HANDLER_SLOW))
            .filter_map(|event| Some((*event, held_span(event)?)))
            .take(MEANWHILE_MAX)
            .collect();
        let mut runs: BTreeMap<&Arc<Series>, Vec<&Event>> = BTreeMap::new();
        for event in events.iter().copied().chain(&self.facts.wall) {
            if event.series.kind == "operation" && event.duration >= HANDLER_SLOW / 2 {
                runs.entry(&event.series).or_default().push(event);
            }
        }
        let covers = |run: &Event, of: &Event, (from, to): (i64, i64)| {
            let shared = to.min(run.end()) - from.max(run.start);
            run.session == of.session && run.thread != of.thread && shared * 10 >= (to - from) * 8
        };
        let covered = runs.iter().map(|(series, runs)| {
            let is_covered =
                |(of, span): &&(&Event, (i64, i64))| runs.iter().any(|run| covers(run, of, *span));
            (slow.iter().filter(is_covered).count(), *series)
        });
        let (count, series) = covered.max_by_key(|(count, _)| *count)?;
        let is_rule = slow.len() >= 3 && count * 10 >= slow.len() * 8;
        is_rule.then(|| {
            format!(
                "; operation {} runs on another thread during {count} of the {} slow ones that were \
                 looked at, which may wait for it",
                series.name,
                slow.len()
            )
        })
    }

    fn queues(&mut self) {
        for stats in self.kind(&["event_out", "reply"]) {
            let (sample, slowest) = self.of(&stats.series);
            let waits = spread(sample, QUEUE_WAIT).filter(|is| is.count >= 10);
            // A UI thread that does not come is named by what keeps it, and a page that is not there by
            // its loads.
            if self.has("ui-thread-blocked") || self.has("page-reloading") {
                break;
            }
            let many = above(sample, QUEUE_WAIT, QUEUE_WAITS) >= ABOVE_MIN;
            let waits = waits.filter(|is| is.p95 > QUEUE_WAITS && many);
            if let Some(spread) = waits {
                let example = longest(sample.iter().chain(slowest), QUEUE_WAIT);
                let evidence = format!(
                    "of {} messages one in 20 waits {} or longer before it is handed to the \
                     webview",
                    stats.count,
                    time(spread.p95)
                );
                self.add("queue-waits", subject(&stats.series), evidence, example);
                self.can_change(LARGER_BATCHES, &stats.series.webview);
            }
        }
        for ((series, error), (count, example)) in self.failed_by_type(|event| {
            event.outcome == "dropped"
                // A newer message took the place of one that was superseded, and a shutdown ends
                // what is queued. Neither shows a lack of room.
                && !matches!(event.error_type.as_deref(), Some("superseded" | "shutdown"))
                && event.is_message()
        }) {
            let evidence = format!("{count} messages were dropped: {error}");
            self.add(
                "messages-dropped",
                subject(&series),
                evidence,
                Some(example),
            );
        }
    }

    /// Many messages, and large ones.
    fn messages(&mut self) {
        for stats in self.kind(&["call", "event_in", "event_out"]) {
            // From the roll-ups: of a busy name only some records are kept.
            let peak = self.facts.peaks.get(&stats.series).copied().unwrap_or(0);
            let (sample, _) = self.of(&stats.series);
            let rate = peak as f64 / 60.0;
            if rate > FLOOD_PER_SECOND {
                let evidence = format!(
                    "{}/s in its busiest minute, {} messages in all",
                    digits(rate),
                    stats.count
                );
                self.add(
                    "event-flood",
                    subject(&stats.series),
                    evidence,
                    sample.first(),
                );
                // What the page sends cannot be coalesced here.
                if stats.series.kind == "event_out" {
                    let Series { webview, name, .. } = &*stats.series;
                    self.can_change(COALESCE, &format!("{webview}/{name}"));
                }
            }
        }
        for stats in self.kind(&["event_in", "event_out", "reply"]) {
            let (sample, _) = self.of(&stats.series);
            let Some(spread) = spread_of(sample, |event| event.size) else {
                continue;
            };
            let mean = spread.mean as f64;
            if mean > PAYLOAD_LARGE {
                let largest = sample.iter().max_by_key(|event| event.size);
                let evidence = format!(
                    "a message has {} on average, {} at most, {} messages in all",
                    bytes(mean),
                    bytes(spread.max as f64),
                    stats.count
                );
                self.add("payload-large", subject(&stats.series), evidence, largest);
            }
        }
    }

    /// Calls that wait for each other where one would do.
    fn rows_of_calls(&mut self) {
        let mut longest: BTreeMap<Arc<Series>, Vec<&Event>> = BTreeMap::new();
        // Windows of the whole period, and all neighbours of its end: rows may be minutes apart.
        let runs = self.facts.runs.iter().chain([&self.facts.wall]);
        for run in runs {
            let mut rows: HashMap<(i64, Arc<Series>), Vec<&Event>> = HashMap::new();
            for event in run.iter().filter(|event| event.series.kind == "call") {
                let row = rows
                    .entry((event.session, event.series.clone()))
                    .or_default();
                // The page's clock moves in steps of a millisecond on WebKitGTK and is translated, so
                // a call may seem to begin before the end of the one before. Calls at the same time
                // begin long before it.
                let follows = row.last().is_none_or(|last| {
                    let half = i64::try_from(last.duration / 2).unwrap_or(i64::MAX);
                    event.start >= last.start.saturating_add(half)
                        && event.start - last.end() < GAP_MAX
                });
                if !follows {
                    row.clear();
                }
                row.push(event);
                // One finding for each series, with the longest row as its evidence.
                let best = longest.entry(event.series.clone()).or_default();
                if row.len() >= ROW_MIN && time_of(row) > time_of(best) {
                    best.clone_from(row);
                }
            }
        }
        for (series, row) in longest {
            let took = time_of(&row);
            let Some(first) = row.first().filter(|_| took >= ROW_TIME_MIN) else {
                continue;
            };
            let evidence = format!(
                "{} calls one right after the other, {} in all",
                row.len(),
                time(took)
            );
            self.add("calls-in-a-row", subject(&series), evidence, Some(first));
        }
    }

    /// Pages that are loaded anew within a minute, as often as the catalogue has it.
    fn reloads(&mut self) {
        for stats in self.kind(&["page_load"]) {
            let peak = self.facts.peaks.get(&stats.series).copied().unwrap_or(0);
            if peak < RELOADS_A_MINUTE {
                continue;
            }
            let evidence = format!(
                "{peak} loads within a minute, {} in all: {}",
                stats.count, stats.series.name
            );
            let (sample, _) = self.of(&stats.series);
            let subject = format!("the page of webview {}", stats.series.webview);
            self.add("page-reloading", subject, evidence, sample.first());
        }
    }

    fn slow_operations(&mut self) {
        for stats in self.kind(&["operation"]) {
            // Below one in a hundred they count as outliers.
            if stats.slow < 3 || (stats.slow as f64) < 0.01 * stats.count as f64 {
                continue;
            }
            let (_, slowest) = self.of(&stats.series);
            let example = slowest.iter().find(|event| event.slow.is_some()).copied();
            let usual = slowest
                .iter()
                .filter(|is| is.slow.as_deref() == Some("slower_than_usual"));
            let so = match usual.count() {
                0 => String::new(),
                count => format!("; {count} of the slowest were slower than usual"),
            };
            let evidence = format!(
                "{} of {} took their threshold or longer, {} at most{so}",
                stats.slow,
                stats.count,
                time(super::text::nanos(stats.max))
            );
            self.add("operation-slow", subject(&stats.series), evidence, example);
        }
    }

    fn slower_than_before(&mut self) {
        let [before, after] = &self.facts.halves;
        let compared = after.iter().filter_map(|after| {
            let before = before.iter().find(|is| is.series == after.series)?;
            let kind = after.series.kind.as_str();
            let is_known = matches!(
                kind,
                "startup" | "page_load" | "page_error" | "current_operation"
            );
            // Of fewer the p95 is the longest.
            let enough = before.count >= 20 && after.count >= 20;
            (enough && !is_known).then_some((before, after))
        });
        let compared: Vec<_> = compared.collect();
        let mut slower = compared.clone();
        slower.retain(|(before, after)| {
            // The median must follow: a few outliers are no change.
            after.p95 >= before.p95 * 2
                && after.p95 - before.p95 >= SLOWER_BY
                && after.p50 >= before.p50 * 3 / 2
        });
        // Where most of them became slower, none of them is the cause.
        if slower.len() >= 3 && slower.len() * 2 > compared.len() {
            let all = format!("{} of {} names", slower.len(), compared.len());
            slower.sort_by_key(|(before, after)| std::cmp::Reverse(after.p95 - before.p95));
            let Some((before, after)) = slower.first() else {
                return;
            };
            let (_, slowest) = self.of(&after.series);
            let evidence = format!(
                "{all} became slower together, {} the most: {}",
                subject(&after.series),
                halves(before, after)
            );
            self.add(
                "slower-than-before",
                all,
                evidence,
                slowest.first().copied(),
            );
            return;
        }
        for (before, after) in slower {
            let (_, slowest) = self.of(&after.series);
            self.add(
                "slower-than-before",
                subject(&after.series),
                halves(before, after),
                slowest.first().copied(),
            );
        }
    }

    fn startup(&mut self) {
        // One finding for a start: by what the user sees, or else by the page's document.
        let shown = ["first_paint", "dom_ready"];
        for phase in shown {
            let newest = self
                .facts
                .startup
                .iter()
                .rev()
                .find(|is| is.series.name == phase);
            let Some(event) = newest.filter(|event| event.duration > STARTUP_SLOW) else {
                continue;
            };
            // The phase before which the most time went by.
            let mut phases: Vec<&Event> = self
                .facts
                .startup
                .iter()
                .filter(|is| is.session == event.session)
                .collect();
            phases.sort_by_key(|event| event.duration);
            let steps = phases.windows(2).filter_map(|pair| match pair {
                [a, b] => Some((b.duration - a.duration, *a, *b)),
                _ => None,
            });
            let step = steps.max_by_key(|(took, ..)| *took);
            let so = step.map_or_else(String::new, |(took, a, b)| {
                let (a, b) = (&a.series.name, &b.series.name);
                format!("; the most of it, {}, between {a} and {b}", time(took))
            });
            let evidence = format!(
                "{phase} came {} after the process started{so}",
                time(event.duration)
            );
            self.add("startup-slow", phase.to_owned(), evidence, Some(event));
            return;
        }
    }

    fn system(&mut self) {
        for samples in &self.facts.samples {
            let mut of: BTreeMap<i64, Vec<(i64, f64)>> = BTreeMap::new();
            for (at, session, value) in &samples.points {
                of.entry(*session).or_default().push((*at, *value));
            }
            // By run: a new process begins with less memory, which would hide the growth of the one
            // before.
            for points in of.into_values() {
                if samples.name.ends_with("memory.usage")
                    && let Some((grew, to, over)) = growth(&points)
                {
                    let subject = match samples.part.as_str() {
                        "" => "the app's process".to_owned(),
                        part => format!("the webview's {part} process"),
                    };
                    let evidence = format!(
                        "it grew by {} to {} in {}",
                        bytes(grew),
                        bytes(to),
                        time(over)
                    );
                    self.add("memory-growth", subject, evidence, None);
                }
                // Some ten samples, since any program may have all cores for a moment.
                if samples.name == "system.cpu.utilization" && points.len() >= 10 {
                    let sum: f64 = points.iter().map(|(_, value)| value).sum();
                    let mean = sum / points.len() as f64;
                    if mean > 0.95 {
                        let evidence =
                            format!("{} of all cores are in use on average", share(mean));
                        self.add(
                            "host-cpu-saturated",
                            "the machine".to_owned(),
                            evidence,
                            None,
                        );
                    }
                }
            }
        }
    }
}

/// From the first one's start to the last one's end.
fn time_of(row: &[&Event]) -> u64 {
    let ends = row.first().zip(row.last());
    ends.map_or(0, |(first, last)| {
        u64::try_from(last.end() - first.start).unwrap_or(0)
    })
}

/// How long it kept its thread: a message its handler, an operation itself.
fn held(event: &Event) -> Option<u64> {
    match event.series.kind.as_str() {
        "operation" => Some(event.duration),
        _ => event.stage(HANDLER),
    }
}

/// From when to when it did.
fn held_span(event: &Event) -> Option<(i64, i64)> {
    match event.series.kind.as_str() {
        "operation" => Some((event.start, event.end())),
        _ => event.span_of(HANDLER),
    }
}

pub(super) fn subject(series: &Series) -> String {
    match series.webview.as_str() {
        "" => format!("{} {}", series.kind, series.name),
        webview => format!("{} {} (webview {webview})", series.kind, series.name),
    }
}

fn halves(before: &SeriesStats, after: &SeriesStats) -> String {
    format!(
        "one of 20 took {} or longer in the first half of the period, and {} in the second",
        time(super::text::nanos(before.p95)),
        time(super::text::nanos(after.p95))
    )
}

// As in the catalogue: `grafana/src/findings/`.
const HANDLER_SLOW: u64 = 100_000_000;
const LISTENER_SLOW: u64 = 100_000_000;
const QUEUE_WAITS: u64 = 100_000_000;
/// So many above a threshold are no accident.
const ABOVE_MIN: usize = 5;
/// Each is compared with all operations of the wall time, which are up to 20,000.
const MEANWHILE_MAX: usize = 100;
const RELOADS_A_MINUTE: u64 = 4;
const FLOOD_PER_SECOND: f64 = 500.0;
const PAYLOAD_LARGE: f64 = 524_288.0;
const STARTUP_SLOW: u64 = 5_000_000_000;
const SLOWER_BY: std::time::Duration = std::time::Duration::from_millis(20);
// As `report::optimization` has them, which this part of the crate does not know.
const LARGER_BATCHES: &str = "ipc.batch_len";
const COALESCE: &str = "ipc.coalesce";
/// Calls in a row, and what they take together, from which on they are one finding.
const ROW_MIN: usize = 20;
const ROW_TIME_MIN: u64 = 50_000_000;
/// Between a call's answer and the next call.
/// Less than a frame, since a call for each frame does not wait for the one before.
const GAP_MAX: i64 = 12_000_000;
