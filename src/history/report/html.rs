//! `report.html`: one file without a script, which a browser shows without a request.

use std::collections::BTreeMap;

use super::advice::Advice;
use super::facts::{Event, Facts, HANDLER, QUEUE_WAIT, RESPONSE, STAGES, Samples, TRANSIT};
use super::page_style::STYLE;
use super::spread::{longest, spread};
use super::text::{bytes, digits, escaped, nanos, put, share, time};
use super::{profile, unclean, wall};
use crate::history::time::moment;

/// The whole page.
pub(super) fn page(facts: &Facts, advice: &[Advice], verdict: &str) -> String {
    let mut out = String::with_capacity(256 << 10);
    out += "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n";
    // Nothing is loaded and no script runs, whatever a name in it says.
    out += "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src \
            'unsafe-inline'\">\n";
    out += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
    out += "<title>Why is it laggy?</title>\n<style>";
    out += STYLE;
    out += "</style></head><body><main>\n";
    head(&mut out, facts, advice, verdict);
    unclean::section(&mut out, facts);
    advice_section(&mut out, advice);
    startup(&mut out, facts);
    slowest(&mut out, facts);
    numbers(&mut out, facts);
    threads(&mut out, facts);
    wall::section(&mut out, facts);
    profile::section(&mut out, &facts.profile);
    memory(&mut out, facts);
    errors(&mut out, facts);
    files(&mut out, facts);
    out += "</main></body></html>\n";
    out
}

fn head(out: &mut String, facts: &Facts, advice: &[Advice], verdict: &str) {
    // The worst comes first.
    let class = advice.first().map_or(unclean::class(facts), |first| {
        match first.severity.as_str() {
            "critical" => "critical",
            _ => "warning",
        }
    });
    put!(
        out,
        "<h1>Why is it laggy?</h1><p class=\"verdict {class}\">{}</p>",
        escaped(verdict)
    );
    let length = u64::try_from(facts.to - facts.from).unwrap_or(0);
    put!(
        out,
        "<p class=\"soft\">From {} to {} ({})</p>",
        moment(facts.from),
        moment(facts.to),
        time(length)
    );
    for missing in &facts.missing {
        put!(
            out,
            "<p class=\"card warning\"><b>Missing:</b> {}</p>",
            escaped(missing)
        );
    }
    out.push_str(
        "<div class=\"scroll\"><table><tr><th>App</th><th>Version</th><th>Process</th>\
                  <th>Started</th><th>Ended</th></tr>",
    );
    // The newest runs are those that a reader asks about.
    for session in facts.sessions.iter().rev().take(SESSIONS) {
        let ended = match session.ended_at {
            Some(at) => moment(at),
            // A killed process writes no end, and one that runs has none yet. The file alone cannot
            // tell them apart.
            None => format!(
                "did not end well, or runs still; last seen {}",
                moment(session.seen_at)
            ),
        };
        put!(
            out,
            "<tr><td class=\"name\">{}</td><td>{}</td><td>{}</td><td>{}</td><td>{ended}</td></tr>",
            escaped(&session.service),
            escaped(session.version.as_deref().unwrap_or("–")),
            session.process_id,
            moment(session.started_at)
        );
    }
    out.push_str("</table></div>");
    if facts.sessions.len() > SESSIONS {
        put!(
            out,
            "<p class=\"soft\">and {} runs before</p>",
            facts.sessions.len() - SESSIONS
        );
    }
}

fn advice_section(out: &mut String, advice: &[Advice]) {
    out.push_str("<h2>Advice</h2>");
    if advice.is_empty() {
        out.push_str("<p>None: no rule found anything.</p>");
    }
    let mut before: Option<&Advice> = None;
    for advice in advice.iter().take(ADVICE) {
        // Once for all findings of a rule that follow each other.
        let remedy = match before.is_some_and(|before| before.remedy == advice.remedy) {
            true => "As above.".to_owned(),
            // `sentence` escapes its text, so what it returns is not escaped again.
            false => sentence(&advice.remedy),
        };
        before = Some(advice);
        put!(
            out,
            "<div class=\"card {}\"><h3><b>{}</b> · {}</h3><p>{}</p><p><b>What to do:</b> {remedy}</p>\
             <p class=\"soft\">{} at stage “{}”",
            if advice.severity == "critical" {
                "critical"
            } else {
                "warning"
            },
            escaped(&advice.id),
            escaped(&advice.subject),
            sentence(&advice.evidence),
            escaped(&advice.severity),
            escaped(&advice.stage)
        );
        if let Some(question) = &advice.question {
            put!(out, " · the app’s rule asked: {}", escaped(question));
        }
        if let Some(id) = &advice.optimization {
            put!(
                out,
                " · the running app can change it: <code>apply_optimization({})</code>",
                escaped(id)
            );
        }
        if let Some(runbook) = &advice.runbook {
            put!(out, " · runbook <code>{}</code>", escaped(runbook));
        }
        if let Some(at) = advice.example_at {
            put!(out, " · example at {}", moment(at));
        }
        if let Some(trace) = &advice.trace_id {
            put!(out, " · trace <code>{}</code>", escaped(trace));
        }
        out.push_str("</p></div>");
    }
    if advice.len() > ADVICE {
        put!(
            out,
            "<p class=\"soft\">and {} more findings</p>",
            advice.len() - ADVICE
        );
    }
}

