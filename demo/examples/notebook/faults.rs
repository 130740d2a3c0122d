//! What can go wrong, and whether it does by now.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;

/// What an app gets in real life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// A sync handler waits for the disk.
    SlowDisk,
    /// A lock is held across an await.
    HeldLock,
    /// The page adds listeners and takes none off.
    ListenerLeak,
    /// A click makes 500 calls.
    NPlusOne,
    /// The process sleeps for eight seconds, and its timers catch up.
    BurstAfterSleep,
    /// The window is hidden.
    HiddenWindow,
    /// A timer of the page throws.
    ThrowingTimer,
    /// A second window gets far more events than it can show.
    FloodedPreview,
    /// The first call of a kind takes four seconds.
    SlowFirstCall,
    /// The page keeps what it should drop.
    PageLeak,
    /// The Collector answers after twenty seconds.
    SlowCollector,
    /// Threads of the app keep every core busy.
    ThrottledCpu,
    /// A handler never answers.
    NeverAnswers,
    /// A handler fails each time.
    AlwaysFails,
    /// A reply has 6 MB.
    BigReply,
    /// A queue of the app's own is full.
    FullQueue,
    /// The worker of a queue of the app's own is stuck.
    StuckWorker,
    /// A handler panics.
    Panics,
    /// The page calls and emits what no handler knows.
    UnknownNames,
    /// The page's own script does not parse.
    DeadScript,
    /// The page loads itself anew every two seconds.
    ReloadLoop,
    /// The page's thread is busy for two seconds, again and again.
    BusyPage,
    /// The page sends more than the host takes.
    TooLarge,
    /// A listener of the page throws.
    ThrowingListener,
    /// An event is sent ten times and more as often.
    ChattyEvent,
    /// The page gives up its calls.
    CancelledCalls,
    /// An async handler blocks the runtime's threads.
    StarvedRuntime,
    /// A sync handler takes 300 ms on the UI thread.
    BlockedUi,
    /// A phase of the start takes six seconds.
    SlowStartup,
    /// The host emits what no listener of the page takes.
    NoListener,
}

impl Fault {
    /// What begins it in the page, where it is one of the page's.
    pub(crate) fn page_function(self) -> Option<&'static str> {
        Some(match self {
            Self::ListenerLeak => "leakListeners",
            Self::NPlusOne => "askForEachTitle",
            Self::ThrowingTimer => "throwInTimer",
            Self::SlowFirstCall => "checkSpelling",
            Self::PageLeak => "leakMemory",
            Self::NeverAnswers => "searchWithTimeout",
            Self::BigReply => "exportAll",
            Self::UnknownNames => "useOldNames",
            Self::BusyPage => "layOut",
            Self::TooLarge => "saveScan",
            Self::ThrowingListener => "throwInListener",
            Self::CancelledCalls => "searchAsTyped",
            _ => return None,
        })
    }
}

/// The faults of this run.
#[derive(Debug)]
pub(crate) struct Faults {
    chosen: Vec<Fault>,
    begun: AtomicBool,
}

impl Faults {
    pub(crate) fn new(chosen: &[Fault]) -> Self {
        Self {
            chosen: chosen.to_vec(),
            begun: AtomicBool::new(false),
        }
    }

    pub(crate) fn chosen(&self) -> impl Iterator<Item = Fault> + use<'_> {
        self.chosen.iter().copied()
    }

    pub(crate) fn is_chosen(&self, fault: Fault) -> bool {
        self.chosen.contains(&fault)
    }

    /// The warm-up is over.
    pub(crate) fn begin(&self) {
        self.begun.store(true, Ordering::Release);
    }

    /// Whether the fault was chosen, and the warm-up is over.
    pub(crate) fn is_on(&self, fault: Fault) -> bool {
        self.begun.load(Ordering::Acquire) && self.is_chosen(fault)
    }
}

/// Stops this process for eight seconds, as a laptop does whose lid is closed.
pub(crate) fn sleep_as_a_laptop() {
    let id = std::process::id();
    let script = format!("kill -STOP {id}; sleep 8; kill -CONT {id}");
    let _ = Command::new("sh").args(["-c", &script]).spawn();
}

/// Two threads a core, so that the app's others get a third of the time.
pub(crate) fn keep_every_core_busy() {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    for _ in 0..2 * cores {
        let _ = std::thread::Builder::new()
            .name("indexer".into())
            .spawn(|| {
                let mut sum = 0_u64;
                loop {
                    sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(7));
                }
            });
    }
}
