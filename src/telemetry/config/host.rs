//! What the system says about this host and this process.

use opentelemetry::KeyValue;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

pub(super) fn name() -> Option<String> {
    System::host_name().ok()
}

pub(super) fn attributes() -> impl Iterator<Item = KeyValue> {
    let attribute = |name, value: Option<String>| Some(KeyValue::new(name, value?));
    [
        attribute("os.name", System::name().ok()),
        attribute("os.version", System::os_version().ok()),
        attribute("os.description", System::long_os_version().ok()),
        attribute("process.creation.time", creation_time()),
    ]
    .into_iter()
    .flatten()
}

/// When the process began, to the second; with its id it names the process for good.
fn creation_time() -> Option<String> {
    let pid = sysinfo::get_current_pid().ok()?;
    let mut system = System::new().ok()?;
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[pid]),
        true,
        ProcessRefreshKind::nothing().without_tasks(),
    );
    Some(iso_8601(system.process(pid)?.start_time()))
}

/// The time so many seconds after the beginning of 1970, in UTC, by ISO 8601.
fn iso_8601(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Counted from a first of March, so that the leap day is the last day of a year. See "civil from
    // days" on <https://howardhinnant.github.io/date_algorithms.html>.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_by_iso_8601() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (68_169_599, "1972-02-28T23:59:59Z"),
            (68_169_600, "1972-02-29T00:00:00Z"),
            (68_256_000, "1972-03-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (1_796_000_461, "2026-11-30T01:01:01Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(iso_8601(seconds), text);
        }
    }

    #[test]
    fn the_process_has_the_time_at_which_it_began() {
        let created = creation_time().unwrap();
        let (_, now) = crate::clock::Clock::system().now_and_wall();
        let now = now.duration_since(std::time::SystemTime::UNIX_EPOCH);
        let now = now.unwrap().as_secs();
        // Tests take less than a day, and texts of this form are ordered as their times are.
        assert!(created > iso_8601(now - 86_400), "{created}");
        // The start is told to the second, rounded.
        assert!(created <= iso_8601(now + 1), "{created}");
    }
}
