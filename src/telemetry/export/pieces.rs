//! A request, and the pieces into which it is split for a collector that does not take it whole.

use std::collections::VecDeque;

use bytes::Bytes;
use http::Request;

use super::result::ExportError;
use super::split::{SplitKind, halves};
use crate::semconv::ExportErrorType;

/// What of a request is still to be sent, in order: all of it, or the rest of its pieces.
#[derive(Debug)]
pub(crate) struct Pieces {
    /// What it holds, if it can be split.
    kind: Option<SplitKind>,
    left: VecDeque<(Request<Bytes>, u64)>,
}

impl Pieces {
    /// A request of so many items.
    pub(crate) fn of(request: Request<Bytes>, items: u64, kind: Option<SplitKind>) -> Self {
        Self {
            kind,
            left: VecDeque::from([(request, items)]),
        }
    }

    /// Takes the next one, with its number of items.
    pub(crate) fn next(&mut self) -> Option<(Request<Bytes>, u64)> {
        self.left.pop_front()
    }

    /// Has a piece wait that was not taken for now.
    pub(crate) fn put_back(&mut self, piece: Request<Bytes>, items: u64) {
        self.left.push_front((piece, items));
    }

    /// The rule for 413: halves take the place of a piece that was too large. False for another
    /// error, and for a single item, which has none.
    pub(crate) fn split(&mut self, piece: &Request<Bytes>, error: &ExportError) -> bool {
        if error.kind != ExportErrorType::TooLarge {
            return false;
        }
        let Some([first, second]) = self.kind.and_then(|kind| halves(piece, kind)) else {
            return false;
        };
        // The second half goes first to the front, so the first half is sent next and the order
        // stays.
        self.left.push_front(second);
        self.left.push_front(first);
        true
    }

    /// How many items are left.
    pub(crate) fn items(&self) -> u64 {
        self.left.iter().map(|(_, items)| items).sum()
    }
}
