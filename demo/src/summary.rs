//! The line that tells how the wire does.

use std::io::{IsTerminal, stdout};

use spanwire::ipc::{Ipc, IpcMetrics};

use crate::output::{rewrite, say};

/// Prints a line for each interval, with what happened in it: over the one before on a terminal,
/// and below it anywhere else.
#[derive(Debug)]
pub(crate) struct Summary {
    first: IpcMetrics,
    last: IpcMetrics,
    on_terminal: bool,
}

impl Summary {
    pub(crate) fn new(ipc: &Ipc) -> Self {
        let now = ipc.metrics();
        Self {
            first: now.clone(),
            last: now,
            // The summary asks once, since the output does not change while the process runs.
            on_terminal: stdout().is_terminal(),
        }
    }

    pub(crate) fn print(&mut self, ipc: &Ipc) {
        let now = ipc.metrics();
        let line = line(&now, &self.last, &self.first);
        if self.on_terminal {
            rewrite(&line);
        } else {
            say!("{line}");
        }
        self.last = now;
    }

    /// Leaves the last line where it is.
    pub(crate) fn end(&self) {
        if self.on_terminal {
            say!("");
        }
    }
}

fn line(now: &IpcMetrics, last: &IpcMetrics, first: &IpcMetrics) -> String {
    let millis = |us: u64| us as f64 / 1_000.0;
    format!(
        "{:6.1} s  page→Rust {:5}  Rust→page {:5}  {:4.0}/s  delivered in {:.1} ms (p99 {:.1})  lost {}",
        now.since(first).elapsed.as_secs_f64(),
        now.messages_received,
        now.messages_sent,
        now.since(last).throughput(),
        millis(now.p50_latency_us),
        millis(now.p99_latency_us),
        now.messages_failed + now.messages_dropped,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_fits_a_terminal() {
        let ipc = Ipc::builder("summary").build();
        let (first, now) = (ipc.metrics(), ipc.metrics());
        let line = line(&now, &first, &first);
        assert!(line.starts_with("   0.0 s  page→Rust     0"), "{line}");
        assert!(line.chars().count() < 100, "{line}");
    }
}
