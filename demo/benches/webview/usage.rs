//! Processor time and processes, as the kernel tells of them.

use std::fs;
use std::time::Duration;

/// The processes that run this process's pages, in the order in which they began.
pub(crate) fn web_processes() -> Vec<u32> {
    let me = std::process::id().to_string();
    let mut pids: Vec<(u64, u32)> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let (name, fields) = stat(pid)?;
            // Fields 4 and 22 of `man proc_pid_stat`: the parent, and when it began.
            let is_page = name.ends_with("(WebKitWebProces") && fields.get(1)? == &me;
            let began = fields.get(19)?.parse().ok()?;
            is_page.then_some((began, pid))
        })
        .collect();
    pids.sort_unstable();
    pids.into_iter().map(|(_, pid)| pid).collect()
}

/// Processor time that a process has used.
pub(crate) fn cpu(pid: u32) -> Duration {
    let fields = stat(pid).expect("it runs").1;
    let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
    // Linux tells it in hundredths of a second on every platform.
    Duration::from_millis(10 * (ticks(11) + ticks(12)))
}

/// The name, and the fields from the third on: a name may hold anything.
fn stat(pid: u32) -> Option<(String, Vec<String>)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, fields) = stat.rsplit_once(") ")?;
    let fields = fields.split_whitespace().map(str::to_owned).collect();
    Some((name.to_owned(), fields))
}
