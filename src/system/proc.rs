//! CPU time as Linux tells it in `/proc`, since `sysinfo` adds user and system time up.

use std::fs;
use std::time::Duration;

use super::cpu::{CpuMode, CpuTime};
use super::threads::{THREADS_MAX, ThreadTime};
use crate::semconv::OTHER;

/// The CPU time of all cores together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct HostCpu {
    pub(super) cores: usize,
    pub(super) used: CpuTime,
    /// With what was not used.
    pub(super) all: Duration,
}

/// The CPU time of a process; `None` when it is gone.
pub(super) fn process_cpu_time(pid: u32) -> Option<CpuTime> {
    parse_process(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// The CPU time of each thread of this process, of the first [`THREADS_MAX`].
pub(super) fn threads() -> Vec<ThreadTime> {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    let thread = |task: fs::DirEntry| {
        let id = task.file_name().to_str()?.parse().ok()?;
        // One that has ended meanwhile has none.
        let stat = fs::read(task.path().join("stat")).ok()?;
        Some(ThreadTime {
            id,
            name: name_of(&stat)?,
            used: parse_process(&stat)?.total(),
        })
    };
    let tasks = tasks.take(THREADS_MAX).flatten();
    tasks.filter_map(thread).collect()
}

/// The name in `stat`, as a label shows it.
fn name_of(stat: &[u8]) -> Option<Box<str>> {
    let begin = memchr::memchr(b'(', stat)? + 1;
    let end = memchr::memrchr(b')', stat)?;
    let name = String::from_utf8_lossy(stat.get(begin..end)?);
    // The kernel has cut it, perhaps within a character.
    let name = name.trim_end_matches(char::REPLACEMENT_CHARACTER).trim();
    let is_shown = !name.is_empty() && !name.contains(char::is_control);
    Some(if is_shown { name } else { OTHER }.into())
}

/// The CPU time of the host.
pub(super) fn host_cpu() -> Option<HostCpu> {
    parse_host(&fs::read_to_string("/proc/stat").ok()?)
}

/// Reads `/proc/{pid}/stat`, by [proc_pid_stat(5)](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html).
fn parse_process(stat: &[u8]) -> Option<CpuTime> {
    // The second field is the program's name in parentheses, which can hold any bytes.
    let name_end = memchr::memrchr(b')', stat)?;
    let after_name = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?;
    // The third field is the first here; the times are the 14th and the 15th.
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let mut time = || ticks(fields.next()?);
    Some(CpuTime::split([
        (CpuMode::User, time()?),
        (CpuMode::System, time()?),
    ]))
}

/// Reads `/proc/stat`, by [proc_stat(5)](https://man7.org/linux/man-pages/man5/proc_stat.5.html).
fn parse_host(stat: &str) -> Option<HostCpu> {
    let mut lines = stat.lines();
    let times: Vec<Duration> = lines
        .next()?
        .strip_prefix("cpu ")?
        .split_ascii_whitespace()
        // What is behind these eight, the time of guests, is within user and nice.
        .take(8)
        .map(ticks)
        .collect::<Option<_>>()?;
    let [user, nice, system, idle, iowait, irq, softirq, steal] = times[..] else {
        return None;
    };
    Some(HostCpu {
        cores: lines.take_while(|line| line.starts_with("cpu")).count(),
        used: CpuTime::split([
            (CpuMode::User, user),
            (CpuMode::Nice, nice),
            (CpuMode::System, system),
            (CpuMode::Interrupt, irq + softirq),
            (CpuMode::Steal, steal),
        ]),
        all: [user, nice, system, idle, iowait, irq, softirq, steal]
            .iter()
            .sum(),
    })
}

fn ticks(field: &str) -> Option<Duration> {
    let ticks: u64 = field.parse().ok()?;
    ticks.checked_mul(TICK_MS).map(Duration::from_millis)
}

/// Ticks are shown in hundredths of a second whatever the kernel counts in: `USER_HZ` is part of its
/// interface, and 100 on every architecture that Rust builds for.
const TICK_MS: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_process_has_user_and_system_time_whatever_it_is_called() {
        for name in [&b"app"[..], b"a) R 1 2 (b", b"", b"))", b"\xff"] {
            let after = b") S 1 7 7 0 -1 4194560 3231 0 12 0 250 75 9 9 20 0 4 0 123 1 2 3\n";
            let stat = [b"7 (", name, after].concat();
            let expected = CpuTime::split([(CpuMode::User, ms(2_500)), (CpuMode::System, ms(750))]);
            assert_eq!(parse_process(&stat), Some(expected), "{name:?}");
        }
    }

    #[test]
    fn a_thread_has_a_name_that_can_be_shown() {
        for (name, shown) in [
            (&b"worker-1"[..], "worker-1"),
            (b"a) R (b", "a) R (b"),
            (b"gr\xc3\xb6\xc3", "gr\u{f6}"),
            (b"", "_OTHER"),
            (b"a\nb", "_OTHER"),
        ] {
            let stat = [b"7 (", name, b") S 1 7"].concat();
            assert_eq!(name_of(&stat).as_deref(), Some(shown), "{name:?}");
        }
        assert_eq!(name_of(b"7"), None);
    }

    #[test]
    fn the_host_has_the_modes_that_are_in_use_and_its_cores() {
        let stat = "cpu  10 20 30 1000 500 3 4 5 6 7\n\
                    cpu0 5 10 15 500 250 1 2 2 3 3\n\
                    cpu1 5 10 15 500 250 2 2 3 3 4\n\
                    intr 99 1 2\n\
                    cpufoo\n";
        let expected = HostCpu {
            cores: 2,
            used: CpuTime::split([
                (CpuMode::User, ms(100)),
                (CpuMode::Nice, ms(200)),
                (CpuMode::System, ms(300)),
                (CpuMode::Interrupt, ms(70)),
                (CpuMode::Steal, ms(50)),
            ]),
            all: ms(15_720),
        };
        assert_eq!(parse_host(stat), Some(expected));
    }

    #[test]
    fn what_is_not_of_the_form_is_unknown() {
        for stat in [
            "",
            "7 (app",
            "7 (app) S 1 7",
            "7 (app) S 1 7 7 0 -1 4 3 0 1 0 x 75",
        ] {
            assert_eq!(parse_process(stat.as_bytes()), None, "{stat}");
        }
        for stat in [
            "",
            "cpu  1 2 3\n",
            "cpu0 1 2 3 4 5 6 7 8\n",
            "cpu  1 2 3 4 5 6 7 -8\n",
        ] {
            assert_eq!(parse_host(stat), None, "{stat}");
        }
    }

    #[test]
    fn this_process_and_host_are_read() {
        assert!(process_cpu_time(std::process::id()).is_some());
        let host = host_cpu().unwrap();
        let cores = std::thread::available_parallelism().unwrap().get();
        assert!(host.cores >= cores, "{} for {cores}", host.cores);
        assert_eq!(process_cpu_time(u32::MAX), None);
    }
}
