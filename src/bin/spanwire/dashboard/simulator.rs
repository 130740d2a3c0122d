//! An app that does nothing but be measured: operations, a queue and a page, with bursts and errors.
//!
//! It uses the library as an app does, so whatever the dashboards draw of an app they draw of it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use serde_json::json;
use spanwire::clock::now;
use spanwire::ipc::{Call, DataError, Ipc};
use spanwire::measurement::Measurement;
use spanwire::queue::{MessageQueue, Overflow, PopError};
use spanwire::timer::monitor;

use super::simulated_page::SimulatedPage;

/// Runs until it is ended.
pub(super) struct Simulator {
    /// Dropped, it tells the threads to end.
    running: Sender<()>,
    app: JoinHandle<u64>,
    worker: JoinHandle<()>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    operations: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

/// What was simulated.
#[derive(Debug)]
pub(super) struct Simulated {
    operations: u64,
    failed: u64,
    dropped: u64,
    replies: u64,
}

impl Simulator {
    /// Starts its threads.
    pub(super) fn start() -> io::Result<Self> {
        // Nothing is ever sent. A receiver learns of the end when the sender is dropped, and
        // `recv_timeout` is the tick at the same time.
        let (running, ended) = bounded(0);
        let counts = Arc::new(Counts::default());
        let jobs = MessageQueue::builder("simulated.jobs")
            .capacity(QUEUE_MAX)
            // So that a burst shows messages that are dropped, and no thread that waits.
            .overflow(Overflow::DropNewest)
            .build();
        let worker = {
            let (jobs, counts) = (jobs.clone(), Arc::clone(&counts));
            thread::Builder::new()
                .name("simulated-worker".into())
                .spawn(move || work(&jobs, &counts))?
        };
        let app = {
            let counts = Arc::clone(&counts);
            thread::Builder::new()
                .name("simulated-app".into())
                .spawn(move || app(&jobs, &counts, &ended))?
        };
        Ok(Self {
            running,
            app,
            worker,
            counts,
        })
    }

    /// Ends it within half a second.
    pub(super) fn end(self) -> Simulated {
        drop(self.running);
        // The app first: it closes the queue, and that ends the worker.
        let replies = self.app.join().unwrap_or_default();
        let _ = self.worker.join();
        // Relaxed: both threads have been joined.
        let counted = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Simulated {
            operations: counted(&self.counts.operations),
            failed: counted(&self.counts.failed),
            dropped: counted(&self.counts.dropped),
            replies,
        }
    }
}

impl fmt::Display for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operations,
            failed,
            dropped,
            replies,
        } = self;
        write!(
            f,
            "{operations} simulated operations, {failed} of them failed, {dropped} jobs dropped \
             and {replies} calls answered"
        )
    }
}

/// How the app feels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Calm,
    /// More comes than the queue holds.
    Burst,
    /// Every third operation fails.
    Failing,
    /// Operations take longer than they may.
    Slow,
}

impl Mood {
    /// The same every half minute, so that a chart shows it twice a minute.
    fn at(since_start: Duration) -> Self {
        // Calm in between, so that each mood is an interval of its own on a chart.
        match since_start.as_secs() % 30 {
            1..4 => Self::Burst,
            10..17 => Self::Failing,
            20..25 => Self::Slow,
            _ => Self::Calm,
        }
    }
}

/// A job of the queue.
#[derive(Clone, Copy, Debug)]
struct Job {
    number: u64,
    mood: Mood,
}

