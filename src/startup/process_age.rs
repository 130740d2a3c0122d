//! How long ago the operating system started this process.

use std::time::Duration;

/// The age of this process; `None` where the system does not tell.
///
/// Linux tells it in hundredths of a second.
#[cfg(target_os = "linux")]
pub(super) fn process_age() -> Option<Duration> {
    use std::fs;
    parse(
        &fs::read_to_string("/proc/uptime").ok()?,
        &fs::read("/proc/self/stat").ok()?,
    )
}

/// The age of this process; `None` where the system does not tell.
///
/// `sysinfo` tells the start in whole seconds, so the middle of that second is taken: half a second
/// off at most.
#[cfg(all(not(target_os = "linux"), feature = "system"))]
pub(super) fn process_age() -> Option<Duration> {
    use crate::clock::system_wall_before;
    use std::time::SystemTime;
    use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

    let pid = sysinfo::get_current_pid().ok()?;
    let mut system = System::new().ok()?;
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[pid]),
        false,
        // `nothing` lists threads, too, unless it is told not to.
        ProcessRefreshKind::nothing().without_tasks(),
    );
    let second = Duration::from_secs(system.process(pid)?.start_time());
    let started = SystemTime::UNIX_EPOCH.checked_add(second + Duration::from_millis(500))?;
    let now = system_wall_before(Duration::ZERO);
    // It may be that very second still.
    Some(now.duration_since(started).unwrap_or_default())
}

/// Nothing that is built in tells it.
#[cfg(all(not(target_os = "linux"), not(feature = "system")))]
pub(super) fn process_age() -> Option<Duration> {
    None
}

/// By [proc_uptime(5)](https://man7.org/linux/man-pages/man5/proc_uptime.5.html) and
/// [proc_pid_stat(5)](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html).
///
/// In a container that has an uptime of its own, the process began before it: then it is not known.
#[cfg(target_os = "linux")]
fn parse(uptime: &str, stat: &[u8]) -> Option<Duration> {
    let uptime: f64 = uptime.split_ascii_whitespace().next()?.parse().ok()?;
    let uptime = Duration::try_from_secs_f64(uptime).ok()?;
    // The second field is the program's name in parentheses, which can hold any bytes.
    let name_end = memchr::memrchr(b')', stat)?;
    let after_name = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?;
    // The third field is the first here; the start is the 22nd, in hundredths of a second.
    let ticks: u64 = after_name.split_ascii_whitespace().nth(19)?.parse().ok()?;
    // Both times count from the boot of the host, so the difference is the age. Setting the wall
    // clock does not change it.
    uptime.checked_sub(Duration::from_millis(ticks.checked_mul(10)?))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    const STAT: &[u8] =
        b"7 (a) R 1 2 (b) S 1 7 7 0 -1 4194560 3231 0 12 0 250 75 9 9 20 0 4 0 12345 1 2 3\n";

    #[test]
    fn a_process_is_as_old_as_the_host_less_its_start() {
        let age = parse("125.50 400.00\n", STAT);
        assert_eq!(age, Some(Duration::from_millis(2_050)));
    }

    #[test]
    fn an_age_that_cannot_be_is_unknown() {
        for (uptime, stat) in [
            ("123.44 1.00", STAT),
            ("-1 1", STAT),
            ("inf 1", STAT),
            ("", STAT),
            ("125.50 1", b"7 (app) S 1 7"),
            ("125.50 1", b"7 app"),
        ] {
            assert_eq!(parse(uptime, stat), None, "{uptime}");
        }
    }

    #[test]
    fn this_process_is_not_older_than_a_day() {
        let age = process_age().unwrap();
        assert!(age < Duration::from_secs(24 * 3_600), "{age:?}");
    }
}
