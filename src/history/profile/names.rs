//! From addresses to the names of functions.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use backtrace::Frame;
use pprof::UnresolvedReport;

use super::stacks::bounded::Sampled;
use crate::clock::{self, Stamp};

/// The names that are known, by the addresses of functions.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: HashMap<usize, Arc<str>>,
}

impl Names {
    /// The stacks of a report, with the names that are found until then.
    pub(super) fn of(&mut self, report: UnresolvedReport, until: Stamp) -> Vec<Sampled> {
        if self.known.len() > KNOWN_MAX {
            self.known.clear();
        }
        // By address: so the symbols of a library are read once, and not again after another's.
        let mut new: BTreeMap<usize, &Frame> = BTreeMap::new();
        for frame in report.data.keys().flat_map(|stack| &stack.frames) {
            let function = function(frame);
            if !self.known.contains_key(&function) {
                new.entry(function).or_insert(frame);
            }
        }
        for (function, frame) in new {
            if clock::now() >= until {
                break;
            }
            self.known.insert(function, resolved(frame));
        }
        let stacks = report.data.iter().map(|(stack, count)| Sampled {
            thread: thread(&stack.thread_name, stack.thread_name_length),
            frames: self.frames(&stack.frames),
            samples: u64::try_from(*count).unwrap_or(0),
        });
        stacks.collect()
    }

    /// The outermost first, without the handler of the signal.
    fn frames(&self, frames: &[Frame]) -> Vec<Arc<str>> {
        let unknown = || Arc::from(UNKNOWN);
        let names = frames.iter().map(|frame| {
            let known = self.known.get(&function(frame));
            known.map_or_else(unknown, Arc::clone)
        });
        let mut names: Vec<Arc<str>> = names.collect();
        if let Some(handler) = names.iter().position(|name| is_handler(name)) {
            // And without the frame through which the system calls it.
            names.drain(..names.len().min(handler + 2));
        }
        names.reverse();
        // Of those that follow each other, one says as much.
        names.dedup_by(|a, b| **a == *UNKNOWN && a == b);
        names
    }
}

/// Where the function begins, or where in it the frame is.
fn function(frame: &Frame) -> usize {
    match frame.symbol_address() {
        start if start.is_null() => frame.ip().addr(),
        start => start.addr(),
    }
}

/// The function that is there in the binary: pprof takes stacks of the same functions for equal, so
/// it does not know which of those that were inlined a sample is of. Neither file nor line: they
/// would name folders of the machine that built it.
fn resolved(frame: &Frame) -> Arc<str> {
    let mut name = None;
    backtrace::resolve_frame(frame, |symbol| {
        // The innermost that was inlined comes first, the function itself last.
        name = symbol.name().map(|name| shown(&format!("{name:#}")));
    });
    name.unwrap_or_else(|| Arc::from(UNKNOWN))
}

fn shown(name: &str) -> Arc<str> {
    match name.char_indices().nth(NAME_MAX) {
        None => Arc::from(name),
        Some(_) => {
            let kept = name.chars().take(NAME_MAX - 1).chain(std::iter::once('…'));
            kept.collect::<String>().into()
        }
    }
}

fn is_handler(name: &str) -> bool {
    // macOS puts an underscore before it.
    matches!(name, "perf_signal_handler" | "_perf_signal_handler")
}

fn thread(name: &[u8], len: usize) -> String {
    let name = name.get(..len).unwrap_or(name);
    match String::from_utf8_lossy(name).trim() {
        "" => "thread without a name".to_owned(),
        name => name.to_owned(),
    }
}

const UNKNOWN: &str = "[unknown]";
const NAME_MAX: usize = 180;
/// An app has fewer functions that are ever sampled.
const KNOWN_MAX: usize = 50_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_name_is_cut_between_letters() {
        assert_eq!(&*shown("app::dräw"), "app::dräw");
        assert_eq!(shown(&"ä".repeat(180)).chars().count(), 180);
        let cut = shown(&"ä".repeat(181));
        assert_eq!(cut.chars().count(), 180);
        assert!(cut.ends_with("ä…"));
    }
}
