//! The part of a report that comes first: the last minute of a run that did not end by itself.

use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::facts::Facts;
use super::last_minute::{LastMinute, Look, Open, PageState};
use super::text::{bytes, escaped, put, time};
use crate::history::time::moment;

/// The newest such run in a sentence, for the verdict.
pub(super) fn sentence(facts: &Facts) -> Option<String> {
    let run = facts.last_minutes.first()?;
    let mut text = format!(
        "The app did not end by itself: it was last seen at {}",
        moment(run.seen_at)
    );
    if let Some(last) = run.looks.last() {
        if let Some(blocked) = blocked(last) {
            put!(
                text,
                ", when the UI thread had not answered for {}",
                time(blocked)
            );
        }
        // The flight recorder has the oldest first.
        if let Some(open) = last.open.first() {
            put!(text, ", in {}", open_work(open));
        }
    }
    text.push('.');
    Some(text)
}

/// How bad the verdict is when there is no advice.
pub(super) fn class(facts: &Facts) -> &'static str {
    match facts.last_minutes.is_empty() {
        true => "good",
        false => "critical",
    }
}

/// The section; nothing where every run ended by itself.
pub(super) fn section(out: &mut String, facts: &Facts) {
    if facts.last_minutes.is_empty() {
        return;
    }
    out.push_str("<h2>The app did not end by itself</h2>");
    for run in &facts.last_minutes {
        one_run(out, run);
    }
}

fn one_run(out: &mut String, run: &LastMinute) {
    let ran = u64::try_from(run.seen_at.saturating_sub(run.started_at)).unwrap_or(0);
    put!(
        out,
        "<div class=\"card critical\"><h3><b>{}</b> · process {}</h3><p>It was last seen at {}, \
         {} after its start. It crashed, or was killed or shut off; what happened up to a second \
         after that may be missing.</p>",
        escaped(&run.service),
        run.process_id,
        moment(run.seen_at),
        time(ran)
    );
    let Some(last) = run.looks.last() else {
        out.push_str("<p class=\"soft\">Its last minute is not in the history.</p></div>");
        return;
    };
    if let Some(blocked) = blocked(last) {
        put!(
            out,
            "<p><b>At the end the UI thread had not answered for {}.</b></p>",
            time(blocked)
        );
    }
    out.push_str("<p>Open at the end, for a second or longer: ");
    match last.open.as_slice() {
        [] => out.push_str("nothing.</p>"),
        open => {
            out.push_str("</p><ul>");
            for open in open.iter().take(OPEN_MAX) {
                put!(out, "<li>{}</li>", escaped(&open_work(open)));
            }
            out.push_str("</ul>");
        }
    }
    out.push_str("</div>");
    states(out, run);
}

/// A line for each page and second, the newest first.
fn states(out: &mut String, run: &LastMinute) {
    out.push_str(
        "<div class=\"scroll\"><table><tr><th class=\"n\">Before the end</th><th>Page</th>\
         <th>State</th><th class=\"n\">Last heard</th><th class=\"n\">UI thread</th>\
         <th class=\"n\">Queued</th><th class=\"n\">In flight</th><th class=\"n\">App</th>\
         <th class=\"n\">Webview</th><th>Open longest</th></tr>",
    );
    let mut lines = 0;
    for look in run.looks.iter().rev() {
        let before = u64::try_from(run.seen_at.saturating_sub(look.taken_at)).unwrap_or(0);
        // A second without a page still shows memory and what was open.
        let pages: Vec<Option<&PageState>> = match look.pages.is_empty() {
            true => vec![None],
            false => look.pages.iter().map(Some).collect(),
        };
        for page in pages {
            lines += 1;
            if lines > LINES_MAX {
                break;
            }
            put!(out, "<tr><td class=\"n\">{}</td>", time(before));
            page_cells(out, page);
            put!(
                out,
                "<td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
                memory(look, |process| process == APP),
                memory(look, |process| process != APP),
                escaped(&look.open.first().map_or_else(|| "–".to_owned(), open_work))
            );
        }
    }
    out.push_str("</table></div>");
}

