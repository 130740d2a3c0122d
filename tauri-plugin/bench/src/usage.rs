//! Processor time of this process and of those that run its page, as the kernel tells of it.

use std::fs;

use serde::Serialize;

/// Processor time so far.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Usage {
    host_ms: u64,
    page_ms: u64,
}

impl Usage {
    pub(crate) fn now() -> Self {
        let me = std::process::id().to_string();
        let mut usage = Self::default();
        for entry in fs::read_dir("/proc").unwrap() {
            let name = entry.unwrap().file_name();
            let Some(pid) = name.to_str().filter(|pid| pid.parse::<u32>().is_ok()) else {
                continue;
            };
            // Processes come and go.
            let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
                continue;
            };
            // A name may hold anything, so fields are those behind it, from the third of
            // `man proc_pid_stat` on.
            let Some((_, fields)) = stat.rsplit_once(") ") else {
                continue;
            };
            let fields: Vec<_> = fields.split_whitespace().collect();
            let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
            // Linux tells it in hundredths of a second on every platform.
            let ms = 10 * (ticks(11) + ticks(12));
            if pid == me {
                usage.host_ms += ms;
            } else if fields[1] == me {
                usage.page_ms += ms;
            }
        }
        usage
    }
}

/// Processor time of this thread so far, in µs.
pub(crate) fn thread() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let ns = text.split_whitespace().next().unwrap();
    ns.parse::<f64>().unwrap() / 1e3
}