/// With a capital letter and a full stop; `code` between backticks is set as such.
fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    let Some(first) = rest.next() else {
        return String::new();
    };
    let word: String = text.split(' ').next().unwrap_or_default().to_owned();
    // A name of the code keeps its letters.
    let first: String = match word.contains(['_', '.', ':', '(']) {
        true => first.to_string(),
        false => first.to_uppercase().collect(),
    };
    let text: String = first + rest.as_str();
    let mut out = String::new();
    for (place, part) in text.split('`').enumerate() {
        // Remedies are ours and longer than a name may be.
        let letters: Vec<char> = part.chars().collect();
        let pieces = letters.chunks(200);
        let part: String = pieces
            .map(|piece| escaped(&piece.iter().collect::<String>()))
            .collect();
        // Between two backticks the place is odd.
        match place % 2 {
            0 => out += &part,
            _ => put!(out, "<code>{part}</code>"),
        }
    }
    if !out.ends_with(['.', '?', '!']) {
        out.push('.');
    }
    out
}

fn startup(out: &mut String, facts: &Facts) {
    out.push_str("<h2>Startup</h2>");
    // A phase's duration counts from the process' start, so the latest end belongs to the newest
    // start.
    let Some(newest) = facts.startup.iter().max_by_key(|event| event.end()) else {
        out.push_str("<p class=\"soft\">No start of the app is in this period.</p>");
        return;
    };
    let mut phases: Vec<&Event> = facts
        .startup
        .iter()
        .filter(|is| is.session == newest.session)
        .collect();
    phases.sort_by_key(|event| event.duration);
    let longest = phases.last().map_or(1, |event| event.duration.max(1));
    out.push_str("<p class=\"soft\">The newest start: when each phase was reached after the process \
                  started, and how long after the phase before.</p><div class=\"scroll\"><table>\
                  <tr><th>Phase</th><th class=\"n\">After</th><th class=\"n\">Step</th><th></th></tr>");
    let mut before = 0;
    for phase in phases {
        let step = phase.duration.saturating_sub(before);
        let at = |nanos: u64| nanos as f64 / longest as f64 * 100.0;
        put!(
            out,
            "<tr><td class=\"name\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td style=\"width:50%\"><svg viewBox=\"0 0 100 4\" height=\"14\" \
             preserveAspectRatio=\"none\"><rect class=\"rest\" x=\"0\" y=\"1\" width=\"{:.2}\" \
             height=\"2\"/><rect class=\"s1\" x=\"{:.2}\" y=\"0\" width=\"{:.2}\" height=\"4\"/></svg>\
             </td></tr>",
            escaped(&phase.series.name),
            time(phase.duration),
            time(step),
            at(before),
            at(before),
            // A step that took no time still has a line to be seen.
            at(step).max(0.3)
        );
        before = phase.duration;
    }
    out.push_str("</table></div>");
}

fn slowest(out: &mut String, facts: &Facts) {
    out.push_str("<h2>Slowest events</h2>");
    if facts.slowest.is_empty() {
        out.push_str("<p class=\"soft\">None.</p>");
        return;
    }
    out.push_str("<p class=\"key\">");
    for (stage, name) in STAGES.iter().enumerate() {
        put!(
            out,
            "<span>{}{}</span>",
            swatch(&format!("s{stage}")),
            name.replace('_', " ")
        );
    }
    put!(out, "<span>{}not measured</span></p>", swatch("rest"));
    let longest = facts
        .slowest
        .first()
        .map_or(1, |event| event.duration.max(1));
    // Some of each name: what is slow the most often would hide all else.
    let mut of_series: BTreeMap<_, usize> = BTreeMap::new();
    let shown = facts.slowest.iter().filter(|event| {
        let count = of_series.entry(&event.series).or_default();
        *count += 1;
        *count <= SLOWEST_OF_SERIES
    });
    let shown: Vec<&Event> = shown.take(SLOWEST).collect();
    for event in &shown {
        put!(
            out,
            "<div class=\"event\"><div><b>{} {}</b><span>{}</span></div>{}<p class=\"soft\">{}</p></div>",
            escaped(&event.series.kind),
            escaped(&event.series.name),
            time(event.duration),
            bar(event, longest),
            about(event)
        );
    }
    if facts.slowest.len() > shown.len() {
        put!(
            out,
            "<p class=\"soft\">{} more of these are in trace.json and otlp.jsonl.</p>",
            facts.slowest.len() - shown.len()
        );
    }
}