fn page_cells(out: &mut String, page: Option<&PageState>) {
    let Some(page) = page else {
        out.push_str("<td>–</td><td></td><td></td><td></td><td></td><td></td>");
        return;
    };
    let ago = |nanos: Option<u64>| nanos.map_or_else(|| "–".to_owned(), time);
    let count = |count: Option<u64>| count.map_or_else(|| "–".to_owned(), |n| n.to_string());
    let ui = match page.ui_blocked {
        Some(blocked) if blocked >= ANSWERED_WITHIN => format!("blocked for {}", time(blocked)),
        Some(late) => format!("{} late", time(late)),
        None => "–".to_owned(),
    };
    // Without a message in flight none of them is the oldest.
    let oldest = page.in_flight_age.filter(|_| page.in_flight != Some(0));
    let oldest = oldest.map_or_else(String::new, |age| format!(", {} old", time(age)));
    put!(
        out,
        "<td class=\"name\">{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{ui}</td>\
         <td class=\"n\">{}</td><td class=\"n\">{}{oldest}</td>",
        escaped(&page.webview),
        escaped(&page.state),
        ago(page.silent),
        count(page.queued),
        count(page.in_flight)
    );
}

/// What was open, in words; not escaped.
fn open_work(open: &Open) -> String {
    let mut text = match open.count {
        0 | 1 => format!("{} {}", open.kind, open.name),
        count => format!("{count} of {} {}", open.kind, open.name),
    };
    if !open.webview.is_empty() {
        put!(text, " (webview {})", open.webview);
    }
    put!(text, " for {}", time(open.age));
    if let Some(thread) = &open.thread {
        put!(text, " on thread {thread}");
    }
    text
}

/// For how long the UI thread was blocked, if it was.
fn blocked(look: &Look) -> Option<u64> {
    let blocked = look.pages.iter().filter_map(|page| page.ui_blocked).max();
    blocked.filter(|blocked| *blocked >= ANSWERED_WITHIN)
}

fn memory(look: &Look, is_wanted: impl Fn(&str) -> bool) -> String {
    let wanted = look.memory.iter().filter(|(process, _)| is_wanted(process));
    let values: Vec<u64> = wanted.map(|(_, value)| *value).collect();
    match values.is_empty() {
        true => "–".to_owned(),
        false => bytes(values.iter().map(|value| *value as f64).sum()),
    }
}

/// Copies the last minutes into a cut of the history.
pub(super) fn copy(from: &Connection, to: &Connection, facts: &Facts) -> rusqlite::Result<()> {
    for run in &facts.last_minutes {
        for (table, columns) in TABLES {
            let count = columns.split(',').count();
            // The bound is for a file that another program has filled.
            let sql = format!("SELECT {columns} FROM {table} WHERE session_id = ?1 LIMIT 20000");
            let mut read = from.prepare_cached(&sql)?;
            let marks = vec!["?"; count].join(", ");
            let sql = format!("INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})");
            let mut write = to.prepare_cached(&sql)?;
            let mut rows = read.query([run.session])?;
            while let Some(row) = rows.next()? {
                let values: Result<Vec<Value>, _> = (0..count).map(|at| row.get(at)).collect();
                write.execute(params_from_iter(values?))?;
            }
        }
        // Whoever reads the cut elsewhere cannot see that the process is gone.
        to.execute(
            "UPDATE run SET reported_at = coalesce(reported_at, ?2) WHERE session_id = ?1",
            [run.session, run.seen_at],
        )?;
    }
    Ok(())
}

const TABLES: [(&str, &str); 2] = [
    ("run", "session_id, process_key, reported_at"),
    (
        "flight",
        "session_id, taken_at, subject, name, webview, state, silent, queued, in_flight, \
         in_flight_age, ui_blocked, resident, age, count, thread",
    ),
];
/// As the flight recorder calls the process itself.
const APP: &str = crate::history::flight::APP;
/// A UI thread that answers within half a second is late, and not blocked.
const ANSWERED_WITHIN: u64 = Duration::from_millis(500).as_nanos() as u64;
const OPEN_MAX: usize = 16;
const LINES_MAX: usize = 200;
