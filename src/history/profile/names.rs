//! From addresses to the names of functions.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use backtrace::Frame;
use pprof::UnresolvedReport;

use super::stacks::bounded::Sampled;
use crate::clock::{self, Stamp};

/// The names that are known.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: HashMap<Place, Arc<str>>,
}

/// What has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    /// The function that begins there, in which something else was called.
    Function(usize),
    /// The instruction that was next when the signal came. It may be the first of its function, and
    /// the unwinder looks for a caller's function just before its address.
    Next(usize),
}

impl Place {
    fn of_caller(frame: &Frame) -> Self {
        match frame.symbol_address() {
            start if start.is_null() => Self::Function(frame.ip().addr()),
            start => Self::Function(start.addr()),
        }
    }
}

impl Names {
    /// The stacks of a report, with the names that are found until then.
    pub(super) fn of(&mut self, report: UnresolvedReport, until: Stamp) -> Vec<Sampled> {
        // Nothing says which names are needed again, so all go and are found anew.
        if self.known.len() > KNOWN_MAX {
            self.known.clear();
        }
        let stacks = || report.data.keys().map(|stack| &stack.frames[..]);
        let callers = stacks().flatten();
        self.learn(callers.map(|frame| (Place::of_caller(frame), frame)), until);
        // Where the handler is in the stack is known by its name.
        let innermost: Vec<(Place, &Frame)> = stacks()
            .filter_map(|frames| {
                let frame = frames.get(self.innermost(frames))?;
                Some((Place::Next(frame.ip().addr()), frame))
            })
            .collect();
        self.learn(innermost.into_iter(), until);
        let sampled = report.data.iter().map(|(stack, count)| Sampled {
            thread: thread(&stack.thread_name, stack.thread_name_length),
            frames: self.frames(&stack.frames),
            samples: u64::try_from(*count).unwrap_or(0),
        });
        sampled.collect()
    }

    /// Finds the names that are not known yet.
    fn learn<'a>(&mut self, places: impl Iterator<Item = (Place, &'a Frame)>, until: Stamp) {
        // By address: so the symbols of a library are read once, and not again after another's.
        let new: BTreeMap<Place, &Frame> = places
            .filter(|(place, _)| !self.known.contains_key(place))
            .collect();
        for (place, frame) in new {
            if clock::now() >= until {
                return;
            }
            self.known.insert(place, resolved(place, frame));
        }
    }

    fn name(&self, place: Place) -> Option<&Arc<str>> {
        self.known.get(&place)
    }

    /// Which of the frames was interrupted: the one after the handler and the frame through which
    /// the system calls it.
    fn innermost(&self, frames: &[Frame]) -> usize {
        let is_handler = |frame| {
            let name = self.name(Place::of_caller(frame));
            name.is_some_and(|name| is_handler(name))
        };
        frames.iter().position(is_handler).map_or(0, |at| at + 2)
    }

    /// The outermost first, without the handler of the signal.
    fn frames(&self, frames: &[Frame]) -> Vec<Arc<str>> {
        let innermost = self.innermost(frames);
        let frames = frames.iter().enumerate().skip(innermost);
        let names = frames.map(|(at, frame)| {
            let place = match at == innermost {
                true => Place::Next(frame.ip().addr()),
                false => Place::of_caller(frame),
            };
            self.name(place)
                .map_or_else(|| Arc::from(UNKNOWN), Arc::clone)
        });
        let mut names: Vec<Arc<str>> = names.collect();
        // What calls the first function of a thread has no name.
        while names.len() > 1 && names.last().is_some_and(|name| **name == *UNKNOWN) {
            names.pop();
        }
        names.reverse();
        // Of those that follow each other, one says as much.
        names.dedup_by(|a, b| **a == *UNKNOWN && a == b);
        names
    }
}

/// The function that is there in the binary: pprof takes stacks of the same functions for equal, so
/// it does not know which of those that were inlined a sample is of. Neither file nor line: they
/// would name folders of the machine that built it.
fn resolved(place: Place, frame: &Frame) -> Arc<str> {
    let mut name = None;
    let take = |symbol: &backtrace::Symbol| {
        // The innermost that was inlined comes first, the function itself last.
        name = symbol.name().map(|name| shown(&format!("{name:#}")));
    };
    match place {
        Place::Function(_) => backtrace::resolve_frame(frame, take),
        // One is taken from it again.
        Place::Next(_) => backtrace::resolve(frame.ip().wrapping_byte_add(1), take),
    }
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