fn swatch(class: &str) -> String {
    format!("<svg viewBox=\"0 0 1 1\"><rect class=\"{class}\" width=\"1\" height=\"1\"/></svg>")
}

/// The event's stages, one after the other, to scale with the longest event.
fn bar(event: &Event, longest: u64) -> String {
    let scale = |nanos: u64| nanos as f64 / longest as f64 * 1_000.0;
    let mut bar = format!(
        "<svg viewBox=\"0 0 1000 10\" height=\"14\" preserveAspectRatio=\"none\"><rect \
         class=\"rest\" y=\"2\" width=\"{:.1}\" height=\"6\"/>",
        scale(event.duration).max(2.0)
    );
    for (stage, at, took) in event.laid_out() {
        put!(
            bar,
            "<rect class=\"s{stage}\" x=\"{:.1}\" width=\"{:.1}\" height=\"10\"><title>{} {}</title>\
             </rect>",
            scale(at),
            scale(took).max(1.0),
            STAGES.get(stage).copied().unwrap_or_default(),
            time(took)
        );
    }
    bar + "</svg>"
}

/// Its stages in numbers, when, where, and its trace.
fn about(event: &Event) -> String {
    let mut parts = Vec::new();
    for (stage, _, took) in event.laid_out() {
        let name = STAGES
            .get(stage)
            .copied()
            .unwrap_or_default()
            .replace('_', " ");
        parts.push(format!("{name} {}", time(took)));
    }
    if event.failed() {
        let error = event.error_type.as_deref().unwrap_or(&event.outcome);
        parts.push(format!("failed: {}", escaped(error)));
    }
    if let Some(size) = event.size {
        parts.push(bytes(size as f64));
    }
    if !event.series.webview.is_empty() {
        parts.push(format!("webview {}", escaped(&event.series.webview)));
    }
    if let Some(thread) = &event.thread {
        parts.push(format!("thread {}", escaped(thread)));
    }
    if event.slow.as_deref() == Some("slower_than_usual") {
        parts.push("slower than usual".to_owned());
    }
    parts.push(format!("<time>{}</time>", moment(event.start)));
    if let Some(trace) = &event.trace_id {
        parts.push(format!("trace <code>{}</code>", escaped(trace)));
    }
    if let Some(context) = &event.context {
        parts.push(format!("<code>{}</code>", escaped(context)));
    }
    parts.join(" · ")
}

fn numbers(out: &mut String, facts: &Facts) {
    out.push_str("<h2>Numbers</h2><p class=\"soft\">First what took the most time in all.</p>\
                  <div class=\"scroll\"><table><tr><th>What</th><th class=\"n\">Count</th>\
                  <th class=\"n\">Failed</th><th class=\"n\">Slow</th><th class=\"n\">Mean</th>\
                  <th class=\"n\">p95</th><th class=\"n\">p99</th><th class=\"n\">Longest</th></tr>");
    // Starts and page errors have parts of their own.
    let shown: Vec<_> = facts
        .stats
        .iter()
        .filter(|stats| {
            !matches!(
                stats.series.kind.as_str(),
                "startup" | "page_load" | "page_error"
            )
        })
        .collect();
    for stats in shown.iter().take(NUMBERS) {
        put!(
            out,
            "<tr><td class=\"name\">{} {}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escaped(&stats.series.kind),
            escaped(&stats.series.name),
            stats.count,
            stats.errors,
            stats.slow,
            time(nanos(stats.average)),
            time(nanos(stats.p95)),
            time(nanos(stats.p99)),
            time(nanos(stats.max))
        );
    }
    out.push_str("</table></div>");
    if shown.len() > NUMBERS {
        put!(
            out,
            "<p class=\"soft\">{} more are in history.sqlite.</p>",
            shown.len() - NUMBERS
        );
    }
}

