//! The line that tells how the wire does.

use spanwire::ipc::{Ipc, IpcMetrics};

use crate::output::say;

/// Prints one line for each interval, with what happened in it.
#[derive(Debug)]
pub(crate) struct Summary {
    first: IpcMetrics,
    last: IpcMetrics,
}

impl Summary {
    pub(crate) fn new(ipc: &Ipc) -> Self {
        let now = ipc.metrics();
        Self {
            first: now.clone(),
            last: now,
        }
    }

    pub(crate) fn print(&mut self, ipc: &Ipc) {
        let now = ipc.metrics();
        let total = now.since(&self.first);
        let lately = now.since(&self.last);
        say!(
            "{:6.1} s  page to Rust {:6}  Rust to page {:6}  {:5.0}/s  p50 {:.1} ms  p99 {:.1} ms  not delivered {}  dropped {}",
            total.elapsed.as_secs_f64(),
            now.messages_received,
            now.messages_sent,
            lately.throughput(),
            now.p50_latency_us as f64 / 1_000.0,
            now.p99_latency_us as f64 / 1_000.0,
            now.messages_failed,
            now.messages_dropped,
        );
        self.last = now;
    }
}
