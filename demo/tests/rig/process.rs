//! Processes as the kernel tells of them.

use std::fs;
use std::process::Command;

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

/// Memory of this process in bytes: what is resident, and the most that ever was.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub resident: u64,
    pub peak: u64,
}

impl Memory {
    pub fn read() -> Self {
        let status = fs::read_to_string("/proc/self/status").expect("there is /proc");
        let kilobytes = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"))
                .and_then(|value| value.parse::<u64>().ok())
                .unwrap_or_else(|| panic!("no {name} in {status}"))
        };
        Self {
            resident: kilobytes("VmRSS:") * 1024,
            peak: kilobytes("VmHWM:") * 1024,
        }
    }
}
