//! Samples at an interval.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::clock::Clock;
use crate::instrument::handles;
use crate::instrument::record_sink;
use crate::semconv::EVENT_SYSTEM_NOT_SAMPLED;
use crate::system::SystemProbe;
use crate::system::allocator::{Allocator, AppAllocator};
use crate::system::gauges::Gauges;
use crate::system::kept_samples::kept_samples;

/// Samples the process and the host on a thread of its own until it is dropped.
///
/// Each sample goes to the gauges of the `metrics` recorder installed for the process, and all
/// other gauges are brought up to date with it, see [`publish`](crate::publish()). While no recorder
/// is installed nothing is sampled.
///
/// Dropping it ends the thread; it waits for a sample in progress, but not longer than a quarter
/// of a second.
#[derive(Debug)]
#[must_use = "sampling ends when the guard is dropped"]
pub struct SystemSampler {
    /// `None` only while it is dropped: its end is the thread's sign to stop.
    rediscover: Option<Sender<()>>,
    ended: Receiver<()>,
}

impl SystemSampler {
    /// Starts sampling: at once, and then once per interval, of which the least is 10 ms.
    ///
    /// Where the operating system gives no thread or tells nothing about the process, a warning is
    /// logged and nothing is sampled.
    pub fn start(interval: Duration) -> Self {
        Self::start_unless(interval, None, || false)
    }

    /// The same, with the figures of that allocator in each sample.
    pub fn start_with_allocator(interval: Duration, allocator: impl Allocator + 'static) -> Self {
        Self::start_unless(interval, Some(Arc::new(allocator)), || false)
    }

    /// The same; nothing is sampled while `is_paused`.
    pub(crate) fn start_unless(
        interval: Duration,
        allocator: Option<Arc<dyn Allocator>>,
        is_paused: impl Fn() -> bool + Send + 'static,
    ) -> Self {
        let (rediscover, asked) = bounded(1);
        // Nothing is ever sent: when the thread ends, it drops `end`, which disconnects `ended`.
        let (end, ended) = bounded::<()>(0);
        // A look takes less than a millisecond, so even at this interval it stays below a tenth of
        // a core.
        let interval = interval.max(INTERVAL_MIN);
        let started: io::Result<_> =
            thread::Builder::new()
                .name("spanwire-system".into())
                .spawn(move || {
                    let _end = end;
                    run(interval, AppAllocator(allocator), &asked, is_paused);
                });
        if let Err(error) = started {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(name: EVENT_SYSTEM_NOT_SAMPLED, error, "no thread for sampling the process");
        }
        Self {
            rediscover: Some(rediscover),
            ended,
        }
    }

    /// Looks for new processes of the webview with the next sample, for example because a page
    /// loads; otherwise that is done each 30 seconds.
    pub fn rediscover(&self) {
        if let Some(rediscover) = &self.rediscover {
            // Full: it was asked for already.
            let _ = rediscover.try_send(());
        }
    }
}

#[cfg(test)]
impl SystemSampler {
    /// Disconnected once the thread has ended.
    pub(super) fn ended(&self) -> Receiver<()> {
        self.ended.clone()
    }
}

impl Drop for SystemSampler {
    fn drop(&mut self) {
        self.rediscover = None;
        // Not a join: a recorder that hangs must not hang the app's end.
        let _ = self.ended.recv_timeout(END_MAX);
    }
}

fn run(
    interval: Duration,
    allocator: AppAllocator,
    asked: &Receiver<()>,
    is_paused: impl Fn() -> bool,
) {
    let mut probe = match SystemProbe::new() {
        Ok(probe) => probe.with(allocator),
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(name: EVENT_SYSTEM_NOT_SAMPLED, error, "the process is not sampled");
            return;
        }
    };
    let gauges = Gauges::new();
    // The real clock, since `recv_timeout` waits in real time.
    let clock = Clock::system();
    let mut failing = false;
    let mut was_paused = false;
    loop {
        // The interval counts from before the sample, so that the sample's own time does not
        // stretch it.
        let next = clock.now().plus(interval);
        if is_paused() {
            // Not even a look while it is paused: the sampler then takes nothing.
            was_paused = true;
        } else if std::mem::take(&mut was_paused) {
            // What the next sample says is since this one, and not since before the pause.
            let _ = probe.sample_once();
        } else if handles::recorder().is_some() || record_sink::is_on() {
            failing = sample(&mut probe, &gauges, failing);
        }
        loop {
            match asked.recv_timeout(next.since(clock.now())) {
                // The wait goes on: a request changes the next sample and does not bring it
                // forward.
                Ok(()) => probe.rediscover(),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

/// Takes one sample and writes all gauges; tells whether there was nothing to see.
pub(super) fn sample(probe: &mut SystemProbe, gauges: &Gauges, failing: bool) -> bool {
    let failed = match probe.sample_once() {
        Ok(sample) => {
            gauges.record(&sample);
            record_sink::samples(|| kept_samples(&sample));
            false
        }
        Err(error) => {
            if !failing {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(name: EVENT_SYSTEM_NOT_SAMPLED, error, "the process is not sampled for now");
            }
            true
        }
    };
    // The handles are published even if the probe failed: the other gauges do not depend on it.
    handles::publish();
    failed
}

const INTERVAL_MIN: Duration = Duration::from_millis(10);
const END_MAX: Duration = Duration::from_millis(250);
