//! What keeps the UI thread from its work.

use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use spanwire::ipc::Ipc;

use super::page_call::PageCall;
use super::repeat::Repeat;
use crate::send::send;
use crate::ui::Ui;

/// What the handler `fault.block` takes, on the UI thread.
// Above the 100 ms from which the alert counts a wake as late.
pub(super) const BLOCKED: Duration = Duration::from_millis(400);

/// A handler keeps the UI thread for most of each half second, while the app has things to tell.
pub(super) fn blocked(ipc: &Ipc) -> io::Result<Repeat> {
    let ipc = ipc.clone();
    Repeat::every(Duration::from_millis(100), move |round| {
        if round % 5 == 0 {
            send(&ipc, "fault.call", &PageCall::once("fault.block"));
        } else {
            send(&ipc, "fault.progress", &round);
        }
    })
}

/// The UI thread waits for an answer that comes when this is dropped.
pub(super) fn hung(ui: &Ui) -> SyncSender<()> {
    let (answer, question) = sync_channel::<()>(0);
    ui.run(move |_| {
        // It fails when the other end is dropped, which is the answer.
        let _ = question.recv();
    });
    answer
}
