//! Pauses between attempts.

use std::time::Duration;

/// Pauses that double, each a little off, so that apps which lost one collector do not come back to
/// it together.
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) fn new(first: Duration) -> Self {
        Self(first)
    }

    /// The next one.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = jittered(self.0);
        self.0 *= 2;
        pause
    }
}

/// Three to five quarters of the time.
pub(crate) fn jittered(time: Duration) -> Duration {
    let mut random = [0];
    // Without randomness the pause is the time itself.
    let share = match getrandom::fill(&mut random) {
        Ok(()) => u32::from(random[0]),
        Err(_) => 128,
    };
    time * 3 / 4 + time * share / 512
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_stay_within_a_quarter() {
        let mut backoff = Backoff::new(Duration::from_millis(100));
        for time in [100, 200, 400, 800] {
            let pause = backoff.pause().as_millis();
            assert!(
                pause * 4 >= time * 3 && pause * 4 <= time * 5,
                "{pause} of {time}"
            );
        }
    }

    #[test]
    fn pauses_differ() {
        let pauses: std::collections::BTreeSet<_> =
            (0..50).map(|_| jittered(Duration::from_secs(1))).collect();
        assert!(pauses.len() > 10, "{pauses:?}");
    }
}
