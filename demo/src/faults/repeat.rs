//! Work that is done again and again.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// A thread that does something at once and then each period, until this is dropped.
#[derive(Debug)]
pub(super) struct Repeat {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Repeat {
    /// `work` gets the number of the round, from 0. It must not wait, since who stops it waits for it.
    pub(super) fn every(
        period: Duration,
        mut work: impl FnMut(u64) + Send + 'static,
    ) -> io::Result<Self> {
        // Nothing is sent: the sender's drop ends the wait at once, where a flag would be seen
        // after the period.
        let (stop, stopped) = sync_channel::<()>(0);
        let thread = std::thread::Builder::new()
            .name("fault".into())
            .spawn(move || {
                for round in 0.. {
                    work(round);
                    if stopped.recv_timeout(period) != Err(RecvTimeoutError::Timeout) {
                        return;
                    }
                }
            })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Repeat {
    fn drop(&mut self) {
        // The drop of the sender ends the thread. It precedes the join, which would otherwise never
        // return.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been told, and there is nothing to undo.
            let _ = thread.join();
        }
    }
}