/// Queues, the UI thread and the page's thread: which stage of what takes how long.
fn threads(out: &mut String, facts: &Facts) {
    let outbound: &[&str] = &["event_out", "reply"];
    let inbound: &[&str] = &["call", "event_in"];
    let parts = [
        (
            "Queues",
            "How long messages to the page wait until the UI thread hands them to the webview.",
            outbound,
            QUEUE_WAIT,
        ),
        (
            "UI thread and handlers",
            "How long handlers of the app take.",
            inbound,
            HANDLER,
        ),
        (
            "Page thread: listeners",
            "How long the page is at work on messages.",
            outbound,
            HANDLER,
        ),
        (
            "Page thread: the way there",
            "How long the page takes to begin with what it was given.",
            outbound,
            TRANSIT,
        ),
        (
            "The way back",
            "From the sending of an answer until the page has it.",
            inbound,
            RESPONSE,
        ),
    ];
    for (title, about, kinds, stage) in parts {
        put!(out, "<h2>{title}</h2><p class=\"soft\">{about}</p>");
        let mut rows = Vec::new();
        // A HashMap has no order; the rows are sorted below.
        for (series, events) in &facts.of_series {
            if !kinds.contains(&series.kind.as_str()) {
                continue;
            }
            let Some(spread) = spread(events, stage) else {
                continue;
            };
            let trace = longest(events.iter(), stage).and_then(|last| last.trace_id.as_deref());
            rows.push((spread, series, trace));
        }
        if rows.is_empty() {
            out.push_str("<p class=\"soft\">Not measured.</p>");
            continue;
        }
        rows.sort_by(|a, b| b.0.p95.cmp(&a.0.p95).then(a.1.cmp(b.1)));
        out.push_str(
            "<div class=\"scroll\"><table><tr><th>Message</th><th class=\"n\">Median</th>\
                      <th class=\"n\">p95</th><th class=\"n\">Longest</th><th class=\"n\">Of</th>\
                      <th>Trace of the longest</th></tr>",
        );
        for (spread, series, trace) in rows.into_iter().take(ROWS) {
            put!(
                out,
                "<tr><td class=\"name\">{} {}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
                 <td class=\"n\">{}</td><td class=\"n\">{}</td><td><code>{}</code></td></tr>",
                escaped(&series.kind),
                escaped(&series.name),
                time(spread.median),
                time(spread.p95),
                time(spread.max),
                spread.count,
                escaped(trace.unwrap_or("–"))
            );
        }
        out.push_str("</table></div>");
    }
}

