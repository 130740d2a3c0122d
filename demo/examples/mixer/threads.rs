//! The threads of the app: audio, the worker of the queue, and the clock.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use spanwire::Ipc;
use spanwire::ipc::Bytes;
use spanwire::queue::PopError;
use tao::event_loop::EventLoopProxy;

use crate::UserEvent;
use crate::desk::{CHANNELS, Desk};
use crate::options::{Fault, Options};

/// Starts all threads. They end with the process.
pub(crate) fn start(
    ipc: &Ipc,
    desk: &Arc<Desk>,
    proxy: &EventLoopProxy<UserEvent>,
    options: &Options,
) {
    let (sender, shared) = (ipc.clone(), desk.clone());
    thread::spawn(move || send_levels(&sender, &shared));
    let sender = ipc.clone();
    thread::spawn(move || send_position(&sender));
    let (sender, shared) = (ipc.clone(), desk.clone());
    thread::spawn(move || work(&sender, &shared));

    let shared = desk.clone();
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_secs(1));
            shared.rebuild_graph();
        }
    });
    let poll = proxy.clone();
    thread::spawn(move || while_open(&poll, Duration::from_secs(1), || UserEvent::PollDevice));

    let (shared, healthy) = (desk.clone(), Duration::from_secs(options.after));
    let kill = proxy.clone();
    thread::spawn(move || {
        shared.faults.begin_after(healthy);
        if shared.faults.has(Fault::WebProcessDies) {
            let _ = kill.send_event(UserEvent::KillPage);
            while_open(&kill, Duration::from_secs(6), || UserEvent::KillPage);
        }
    });
    if let Some(seconds) = options.seconds {
        let quit = proxy.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_secs(seconds));
            let _ = quit.send_event(UserEvent::Quit);
        });
    }
}

/// Sends events to the loop until it is gone.
fn while_open(proxy: &EventLoopProxy<UserEvent>, pause: Duration, event: impl Fn() -> UserEvent) {
    loop {
        thread::sleep(pause);
        if proxy.send_event(event()).is_err() {
            break;
        }
    }
}

/// The levels of all channels.
fn send_levels(ipc: &Ipc, desk: &Desk) {
    for round in 0_usize.. {
        let is_flood = desk.faults.has(Fault::MeterFlood);
        let (blocks, pause) = if is_flood { (250, 20) } else { (1, 200) };
        for block in 0..blocks {
            let levels: Vec<usize> = (0..CHANNELS)
                .map(|channel| (round + block + channel * 13) % 100)
                .collect();
            // What the queue cannot take is counted as lost.
            let _ = ipc.emit("meter.levels", &levels);
        }
        thread::sleep(Duration::from_millis(pause));
    }
}

fn send_position(ipc: &Ipc) {
    for half_seconds in 0_u32.. {
        let _ = ipc.emit_latest("transport.position", &(f64::from(half_seconds) / 2.0));
        thread::sleep(Duration::from_millis(500));
    }
}

/// The worker of the queue `peaks`.
fn work(ipc: &Ipc, desk: &Desk) {
    loop {
        match desk.jobs.pop_timeout(Duration::from_secs(1)) {
            Ok(job) => {
                if let Ok(peaks) = desk.compute_peaks(&job) {
                    let _ = ipc.emit("peaks.ready", &(job, Bytes::from(peaks)));
                }
            }
            Err(PopError::Timeout) => {}
            Err(_) => break,
        }
    }
}
