//! The command line.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, ValueEnum};

/// An audio mixing desk that uses itself, with a fault on purpose when asked.
#[derive(Debug, Parser)]
#[command(name = "mixer")]
pub(crate) struct Options {
    /// End by itself after that many seconds. Default: on Ctrl-C or SIGTERM.
    #[arg(long = "for", value_name = "SECONDS")]
    pub(crate) seconds: Option<u64>,
    /// Begin the faults after that many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub(crate) after: u64,
    /// Keep a history in that file.
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,
    /// Do that wrong; may be given twice.
    #[arg(long = "fault", value_name = "NAME")]
    pub(crate) faults: Vec<Fault>,
}

impl Options {
    pub(crate) fn read() -> Self {
        let options = Self::parse();
        if options.faults.len() > 2 {
            Self::command()
                .error(
                    ErrorKind::TooManyValues,
                    "--fault may be given at most twice",
                )
                .exit();
        }
        options
    }
}

/// What may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// each save writes and syncs the whole audio within its handler, on the window's thread
    SaveOnUiThread,
    /// the graph is rebuilt under the lock that the channels' handlers need
    LockHeldByRebuild,
    /// the window's thread waits for an audio device that does not answer
    DevicePollOnUiThread,
    /// the async handler that scans folders blocks the threads of the runtime
    BlockingScanOnRuntime,
    /// the handler that opens plug-ins keeps its responders and never answers
    PluginNeverAnswers,
    /// the preset files are missing, and the page retries each failed call without a delay
    PresetRetryStorm,
    /// a search takes longer than the page waits for it
    SearchTimesOut,
    /// the waveform is sent as all its samples, and not as an overview
    WaveformUncompressed,
    /// the levels are sent for each block of audio, and not a few times a second
    MeterFlood,
    /// the page asks for each parameter of each channel by a call of its own, one after the other
    CallsOneByOne,
    /// the page's listener of the levels makes the engine lay out the page again and again
    LayoutInMeterListener,
    /// the page computes a spectrum on its own thread, in a timer
    SpectrumOnPageThread,
    /// the page loads itself anew again and again
    PageReloadLoop,
    /// the page's process is killed, is loaded anew, and is killed again
    WebProcessDies,
    /// the host keeps all decoded audio
    DecodedAudioNeverFreed,
    /// the worker reads its files byte by byte and falls behind its queue
    PeaksWorkerTooSlow,
    /// the page and the host echo each move of a fader to each other without end
    FaderEcho,
    /// all plug-ins are probed before the window is made; from the start, whatever `--after` says
    PluginScanBeforeWindow,
    /// the page's listener of the position throws
    PositionListenerThrows,
    /// the undo log is never trimmed, and each step writes all of it: ever slower
    UndoLogNeverTrimmed,
}

/// Which faults there are, and whether they have begun.
#[derive(Debug)]
pub(crate) struct Faults {
    chosen: Vec<Fault>,
    began: AtomicBool,
}

impl Faults {
    pub(crate) fn new(chosen: Vec<Fault>) -> Self {
        Self {
            chosen,
            began: AtomicBool::new(false),
        }
    }

    pub(crate) fn begin_after(&self, healthy: Duration) {
        std::thread::sleep(healthy);
        self.began.store(true, Ordering::Relaxed);
    }

    /// Whether the fault is active.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.began.load(Ordering::Relaxed) && self.is_chosen(fault)
    }

    /// Whether the fault was asked for, begun or not.
    pub(crate) fn is_chosen(&self, fault: Fault) -> bool {
        self.chosen.contains(&fault)
    }

    /// The faults that the page does, by the names that it knows.
    pub(crate) fn of_page(&self) -> Vec<&'static str> {
        [
            (Fault::CallsOneByOne, "single"),
            (Fault::LayoutInMeterListener, "layout"),
            (Fault::SpectrumOnPageThread, "spectrum"),
            (Fault::PageReloadLoop, "reload"),
            (Fault::FaderEcho, "echo"),
            (Fault::PositionListenerThrows, "markers"),
        ]
        .into_iter()
        .filter(|(fault, _)| self.has(*fault))
        .map(|(_, name)| name)
        .collect()
    }
}
