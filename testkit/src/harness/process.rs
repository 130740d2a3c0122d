//! Processes as the kernel tells of them.

use std::fmt;
use std::fs;
use std::process::Command;
use std::time::Duration;

/// The processes that run the pages of this process's webviews.
pub fn web_processes() -> Vec<u32> {
    let me = std::process::id().to_string();
    let is_ours = |pid: &u32| {
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
            return false;
        };
        // `pid (name) state ppid …`, and a name may hold anything; it is cut to 15 bytes.
        let Some((name, rest)) = stat.rsplit_once(") ") else {
            return false;
        };
        let mut rest = rest.split(' ');
        let alive = rest
            .next()
            .is_some_and(|state| state != "Z" && state != "X");
        alive && rest.next() == Some(&me) && name.ends_with("(WebKitWebProces")
    };
    let mut pids: Vec<u32> = fs::read_dir("/proc")
        .expect("there is /proc")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(is_ours)
        .collect();
    pids.sort_unstable();
    pids
}

/// `kill -9`.
pub fn kill(pid: u32) {
    signal("-KILL", pid);
}

/// Keeps it from running until it is killed.
pub fn stop(pid: u32) {
    signal("-STOP", pid);
}

fn signal(signal: &str, pid: u32) {
    let status = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status();
    assert!(status.expect("there is kill").success(), "{pid} is ours");
}

/// How long the calling thread has run so far.
pub fn time_on_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").expect("there is /proc");
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_else(|| panic!("no time in {stat}")))
}

/// This process's memory at a time, to see what it grew by since.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    resident: u64,
}

impl Memory {
    /// Forgets the peak that was, and takes what is resident now.
    pub fn since_now() -> Self {
        fs::write("/proc/self/clear_refs", "5").expect("a process may forget its own peak");
        Self {
            resident: resident("VmRSS:"),
        }
    }

    /// What it grew by since.
    pub fn growth(&self) -> Growth {
        Growth {
            kept: resident("VmRSS:").saturating_sub(self.resident),
            peak: resident("VmHWM:").saturating_sub(self.resident),
        }
    }
}

/// What memory grew by, in bytes: by now, and at its peak.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    kept: u64,
    peak: u64,
}

impl Growth {
    /// Whether it never grew by more.
    pub fn at_most(self, bytes: u64) -> bool {
        self.most() <= bytes
    }

    /// The larger of the two, in bytes.
    pub fn most(self) -> u64 {
        self.peak.max(self.kept)
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let (kept, peak) = (megabytes(self.kept), megabytes(self.peak));
        write!(f, "{kept:.1} MB ({peak:.1} MB at its peak)")
    }
}

/// What is resident now of that process, in bytes.
pub fn resident_of(pid: u32) -> u64 {
    status(&pid.to_string(), "VmRSS:")
}

fn resident(name: &str) -> u64 {
    status("self", name)
}

fn status(process: &str, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it lives");
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"))
        .and_then(|value| value.parse::<u64>().ok());
    1_024 * kilobytes.unwrap_or_else(|| panic!("no {name} in {status}"))
}
