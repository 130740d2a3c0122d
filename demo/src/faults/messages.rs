//! What goes wrong with messages between the page and Rust.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use spanwire::ipc::{Call, Ipc, RegisterError, Responder};

use super::page_call::PageCall;
use super::repeat::Repeat;
use super::ui_thread;
use crate::send::send;
use crate::ui::Ui;

/// Registers what the page is asked to call. They stay: a call may come after its fault's end.
pub(super) fn register(ipc: &Ipc) -> Result<(), RegisterError> {
    ipc.on("fault.fail", |_: &Call<'_>| {
        Err::<(), _>("the index is damaged")
    })?;
    ipc.on("fault.block", |_: &Call<'_>| {
        // A handler that is registered by `on` runs on the thread that receives, which is the UI
        // thread.
        std::thread::sleep(ui_thread::BLOCKED);
    })?;
    ipc.on_async("fault.slow", |_: Call<'static>| async {
        // Asynchronous: it is slow, and keeps no thread.
        tokio::time::sleep(Duration::from_secs(2)).await;
    })?;
    // Each is forgotten once the page has given it up.
    let unanswered = Mutex::new(Vec::new());
    ipc.on_deferred("fault.silent", move |_, responder| {
        let mut unanswered = unanswered.lock().unwrap_or_else(PoisonError::into_inner);
        unanswered.retain(|responder: &Responder| !responder.is_cancelled());
        // The handler keeps the responder, since a responder that is dropped rejects the call.
        unanswered.push(responder);
    })?;
    Ok(())
}

pub(super) fn failing_handler(ipc: &Ipc) -> io::Result<Repeat> {
    let call = PageCall::repeated("fault.fail", 5);
    each(200, ipc, move |ipc| send(ipc, "fault.call", &call))
}

pub(super) fn slow_handler(ipc: &Ipc) -> io::Result<Repeat> {
    let call = PageCall::once("fault.slow");
    each(250, ipc, move |ipc| send(ipc, "fault.call", &call))
}

/// Each call is given up before the next one is made.
pub(super) fn silent_handler(ipc: &Ipc) -> io::Result<Repeat> {
    // Without a limit each call would keep a credit, and after all of them the page sends nothing.
    let call = PageCall::given_up_after("fault.silent", 400);
    each(500, ipc, move |ipc| send(ipc, "fault.call", &call))
}

/// The page is busy for most of each second, and whatever is sent meanwhile waits.
pub(super) fn slow_listener(ipc: &Ipc) -> io::Result<Repeat> {
    each(1_000, ipc, |ipc| {
        send(ipc, "fault.busy", &json!({ "ms": 700 }));
    })
}

/// A listener throws, and so does what it leaves for later.
pub(super) fn failing_page(ipc: &Ipc) -> io::Result<Repeat> {
    each(500, ipc, |ipc| send(ipc, "fault.throw", &()))
}

/// More events at once than wait for the page, from the thread that should hand them over.
pub(super) fn full_queue(ipc: &Ipc, ui: &Ui) -> io::Result<Repeat> {
    let (ipc, ui) = (ipc.clone(), ui.clone());
    let asked = Arc::new(AtomicBool::new(false));
    Repeat::every(Duration::from_secs(5), move |_| {
        // Once, should the thread hang.
        if asked.swap(true, Ordering::Relaxed) {
            return;
        }
        let (ipc, asked) = (ipc.clone(), Arc::clone(&asked));
        // On the UI thread, so that no pump takes a message while they are sent.
        ui.run(move |_| {
            asked.store(false, Ordering::Relaxed);
            for line in 0..FLOOD {
                send(&ipc, "fault.flood", &line);
            }
        });
    })
}

/// A queue to the page holds 10,000, unless its builder says otherwise.
const FLOOD: u32 = 12_500;

fn each(
    period_ms: u64,
    ipc: &Ipc,
    mut work: impl FnMut(&Ipc) + Send + 'static,
) -> io::Result<Repeat> {
    let ipc = ipc.clone();
    Repeat::every(Duration::from_millis(period_ms), move |_| work(&ipc))
}