fn memory(out: &mut String, facts: &Facts) {
    out.push_str("<h2>Memory and processor</h2>");
    // By the end of the name, which is the same for the app, its webview and the host.
    let shown = |samples: &&Samples| {
        [
            "process.memory.usage",
            "cpu.utilization",
            "system.memory.utilization",
        ]
        .iter()
        .any(|end| samples.name.ends_with(end))
    };
    let shown: Vec<&Samples> = facts.samples.iter().filter(shown).collect();
    if shown.is_empty() {
        out.push_str("<p class=\"soft\">The app took no samples of its processes.</p>");
        return;
    }
    out.push_str("<div class=\"charts\">");
    for samples in shown {
        let is_bytes = samples.name.ends_with("memory.usage");
        let unit = |value: f64| if is_bytes { bytes(value) } else { share(value) };
        let values = || samples.points.iter().map(|(.., value)| *value);
        let (low, high) = values().fold((f64::MAX, 0.0_f64), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        put!(
            out,
            "<div class=\"card\"><h3>{} {}</h3><p class=\"soft\">{} to {}, at last {}</p>{}</div>",
            escaped(&samples.name),
            escaped(&samples.part),
            unit(low),
            unit(high),
            unit(values().next_back().unwrap_or(0.0)),
            chart(samples, facts, high)
        );
    }
    out.push_str("</div>");
}

/// A line for each run of the app.
fn chart(samples: &Samples, facts: &Facts, high: f64) -> String {
    let mut lines: BTreeMap<i64, String> = BTreeMap::new();
    // All charts have the period as their width, so they can be compared.
    let length = (facts.to - facts.from).max(1) as f64;
    for (at, session, value) in &samples.points {
        let x = (at - facts.from) as f64 / length * 300.0;
        // The axis begins at 0: a small change of a large value should look small.
        let y = 60.0 - value / high.max(f64::MIN_POSITIVE) * 56.0;
        put!(lines.entry(*session).or_default(), "{x:.1},{y:.1} ");
    }
    let mut chart =
        "<svg viewBox=\"0 0 300 62\" height=\"70\" preserveAspectRatio=\"none\">".to_owned();
    for points in lines.values() {
        put!(
            chart,
            "<polyline class=\"line\" points=\"{}\"/>",
            points.trim_end()
        );
    }
    chart + "</svg>"
}

fn errors(out: &mut String, facts: &Facts) {
    out.push_str("<h2>Errors</h2>");
    // `failed` has the newest first, so the first of a group is its newest.
    let mut by: BTreeMap<_, (usize, &Event)> = BTreeMap::new();
    for event in &facts.failed {
        let error = event.error_type.as_deref().unwrap_or(&event.outcome);
        by.entry((&event.series, error)).or_insert((0, event)).0 += 1;
    }
    if by.is_empty() {
        out.push_str("<p class=\"soft\">None.</p>");
        return;
    }
    put!(
        out,
        "<p class=\"soft\">Of the newest {} failures.</p>",
        facts.failed.len()
    );
    out.push_str(
        "<div class=\"scroll\"><table><tr><th>What</th><th>Error</th>\
                  <th class=\"n\">Count</th><th>Newest</th><th>Its trace</th></tr>",
    );
    for ((series, error), (count, event)) in by.into_iter().take(ROWS) {
        put!(
            out,
            "<tr><td class=\"name\">{} {}</td><td>{}</td><td class=\"n\">{count}</td><td>{}</td>\
             <td><code>{}</code></td></tr>",
            escaped(&series.kind),
            escaped(&series.name),
            escaped(error),
            moment(event.start),
            escaped(event.trace_id.as_deref().unwrap_or("–"))
        );
        if let Some(context) = &event.context {
            put!(
                out,
                "<tr><td colspan=\"5\"><code>{}</code></td></tr>",
                escaped(context)
            );
        }
    }
    out.push_str("</table></div>");
}

// A reader should know whether texts are in the report before passing it on.
fn files(out: &mut String, facts: &Facts) {
    let texts = match facts.with_texts {
        true => "Error texts and what the app added are in it: it was asked for.",
        false => "Payloads, error texts and what the app added are not in it.",
    };
    let profile = match facts.profile.samples() {
        0 => "",
        _ => "<code>profile.speedscope.json</code> opens in speedscope, ",
    };
    put!(
        out,
        "<h2>Beside this page</h2><p><code>trace.json</code> opens in Perfetto or \
         chrome://tracing, <code>otlp.jsonl</code> goes to a Collector’s /v1/traces line by line, \
         {profile}<code>history.sqlite</code> answers <code>spanwire slow</code> and <code>spanwire \
         stats</code>.</p><p class=\"soft\">{texts} {} events of the period are shown; sums are of \
         all. Written by Spanwire {}.</p>",
        digits(facts.events().len() as f64),
        env!("CARGO_PKG_VERSION")
    );
}

const SESSIONS: usize = 5;
const ADVICE: usize = 30;
const SLOWEST: usize = 30;
const SLOWEST_OF_SERIES: usize = 5;
const NUMBERS: usize = 50;
const ROWS: usize = 20;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::history::query::Series;

    #[test]
    fn message_that_stands_for_others_counts_as_often_in_the_tables() {
        let series = Arc::new(Series {
            kind: "call".to_owned(),
            name: "save".to_owned(),
            webview: String::new(),
        });
        let event = |millis: u64, weight| {
            Event::with_stage(Arc::clone(&series), HANDLER, millis * 1_000_000, weight)
        };
        let mut events = vec![event(200, 30.0)];
        events.extend((0..19).map(|_| event(1, 1.0)));
        let mut facts = Facts::default();
        facts.of_series.insert(series, events);
        let mut page = String::new();
        threads(&mut page, &facts);
        // The median, the p95 and the longest; of 20 records.
        let row = format!("<td class=\"n\">{}</td>", time(200_000_000)).repeat(3);
        assert!(page.contains(&(row + "<td class=\"n\">20</td>")), "{page}");
    }

    #[test]
    fn sentence_keeps_names_and_sets_code() {
        assert_eq!(sentence("split the work"), "Split the work.");
        assert_eq!(sentence("queue_full: send less"), "queue_full: send less.");
        assert_eq!(
            sentence("ask `spanwire <slow>`: it knows"),
            "Ask <code>spanwire &lt;slow&gt;</code>: it knows."
        );
        assert_eq!(sentence(""), "");
    }
}
