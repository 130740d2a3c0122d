//! Pages that are told that the wire is closed for them, so that their promises do not hang.

use std::collections::VecDeque;

use super::protocol::script::{BatchWriter, Item, Script};
use crate::clock::Stamp;

/// The pages that are to be told, and those that were.
///
/// Bounded: one page that was turned away waits at a time, and one whose wire was closed.
#[derive(Debug, Default)]
pub(super) struct Byes {
    refused: Option<String>,
    left_behind: Option<String>,
    /// Refused ones that were told, or are to be: each is told once.
    known: VecDeque<String>,
}

/// Pages that were turned away and are remembered.
const KNOWN_MAX: usize = 16;

impl Byes {
    /// The page of that id is turned away; whether it is to be told.
    ///
    /// It takes the place of one that still waits: a webview has one page, and so that one is gone.
    pub(super) fn refuse(&mut self, page: &str) -> bool {
        if self.known.iter().any(|known| known == page) {
            return false;
        }
        self.known.truncate(KNOWN_MAX - 1);
        self.known.push_front(page.to_owned());
        self.refused = Some(page.to_owned());
        true
    }

    /// The wire was closed while that page was there.
    pub(super) fn leave_behind(&mut self, page: &str) {
        self.left_behind = Some(page.to_owned());
    }

    /// The next script, for the page whose id is in it.
    pub(super) fn next(&mut self, now: Stamp) -> Option<Script> {
        let (page, code) = match self.refused.take() {
            Some(page) => (page, FORBIDDEN),
            None => (self.left_behind.take()?, BACKEND_GONE),
        };
        let mut writer = BatchWriter::new(&page, 0);
        writer.push(&Item::Bye { code });
        Some(Script::of_no_generation(writer.into_content(), now))
    }
}

const FORBIDDEN: &str = "FORBIDDEN";
const BACKEND_GONE: &str = "BACKEND_GONE";

#[cfg(test)]
mod tests {
    use super::*;

    fn next(byes: &mut Byes) -> Option<String> {
        let script = byes.next(Stamp::NONE)?;
        script.json().map(str::to_owned)
    }

    #[test]
    fn a_page_is_turned_away_once_and_one_waits_at_a_time() {
        let mut byes = Byes::default();
        assert!(byes.refuse("p0"));
        assert!(byes.refuse("p1"));
        assert_eq!(
            next(&mut byes).unwrap(),
            r#"{"page":"p1","floor":0,"messages":[{"kind":"bye","code":"FORBIDDEN"}]}"#
        );
        assert_eq!(next(&mut byes), None);
        assert!(!byes.refuse("p1"), "it was told");
        assert!(!byes.refuse("p0"), "its place was taken");
        assert_eq!(next(&mut byes), None);
    }

    #[test]
    fn pages_that_are_turned_away_are_not_remembered_without_end() {
        let mut byes = Byes::default();
        for n in 0..1_000 {
            byes.refuse(&format!("p{n}"));
            next(&mut byes);
        }
        assert_eq!(byes.known.len(), KNOWN_MAX);
    }

    #[test]
    fn a_page_that_is_left_behind_comes_after_one_that_was_turned_away() {
        let mut byes = Byes::default();
        byes.leave_behind("p1");
        byes.refuse("p2");
        let codes = [FORBIDDEN, BACKEND_GONE].map(|code| next(&mut byes).unwrap().contains(code));
        assert_eq!(codes, [true, true]);
        assert_eq!(next(&mut byes), None);
    }
}
