//! What goes wrong in the app's own queue, that of the imports.

use std::io;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use super::repeat::Repeat;
use crate::import::{Import, Imports, Ticket};

/// The importer hangs at its next file, and so many imports wait that few more may.
#[derive(Debug)]
pub(super) struct Stuck {
    // Dropped in this order: the imports are off before the importer comes to them.
    _waiting: Vec<Ticket>,
    _share: SyncSender<()>,
}

pub(super) fn stuck(imports: &Imports) -> Stuck {
    // The import that hangs comes first. The importer never begins those behind it.
    let (import, ticket, share) = Import::from_hanging_share();
    let mut waiting = vec![ticket];
    let mut next = Some(import);
    // One leaves the queue, since the importer takes it. None is dropped.
    while let Some(import) = next.take()
        && imports.push_traced(import).is_ok()
        && imports.len() <= nearly_full(imports)
    {
        let (import, ticket) = Import::new(NO_JOB, 1);
        waiting.push(ticket);
        next = Some(import);
    }
    Stuck {
        _waiting: waiting,
        _share: share,
    }
}

/// Above the 80 % at which it is told, and below the queue's capacity.
fn nearly_full(imports: &Imports) -> usize {
    imports.capacity() * 7 / 8
}

/// Half as many again as may wait, each time at once.
pub(super) fn flood(imports: &Imports) -> io::Result<Repeat> {
    let imports = imports.clone();
    let mut waiting = Vec::new();
    Repeat::every(Duration::from_secs(3), move |_| {
        // Those of the last round are done. Without a ticket an import is over before it begins.
        waiting.clear();
        for _ in 0..imports.capacity() * 3 / 2 {
            let (import, ticket) = Import::new(NO_JOB, 1);
            waiting.push(ticket);
            // What does not fit is what this is about.
            let _ = imports.push_traced(import);
        }
    })
}

/// The page has no row for it.
const NO_JOB: u32 = 0;
