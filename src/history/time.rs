//! Times as the file has them: nanoseconds since the Unix epoch.

use std::time::{Duration, SystemTime};

/// A second in nanoseconds.
pub(super) const SECOND: i64 = 1_000_000_000;
/// A minute in nanoseconds: so much one roll-up is of.
pub(super) const MINUTE: i64 = 60 * SECOND;

/// Nanoseconds since the epoch; negative before it.
pub(super) fn nanos_since_epoch(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |n| -n),
    }
}

/// The same the other way round.
pub(super) fn time_at(nanos: i64) -> SystemTime {
    let distance = Duration::from_nanos(nanos.unsigned_abs());
    let time = if nanos < 0 {
        // How far a `SystemTime` reaches depends on the system: on Windows it begins in 1601.
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The time in UTC by RFC 3339, to the second. A file may have any number: one before 1970 is 1970.
pub(super) fn utc(nanos: i64) -> String {
    // humantime panics for a time before 1970 and after 9999. Nanoseconds in an `i64` end in 2262.
    humantime::format_rfc3339_seconds(time_at(nanos.max(0))).to_string()
}

/// The same to the millisecond, for a person.
pub(super) fn moment(nanos: i64) -> String {
    let text = humantime::format_rfc3339_millis(time_at(nanos.max(0))).to_string();
    text.replace('T', " ").replace('Z', " UTC")
}

/// A length of time in nanoseconds, as SQLite has them.
pub(super) fn as_i64(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_the_epoch_and_beyond_the_range_are_bounded() {
        let second = Duration::from_secs(1);
        let before = SystemTime::UNIX_EPOCH - second;
        assert_eq!(nanos_since_epoch(before), -1_000_000_000);
        assert_eq!(time_at(-1_000_000_000), before);
        let far = SystemTime::UNIX_EPOCH + second * u32::MAX * 4;
        assert_eq!(nanos_since_epoch(far), i64::MAX);
    }
    #[test]
    fn any_number_is_a_time_in_utc() {
        let leap_day = 951_782_400_123_000_000;
        assert_eq!(utc(leap_day), "2000-02-29T00:00:00Z");
        assert_eq!(moment(leap_day), "2000-02-29 00:00:00.123 UTC");
        assert_eq!(moment(0), "1970-01-01 00:00:00.000 UTC");
        assert_eq!(utc(i64::MIN), "1970-01-01T00:00:00Z");
        assert_eq!(utc(i64::MAX), "2262-04-11T23:47:16Z");
    }
}
