//! Whether the process of an earlier run still runs, whatever process has its number now.

use std::process;
use std::sync::LazyLock;
use std::time::Duration;

/// Tells this process from a later one with its number; empty where nothing does.
pub(crate) fn own_key() -> &'static str {
    static KEY: LazyLock<String> = LazyLock::new(|| key_of(process::id()).unwrap_or_default());
    &KEY
}

/// Whether a process runs that wrote its number and its key, and was last seen at that time.
pub(crate) fn is_running(process_id: u32, key: &str, seen_at: i64, now: i64) -> bool {
    let place = place();
    // In another place the number may be that of an unrelated process, so only a key of this place
    // is compared with what runs now.
    let is_of_here = !place.is_empty() && key.starts_with(place.as_str());
    if is_of_here {
        return key_of(process_id).is_some_and(|found| found == key);
    }
    // In another container, or before the machine started, or nothing is known of it: a process that
    // runs writes each second, so what it wrote is of about now.
    now.abs_diff(seen_at) < SILENCE_MAX.as_nanos() as u64
}

/// What a process that cannot be looked at may be silent. It may be held up by a disk, or by a
/// machine that has much to do.
const SILENCE_MAX: Duration = Duration::from_secs(60);

fn key_of(process_id: u32) -> Option<String> {
    let started = started(process_id)?;
    let place = place();
    // The system gives a number to another process later, but not with the same start.
    (!place.is_empty()).then(|| format!("{place}{started}"))
}

/// Where numbers of processes mean what they mean here: this run of this machine, and this
/// container.
#[cfg(target_os = "linux")]
fn place() -> String {
    // The kernel counts the start of a process from the boot, so two boots could give the same
    // start. The boot's id is a random UUID.
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let names = std::fs::read_link("/proc/self/ns/pid");
    match (boot, names) {
        (Ok(boot), Ok(names)) => format!("{} {} ", boot.trim(), names.to_string_lossy()),
        _ => String::new(),
    }
}

#[cfg(not(target_os = "linux"))]
fn place() -> String {
    // One machine has no two of these, but a file may come from another machine.
    let host = if cfg!(feature = "system") {
        host()
    } else {
        String::new()
    };
    if host.is_empty() {
        host
    } else {
        format!("{host} ")
    }
}

/// When it started, in the kernel's own count; `None` when there is none, or it has ended and its
/// parent did not ask for its outcome yet.
#[cfg(target_os = "linux")]
fn started(process_id: u32) -> Option<String> {
    parse_started(&std::fs::read(format!("/proc/{process_id}/stat")).ok()?)
}

/// By [proc_pid_stat(5)](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html).
#[cfg(target_os = "linux")]
fn parse_started(stat: &[u8]) -> Option<String> {
    // The second field is the program's name in parentheses, which can hold any bytes.
    let name_end = memchr::memrchr(b')', stat)?;
    let after_name = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?;
    let mut fields = after_name.split_ascii_whitespace();
    // The third field is its state, the 22nd its start.
    if matches!(fields.next()?, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(all(not(target_os = "linux"), feature = "system"))]
fn host() -> String {
    sysinfo::System::host_name().unwrap_or_default()
}

#[cfg(all(not(target_os = "linux"), not(feature = "system")))]
fn host() -> String {
    String::new()
}

#[cfg(all(not(target_os = "linux"), feature = "system"))]
fn started(process_id: u32) -> Option<String> {
    use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};

    let pid = Pid::from_u32(process_id);
    let mut system = System::new().ok()?;
    let kind = ProcessRefreshKind::nothing().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, kind);
    let process = system.process(pid)?;
    let has_ended = matches!(
        process.status(),
        ProcessStatus::Zombie | ProcessStatus::Dead
    );
    (!has_ended).then(|| process.start_time().to_string())
}

#[cfg(all(not(target_os = "linux"), not(feature = "system")))]
fn started(_: u32) -> Option<String> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::history::time::SECOND;

    #[test]
    fn this_process_runs_and_one_that_had_its_number_does_not() {
        let (id, key) = (process::id(), own_key());
        assert!(!key.is_empty());
        assert!(is_running(id, key, 0, i64::MAX));
        let earlier = format!("{}1", place());
        assert!(
            !is_running(id, &earlier, 0, SECOND),
            "its number was given to us"
        );
    }

    #[test]
    fn a_process_that_ended_does_not_run_before_and_after_its_parent_asks() {
        let mut child = process::Command::new("true").spawn().unwrap();
        let id = child.id();
        // It may have ended already; then its key is that of no process.
        let key = key_of(id).unwrap_or_else(|| format!("{}1", place()));
        child.wait().unwrap();
        assert!(!is_running(id, &key, 0, SECOND));
        assert_eq!(
            parse_started(b"7 (a) Z 1 7 7 0 -1 4 3 0 1 0 2 7 9 9 20 0 4 0 123 1"),
            None
        );
        let stat = b"7 (a) b) S 1 7 7 0 -1 4 3 0 1 0 2 7 9 9 20 0 4 0 123 1";
        assert_eq!(parse_started(stat).as_deref(), Some("123"));
    }

    #[test]
    fn a_process_of_another_place_runs_while_it_writes() {
        for key in ["", "another-boot pid:[1] 5"] {
            assert!(is_running(1, key, 100 * SECOND, 159 * SECOND));
            assert!(!is_running(1, key, 100 * SECOND, 160 * SECOND));
            assert!(
                !is_running(1, key, 160 * SECOND, 100 * SECOND),
                "the clock was turned back"
            );
        }
    }
}
