//! What a look at the system shows.

use std::time::Duration;

use crate::system::{AllocatorFigures, CpuMode, ThreadCpu};

/// The process, its webview's processes and the host at one moment.
///
/// What the operating system does not tell is `None`, never a zero. Utilisation is measured from
/// one sample to the next, so a [`SystemProbe`](crate::system::SystemProbe)'s first sample has none.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SystemSample {
    /// Share of all cores that this process used since the last sample, 0 to 1.
    pub cpu_utilization: Option<f64>,
    /// The same by mode. Linux only: elsewhere it is empty.
    pub cpu_modes: Vec<(CpuMode, f64)>,
    /// Physical memory in use by this process.
    pub memory_bytes: u64,
    /// Virtual memory of this process.
    pub virtual_bytes: u64,
    /// What the allocator says that the app gave, see [`Allocator`](crate::system::Allocator).
    pub allocator: AllocatorFigures,
    /// Threads of this process. Linux only.
    pub threads: Option<u64>,
    /// CPU of this process by the names of its threads, from the second sample on: of each name that
    /// was among the five busiest of a sample, up to 16, and of `_OTHER`, which is all else. Linux
    /// only: elsewhere it is empty.
    pub thread_cpu: Vec<ThreadCpu>,
    /// File descriptors that this process has open. Unix only.
    pub open_files: Option<u64>,
    /// Time since this process started; its start is known to the second.
    pub uptime: Duration,
    /// Share of all cores in use on the host, 0 to 1.
    pub host_cpu_utilization: Option<f64>,
    /// The same by mode. Linux only: elsewhere it is empty.
    pub host_cpu_modes: Vec<(CpuMode, f64)>,
    /// Share of the host's memory in use, 0 to 1.
    pub host_memory_utilization: Option<f64>,
    /// Physical memory that the host has.
    pub host_memory_bytes: Option<u64>,
    /// The webview's processes by type: each type that was ever seen, once, with a count of zero
    /// when all of them have gone.
    pub webview_processes: Vec<WebviewProcesses>,
}

/// The webview's processes of one type, taken together.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WebviewProcesses {
    /// What they do.
    pub process_type: WebviewProcessType,
    /// How many there are.
    pub count: u64,
    /// Share of all cores that they used since the last sample, 0 to 1. `None` while all of them
    /// are new.
    pub cpu_utilization: Option<f64>,
    /// The same by mode. Linux only: elsewhere it is empty.
    pub cpu_modes: Vec<(CpuMode, f64)>,
    /// Physical memory in use by them. Memory that they share is counted once for each.
    pub memory_bytes: u64,
}

/// What a process of the webview does, as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WebviewProcessType {
    /// Runs pages.
    Web,
    /// Does the network's part.
    Network,
    /// Draws.
    Gpu,
    /// Anything else, and all processes of WebView2, whose names do not tell.
    Other,
}

impl WebviewProcessType {
    pub(super) const ALL: [Self; 4] = [Self::Web, Self::Network, Self::Gpu, Self::Other];

    /// The value of the attribute `spanwire.webview.process.type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Network => "network",
            Self::Gpu => "gpu",
            Self::Other => "other",
        }
    }

    /// The type of the process with that name; `None` when it is not a webview's.
    pub(super) fn of(name: &str) -> Option<Self> {
        // Linux keeps only the first 15 bytes of a name: `WebKitWebProces`, `WebKitNetworkPr`.
        let webkit = name
            .strip_prefix("WebKit")
            .or_else(|| name.strip_prefix("com.apple.WebKit."));
        match webkit {
            // `WebKitWebProcess` and macOS' `com.apple.WebKit.WebContent`.
            Some(part) if part.starts_with("Web") => Some(Self::Web),
            Some(part) if part.starts_with("Network") => Some(Self::Network),
            Some(part) if part.starts_with("GPU") => Some(Self::Gpu),
            Some(_) => Some(Self::Other),
            // Windows' name ends with `.exe`.
            None if name.starts_with("msedgewebview2") => Some(Self::Other),
            None => None,
        }
    }

    pub(super) const fn index(self) -> usize {
        self as usize
    }
}
