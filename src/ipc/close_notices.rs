//! Scripts that tell a page that the wire is closed for it, so that its promises do not hang.

use std::collections::VecDeque;

use super::protocol::code::code_of;
use super::protocol::script::{BatchWriter, Item, Script};
use crate::clock::Stamp;
use crate::semconv::ErrorType;

/// The pages that a notice waits for, and the rejected ones that have theirs.
///
/// Bounded: one rejected page waits at a time, and one whose wire was closed.
#[derive(Debug, Default)]
pub(super) struct CloseNotices {
    rejected_page: Option<String>,
    closed_page: Option<String>,
    /// Rejected pages whose notice was sent or waits: each gets one.
    noticed: VecDeque<String>,
}

/// Rejected pages that are remembered.
// One that is forgotten gets its notice again at worst.
const NOTICED_MAX: usize = 16;

impl CloseNotices {
    /// The page of that id is rejected; whether it gets a notice.
    ///
    /// It takes the place of one that still waits: a webview has one page, and so that one is gone.
    pub(super) fn reject(&mut self, page: &str) -> bool {
        if self.noticed.iter().any(|noticed| noticed == page) {
            return false;
        }
        self.noticed.truncate(NOTICED_MAX - 1);
        self.noticed.push_front(page.to_owned());
        self.rejected_page = Some(page.to_owned());
        true
    }

    /// The wire was closed while that page was there.
    pub(super) fn notify_closed(&mut self, page: &str) {
        self.closed_page = Some(page.to_owned());
    }

    /// The next script, for the page whose id is in it.
    pub(super) fn next_script(&mut self, now: Stamp) -> Option<Script> {
        let (page, error) = match self.rejected_page.take() {
            Some(page) => (page, ErrorType::ForbiddenOrigin),
            None => (self.closed_page.take()?, ErrorType::Shutdown),
        };
        // The notice has no id and is not acknowledged, so the floor says nothing.
        let mut writer = BatchWriter::new(&page, 0);
        writer.push(&Item::Bye {
            code: code_of(error),
        });
        Some(Script::of_no_generation(writer.into_content(), now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(notices: &mut CloseNotices) -> Option<String> {
        let script = notices.next_script(Stamp::NONE)?;
        script.json().map(str::to_owned)
    }

    #[test]
    fn a_page_is_rejected_once_and_one_notice_waits_at_a_time() {
        let mut notices = CloseNotices::default();
        assert!(notices.reject("p0"));
        assert!(notices.reject("p1"));
        assert_eq!(
            next(&mut notices).unwrap(),
            r#"{"page":"p1","floor":0,"messages":[{"kind":"bye","code":"FORBIDDEN"}]}"#
        );
        assert_eq!(next(&mut notices), None);
        assert!(!notices.reject("p1"), "it had its notice");
        assert!(!notices.reject("p0"), "its place was taken");
        assert_eq!(next(&mut notices), None);
    }

    #[test]
    fn rejected_pages_are_remembered_up_to_a_bound() {
        let mut notices = CloseNotices::default();
        for n in 0..1_000 {
            notices.reject(&format!("p{n}"));
            next(&mut notices);
        }
        assert_eq!(notices.noticed.len(), NOTICED_MAX);
    }

    #[test]
    fn the_notice_of_a_closed_page_comes_after_that_of_a_rejected_one() {
        let mut notices = CloseNotices::default();
        notices.notify_closed("p1");
        notices.reject("p2");
        let codes =
            ["FORBIDDEN", "BACKEND_GONE"].map(|code| next(&mut notices).unwrap().contains(code));
        assert_eq!(codes, [true, true]);
        assert_eq!(next(&mut notices), None);
    }
}
