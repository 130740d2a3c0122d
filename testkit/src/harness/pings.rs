//! How late the main thread is: a user event from another thread, and the time to its answer.

use std::fmt;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread::JoinHandle;
use std::time::Duration;

use tao::event_loop::EventLoopProxy;

use super::parent::now;
use super::ui::UserEvent;

/// Pings the event loop until it is stopped.
#[derive(Debug)]
pub struct Pings {
    stop: SyncSender<()>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Pings {
    pub(super) fn start(proxy: EventLoopProxy<UserEvent>, every: Duration) -> Self {
        let (stop, stopped) = mpsc::sync_channel(1);
        let thread = std::thread::spawn(move || {
            let mut delays = Vec::new();
            loop {
                let asked = now();
                let (answer, answered) = mpsc::sync_channel(1);
                let ask = UserEvent::Do(Box::new(move |_, _| _ = answer.send(())));
                // However long it takes: a late answer is what is looked for.
                if proxy.send_event(ask).is_err() || answered.recv().is_err() {
                    return delays;
                }
                let delay = asked.elapsed();
                delays.push(delay);
                match stopped.recv_timeout(every.saturating_sub(delay)) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return delays,
                }
            }
        });
        Self { stop, thread }
    }

    /// Stops, and returns what it has seen.
    pub fn stop(self) -> Delays {
        let _ = self.stop.send(());
        let mut delays = self.thread.join().expect("the pings do not panic");
        delays.sort_unstable();
        Delays(delays)
    }
}

/// The answers' times, in order of size.
#[derive(Clone, Debug)]
pub struct Delays(Vec<Duration>);

impl Delays {
    /// The middle one.
    pub fn median(&self) -> Duration {
        let delays = &self.0;
        *delays.get(delays.len() / 2).expect("it was pinged")
    }

    /// How long the main thread was late in all.
    pub fn total(&self) -> Duration {
        self.0.iter().sum()
    }
}

impl fmt::Display for Delays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slowest = self.0.last().expect("it was pinged");
        let (count, median) = (self.0.len(), self.median());
        write!(f, "{median:.1?} (slowest {slowest:.1?} of {count})")
    }
}