/// The thread with the event loop: it takes what the page sends, and gives the worker its jobs.
fn app(jobs: &MessageQueue<Job>, counts: &Counts, ended: &Receiver<()>) -> u64 {
    let ipc = Ipc::builder("simulated").build();
    if handlers(&ipc).is_err() {
        // The names are good, so there is nothing that could be refused.
        return 0;
    }
    let mut page = SimulatedPage::new(ipc.clone());
    let frames = Measurement::new("fps").category("render").unit("{frame}/s");
    let began = now();
    let mut number = 0;
    for tick in 0_u64.. {
        let mood = Mood::at(now().since(began));
        let (calls, batch) = match mood {
            // 40 jobs each 50 ms are more than one worker does, so the 64 places fill within a
            // second.
            Mood::Burst => (20, 40),
            _ => (2, 1),
        };
        for _ in 0..calls {
            number += 1;
            page.call(
                "load",
                json!({ "number": number, "fails": fails(mood, number) }),
            );
            page.event("stroke", json!(number));
        }
        // Every two seconds: a call whose event has no handler gets an `error.type` of its own.
        if tick % 40 == 0 {
            page.call("not_there", json!(null));
        }
        if mood == Mood::Failing && tick % 10 == 0 {
            page.uncaught_error();
        }
        if tick % 20 == 0 {
            page.vital("inp", if mood == Mood::Slow { 180.0 } else { 24.0 });
            frames.record(if mood == Mood::Calm { 60.0 } else { 31.0 });
        }
        for _ in 0..batch {
            number += 1;
            if jobs.push(Job { number, mood }).is_err() {
                counts.dropped.fetch_add(1, Ordering::Relaxed);
            }
            // Where the wire's queue is full, the wire counts the event as dropped.
            let _ = ipc.emit("progress", &json!({ "number": number }));
        }
        page.run_scripts();
        match ended.recv_timeout(TICK) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => break,
        }
    }
    ipc.close();
    jobs.close();
    page.replies()
}

fn handlers(ipc: &Ipc) -> Result<(), spanwire::ipc::RegisterError> {
    ipc.on("load", |call: &Call| -> Result<u64, LoadError> {
        let asked: LoadRequest = call.data()?;
        if asked.fails {
            return Err(LoadError::Missing);
        }
        Ok(asked.number)
    })?;
    ipc.on("stroke", |_: &Call| ())?;
    Ok(())
}

#[derive(serde::Deserialize)]
struct LoadRequest {
    number: u64,
    fails: bool,
}

#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error("there is no such layer")]
    Missing,
    #[error(transparent)]
    Data(#[from] DataError),
}

/// The worker: each job is an operation.
fn work(jobs: &MessageQueue<Job>, counts: &Counts) {
    loop {
        let job = match jobs.pop_timeout(Duration::from_secs(1)) {
            Ok(job) => job,
            Err(PopError::Timeout) => continue,
            // The queue is closed and empty.
            Err(_) => return,
        };
        counts.operations.fetch_add(1, Ordering::Relaxed);
        let name = match job.number % 3 {
            0 => "render_preview",
            1 => "load_scene",
            _ => "save_project",
        };
        let done = monitor(name).slow_after(SLOW_AFTER).run(|| {
            // The work itself is of no interest, only that it takes its time.
            thread::sleep(duration(job));
            match fails(job.mood, job.number) {
                true => Err(io::Error::from(io::ErrorKind::NotFound)),
                false => Ok(()),
            }
        });
        if done.is_err() {
            counts.failed.fetch_add(1, Ordering::Relaxed);
        }
        // What the app gave up when it ended is not worked off.
        if jobs.is_closed() {
            return;
        }
    }
}

fn duration(job: Job) -> Duration {
    let base = Duration::from_millis(2 + scattered(job.number) % 8);
    match job.mood {
        // Not all of them, so that the quantiles go apart.
        Mood::Slow if job.number.is_multiple_of(4) => SLOW_AFTER + base * 10,
        _ => base,
    }
}

/// One in 25, and one in three while the app fails.
fn fails(mood: Mood, number: u64) -> bool {
    let one_in = match mood {
        Mood::Failing => 3,
        _ => 25,
    };
    scattered(number).is_multiple_of(one_in)
}

/// A number that looks like chance and is the same in every run.
fn scattered(number: u64) -> u64 {
    // Fibonacci hashing: 2^64 divided by the golden ratio. The upper bits are the scattered ones.
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40
}

const TICK: Duration = Duration::from_millis(50);
const QUEUE_MAX: usize = 64;
const SLOW_AFTER: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mood_comes_within_half_a_minute() {
        let moods: Vec<_> = (0..30).map(|s| Mood::at(Duration::from_secs(s))).collect();
        for mood in [Mood::Calm, Mood::Burst, Mood::Failing, Mood::Slow] {
            assert!(moods.contains(&mood), "{mood:?}");
        }
        assert_eq!(Mood::at(Duration::from_secs(31)), moods[1]);
    }

    #[test]
    fn errors_are_rare_but_while_the_app_fails() {
        let failed = |mood| (0..3_000).filter(|n| fails(mood, *n)).count();
        assert!((60..240).contains(&failed(Mood::Calm)));
        assert!((800..1_200).contains(&failed(Mood::Failing)));
    }
}
