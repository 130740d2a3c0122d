//! CPU time and shares of it, by what the processor did.

use std::time::Duration;

/// What a processor spent its time on: the values of `cpu.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CpuMode {
    /// Code of processes.
    User,
    /// Code of processes of a lower priority. On the host alone.
    Nice,
    /// The operating system, on behalf of processes.
    System,
    /// Interrupts. On the host alone.
    Interrupt,
    /// Other virtual machines on the same hardware. On the host alone.
    Steal,
}

impl CpuMode {
    pub(super) const ALL: [Self; 5] = [
        Self::User,
        Self::Nice,
        Self::System,
        Self::Interrupt,
        Self::Steal,
    ];

    /// The value of the attribute `cpu.mode`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Nice => "nice",
            Self::System => "system",
            Self::Interrupt => "interrupt",
            Self::Steal => "steal",
        }
    }

    // The place in `ALL`, which a test compares.
    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

/// CPU time so far, by mode; of no mode where the operating system does not split it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CpuTime(Vec<(Option<CpuMode>, Duration)>);

impl CpuTime {
    #[cfg_attr(
        target_os = "linux",
        expect(dead_code, reason = "Linux splits it, other systems do not")
    )]
    pub(super) fn whole(time: Duration) -> Self {
        Self(vec![(None, time)])
    }

    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "only Linux splits it")
    )]
    pub(super) fn split(modes: impl IntoIterator<Item = (CpuMode, Duration)>) -> Self {
        let modes = modes.into_iter();
        Self(modes.map(|(mode, time)| (Some(mode), time)).collect())
    }

    /// Of all modes.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "only Linux tells of threads")
    )]
    pub(super) fn total(&self) -> Duration {
        self.0.iter().map(|(_, time)| *time).sum()
    }

    /// What it is of the time `available` since `before`; `None` when it went back, since then it
    /// is that of another process.
    pub(super) fn shares(&self, before: &Self, available: Duration) -> Option<CpuShares> {
        let mut shares = CpuShares::default();
        for ((mode, time), (_, before)) in self.0.iter().zip(&before.0) {
            let used = time.checked_sub(*before)?;
            let share = ratio(used.as_secs_f64(), available.as_secs_f64())?;
            shares.total += share;
            shares.modes.extend(mode.map(|mode| (mode, share)));
        }
        // Each mode was cut to one on its own, so their sum may exceed it.
        shares.total = shares.total.min(1.0);
        Some(shares)
    }
}

/// Shares of all cores, 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct CpuShares {
    pub(super) total: f64,
    /// Empty where the operating system does not split it.
    pub(super) modes: Vec<(CpuMode, f64)>,
}

impl CpuShares {
    pub(super) fn add(&mut self, other: &Self) {
        self.total += other.total;
        for (mode, share) in &other.modes {
            match self.modes.iter_mut().find(|(known, _)| known == mode) {
                Some((_, sum)) => *sum += share,
                None => self.modes.push((*mode, *share)),
            }
        }
    }
}

/// CPU time and the clock are read one after the other, so the share could come out a little
/// above one.
pub(super) fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| (part / whole).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn split(user: u64, system: u64) -> CpuTime {
        CpuTime::split([(CpuMode::User, ms(user)), (CpuMode::System, ms(system))])
    }

    #[test]
    fn a_mode_is_known_by_its_index() {
        for (place, mode) in CpuMode::ALL.iter().enumerate() {
            assert_eq!(mode.index(), place);
        }
    }

    #[test]
    fn a_ratio_of_nothing_is_unknown_and_none_exceeds_one() {
        assert_eq!(ratio(1.0, 0.0), None);
        assert_eq!(ratio(3.0, 2.0), Some(1.0));
        assert_eq!(ratio(1.0, 4.0), Some(0.25));
    }

    #[test]
    fn shares_are_by_mode_and_their_total_is_their_sum() {
        let shares = split(750, 1_125).shares(&split(500, 1_000), ms(1_000));
        let expected = CpuShares {
            total: 0.375,
            modes: vec![(CpuMode::User, 0.25), (CpuMode::System, 0.125)],
        };
        assert_eq!(shares, Some(expected.clone()));
        let mut sum = CpuShares::default();
        sum.add(&expected);
        sum.add(&expected);
        assert_eq!(sum.total, 0.75);
        assert_eq!(sum.modes, [(CpuMode::User, 0.5), (CpuMode::System, 0.25)],);
    }

    #[test]
    fn time_that_went_back_is_that_of_another_process() {
        assert_eq!(split(1, 5).shares(&split(2, 1), ms(1_000)), None);
    }
}
