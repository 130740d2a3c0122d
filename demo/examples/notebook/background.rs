//! What the app does by itself: it tells the pages what was synced, and has two queues with a worker
//! each.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use spanwire::Ipc;
use spanwire::queue::{MessageQueue, PopError};
use spanwire::timer::monitor;
use tokio::runtime::Runtime;
use tokio::time::interval;

use crate::faults::{Fault, Faults};

/// The queues.
#[derive(Debug)]
pub(crate) struct Background {
    index: MessageQueue<u32>,
    thumbnails: MessageQueue<u32>,
}

impl Background {
    pub(crate) fn start(runtime: &Runtime, wires: Vec<Ipc>, faults: Arc<Faults>) -> Self {
        let background = Self {
            index: MessageQueue::bounded("index", 50),
            thumbnails: MessageQueue::bounded("thumbnails", 1_000),
        };
        let on = Arc::clone(&faults);
        work_off(&background.index, "index_note", move || {
            let takes_ms = if on.is_on(Fault::FullQueue) { 100 } else { 1 };
            thread::sleep(Duration::from_millis(takes_ms));
        });
        let on = Arc::clone(&faults);
        work_off(&background.thumbnails, "draw_thumbnail", move || {
            if on.is_on(Fault::StuckWorker) {
                // For example in a deadlock.
                loop {
                    thread::park();
                }
            }
            thread::sleep(Duration::from_millis(2));
        });
        runtime.spawn(tell(wires[0].clone(), Arc::clone(&faults)));
        if let Some(preview) = wires.get(1) {
            runtime.spawn(flood(preview.clone(), Arc::clone(&faults)));
        }
        runtime.spawn(push(background.index.clone(), Duration::from_millis(40)));
        runtime.spawn(push(
            background.thumbnails.clone(),
            Duration::from_millis(300),
        ));
        background
    }

    pub(crate) fn close(&self) {
        self.index.close();
        self.thumbnails.close();
    }
}

fn work_off(queue: &MessageQueue<u32>, name: &'static str, work: impl Fn() + Send + 'static) {
    let queue = queue.clone();
    thread::spawn(move || {
        loop {
            match queue.pop_timeout(Duration::from_secs(1)) {
                Ok(_) => monitor(name).time(&work),
                Err(PopError::Timeout) => {}
                Err(_) => return,
            }
        }
    });
}

async fn push(queue: MessageQueue<u32>, pause: Duration) {
    let mut tick = interval(pause);
    for job in 0.. {
        tick.tick().await;
        // A full queue is counted, and the app has no better answer.
        let _ = queue.push(job);
    }
}

async fn tell(ipc: Ipc, faults: Arc<Faults>) {
    // Ticks that were missed are caught up at once, as is tokio's default.
    let mut tick = interval(Duration::from_millis(100));
    for id in 0_u32.. {
        tick.tick().await;
        let times = match faults.is_on(Fault::ChattyEvent) {
            true => 30,
            false => 1,
        };
        for _ in 0..times {
            let _ = ipc.emit("note.synced", &id);
        }
        if id % 10 == 0 {
            let _ = ipc.emit("sync.status", "all notes are synced");
        }
        if faults.is_on(Fault::NoListener) {
            let _ = ipc.emit("presence.changed", &id);
        }
    }
}

/// Tells the preview each stroke of a pen.
async fn flood(preview: Ipc, faults: Arc<Faults>) {
    let mut tick = interval(Duration::from_millis(100));
    for id in 0_u32.. {
        tick.tick().await;
        let times = match faults.is_on(Fault::FloodedPreview) {
            true => 600,
            false => 1,
        };
        for stroke in 0..times {
            let _ = preview.emit("preview.drawn", &(id, stroke));
        }
    }
}
