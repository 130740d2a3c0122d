//! How a history is kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// How a history is kept; made by [`History::options`](super::History::options).
///
/// ```
/// use spanwire::history::History;
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("spanwire-options-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let history = History::options(folder.join("history.db"))
///     .service("paint-tool")
///     .retention(Duration::from_secs(3_600))
///     .max_bytes(16 << 20)
///     .open()?;
/// // … the app runs …
/// println!("{}", history.shutdown(Duration::from_secs(2)));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is recorded before `open`"]
pub struct HistoryOptions {
    pub(crate) path: PathBuf,
    pub(crate) service: String,
    pub(crate) version: Option<String>,
    pub(crate) instance: Option<String>,
    pub(crate) retention: Duration,
    pub(crate) max_bytes: u64,
    pub(crate) records_per_second: u32,
    pub(crate) ipc_slow_threshold: Duration,
    pub(crate) slow_factor: u32,
    pub(crate) starts_paused: bool,
    #[cfg(feature = "profile")]
    pub(crate) profile: u32,
}

impl HistoryOptions {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            service: String::from("unknown_service"),
            version: None,
            instance: None,
            retention: DEFAULT_RETENTION,
            max_bytes: DEFAULT_MAX_BYTES,
            records_per_second: DEFAULT_RECORDS_PER_SECOND,
            ipc_slow_threshold: DEFAULT_IPC_SLOW_THRESHOLD,
            slow_factor: DEFAULT_SLOW_FACTOR,
            starts_paused: false,
            #[cfg(feature = "profile")]
            profile: 0,
        }
    }

    /// The app's name. Default: `unknown_service`.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = name.into();
        self
    }

    /// The app's version. Default: none.
    pub fn service_version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// How long records are kept. Roll-ups are kept four times as long. Default: 7 days.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// How large the file may be, its write-ahead log included; 1 MiB at least. At the bound the
    /// oldest goes. Default: 256 MiB.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How many records a second of one name are kept one by one, and as many again of those that
    /// failed or were slow. Above it one stands for several, and its `weight` says for how many;
    /// roll-ups count all. Default: 100.
    pub fn records_per_second(mut self, count: u32) -> Self {
        // With 0 no row would be left to stand for the others.
        self.records_per_second = count.max(1);
        self
    }

    /// From when a message between page and host counts as slow. Default: 100 ms.
    pub fn ipc_slow_threshold(mut self, threshold: Duration) -> Self {
        self.ipc_slow_threshold = threshold;
        self
    }

    /// What takes so many times as long as 95 in 100 of its name counts as slow also below its
    /// threshold, from the 51st of them and from 20 ms on. 0: a threshold alone says what is slow.
    /// Default: 10.
    pub fn slow_factor(mut self, factor: u32) -> Self {
        self.slow_factor = factor;
        self
    }

    /// Takes so many samples a second of what the process' threads compute, up to 1,000. Default: 0
    /// for none, which is also so where the process cannot be sampled: see
    /// [`TelemetryBuilder::profile`](crate::telemetry::TelemetryBuilder::profile).
    #[cfg(feature = "profile")]
    pub fn profile(mut self, samples_per_second: u32) -> Self {
        // Linux checks the timer behind it at its own tick, of which there are at most 1,000 a
        // second.
        self.profile = samples_per_second.min(1_000);
        self
    }
}

/// Seven days.
pub(crate) const DEFAULT_RETENTION: Duration = Duration::from_secs(7 * 24 * 3_600);
/// 256 MiB.
pub(crate) const DEFAULT_MAX_BYTES: u64 = 256 << 20;
const DEFAULT_RECORDS_PER_SECOND: u32 = 100;
/// As the tail sampler has it.
const DEFAULT_SLOW_FACTOR: u32 = 10;
const DEFAULT_IPC_SLOW_THRESHOLD: Duration = Duration::from_millis(100);
