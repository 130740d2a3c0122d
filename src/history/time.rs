//! Times as the file has them: nanoseconds since the Unix epoch.

use std::time::{Duration, SystemTime};

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
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
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
}
