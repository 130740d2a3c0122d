//! The page's clock in terms of the host's: an offset between two bounds. It reads no clock itself.

use std::time::Duration;

use super::protocol::inbound_message::PageTime;
use crate::clock::Stamp;

/// What is known of one page's clock. A page that is replaced takes its clock along.
///
/// A batch cannot come before it was posted, so its two stamps bound the offset from above; a
/// message cannot run before it was sent, so its two bound it from below. The closer of each kind
/// count, over the last 10 to 20 s, since the two clocks drift.
#[derive(Debug, Default)]
pub(super) struct PageClock {
    /// When the page was first heard: nothing that it measured is taken to be before.
    ready: Option<Stamp>,
    now: Bounds,
    before: Bounds,
    /// When `now` began.
    since: Option<Stamp>,
}

/// How often the older half of what is known is forgotten.
// Two halves take turns, so the bounds of 10 to 20 s count without a list of samples.
const HALF: Duration = Duration::from_secs(10);

/// `performance.now()` is rounded down, by as much as this on WebKitGTK.
const PAGE_STEP_NANOS: i64 = 1_000_000;

/// Bounds of host time less page time, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Bounds {
    lower: Option<i64>,
    upper: Option<i64>,
}

impl PageClock {
    /// A batch that the page posted at `sent` came at `received`.
    pub(super) fn heard(&mut self, sent: PageTime, received: Stamp) {
        self.ready.get_or_insert(received);
        // No allowance for rounding here: a page time that is rounded down makes this bound wider.
        let upper = Some(offset(received, sent));
        self.learn(received, Bounds { lower: None, upper });
    }

    /// What was sent at `dispatched`, and once only, ran on the page at `at`.
    pub(super) fn ran(&mut self, dispatched: Stamp, at: PageTime) {
        self.after(dispatched, at);
    }

    /// A question that was sent at `asked` was answered on the page at `at`.
    pub(super) fn answered(&mut self, asked: Stamp, at: PageTime) {
        self.after(asked, at);
    }

    /// Page time `at` is not before host time `sent`.
    fn after(&mut self, sent: Stamp, at: PageTime) {
        let lower = Some(offset(sent, at).saturating_sub(PAGE_STEP_NANOS));
        self.learn(sent, Bounds { lower, upper: None });
    }

    /// The host time of `at`, between the page's first batch and `now`; `None` while nothing is
    /// known of the page's clock.
    pub(super) fn to_host(&self, at: PageTime, now: Stamp) -> Option<Stamp> {
        let nanos = self.offset()?.saturating_add(nanos(at));
        let stamp = Stamp::NONE.plus(Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)));
        // What a page says may be wrong on purpose; this keeps each of its times within its life.
        Some(stamp.max(self.ready?).min(now))
    }

    /// How long the page has been heard of.
    pub(super) fn age(&self, now: Stamp) -> Option<Duration> {
        Some(now.since(self.ready?))
    }

    /// How long a batch was on its way, once both bounds are known; never negative.
    pub(super) fn transit(&self, sent: PageTime, received: Stamp) -> Option<Duration> {
        self.bounds().lower?;
        let nanos = offset(received, sent).saturating_sub(self.offset()?);
        Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)))
    }

    /// Host time less page time. While only the upper bound is known, what is on its way is taken
    /// to take no time.
    fn offset(&self) -> Option<i64> {
        let Bounds { lower, upper } = self.bounds();
        let upper = upper?;
        // The middle is off by half the distance of the bounds at most.
        Some(lower.map_or(upper, |lower| lower + upper.saturating_sub(lower) / 2))
    }

    fn bounds(&self) -> Bounds {
        self.before.narrowed(self.now)
    }

    fn learn(&mut self, at: Stamp, new: Bounds) {
        let age = at.since(*self.since.get_or_insert(at));
        if age >= HALF {
            // After a longer silence both halves are too old.
            self.before = if age < 2 * HALF {
                self.now
            } else {
                Bounds::default()
            };
            self.now = Bounds::default();
            self.since = Some(at);
        }
        self.now = self.now.narrowed(new);
    }
}

impl Bounds {
    /// Both, or `newer` alone where the two contradict each other: a clock was set, the machine
    /// slept, or the page does not tell the truth, and then the last word is as good as any.
    fn narrowed(self, newer: Self) -> Self {
        let both = Self {
            lower: self.lower.max(newer.lower),
            upper: match (self.upper, newer.upper) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
        };
        match (both.lower, both.upper) {
            (Some(lower), Some(upper)) if lower > upper => newer,
            _ => both,
        }
    }
}

/// `host` less `page`. No stamp and no page time is so large that it matters that this saturates.
fn offset(host: Stamp, page: PageTime) -> i64 {
    i64::try_from(host.as_nanos())
        .unwrap_or(i64::MAX)
        .saturating_sub(nanos(page))
}

fn nanos(time: PageTime) -> i64 {
    // At most 10^18, which fits.
    (time.as_ms() * 1e6).round() as i64
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn stamp(nanos: u64) -> Stamp {
        Stamp::NONE.plus(Duration::from_nanos(nanos))
    }

    fn ms(ms: f64) -> PageTime {
        PageTime::from_ms(ms).unwrap()
    }

    /// A page whose clock is `offset` behind the host's and is rounded down.
    fn page_time(host: u64, offset: u64) -> PageTime {
        ms(((host - offset) / 1_000_000) as f64)
    }

    #[test]
    fn nothing_is_known_before_a_batch_and_no_transit_before_an_answer() {
        let mut clock = PageClock::default();
        assert_eq!(clock.to_host(ms(1.0), stamp(1)), None);
        clock.ran(stamp(100_000_000), ms(1.0));
        assert_eq!(clock.to_host(ms(1.0), stamp(1)), None);
        let mut clock = PageClock::default();
        clock.heard(ms(5.0), stamp(100_000_000));
        assert_eq!(clock.transit(ms(5.0), stamp(100_000_000)), None);
        assert_eq!(
            clock.to_host(ms(7.0), stamp(200_000_000)),
            Some(stamp(102_000_000))
        );
    }

    #[test]
    fn with_both_bounds_the_offset_is_in_the_middle() {
        let mut clock = PageClock::default();
        clock.heard(ms(5.0), stamp(100_000_000)); // at most 95 ms
        clock.ran(stamp(101_000_000), ms(11.0)); // at least 90 ms, and a step less
        assert_eq!(
            clock.to_host(ms(8.0), stamp(200_000_000)),
            Some(stamp(100_000_000)) // and not before the first batch
        );
        assert_eq!(
            clock.to_host(ms(10.0), stamp(200_000_000)),
            Some(stamp(102_000_000))
        );
        assert_eq!(
            clock.transit(ms(10.0), stamp(103_000_000)),
            Some(Duration::from_millis(1))
        );
    }

    #[test]
    fn a_time_is_never_after_now() {
        let mut clock = PageClock::default();
        clock.heard(ms(5.0), stamp(100_000_000));
        assert_eq!(
            clock.to_host(ms(1e12), stamp(100_000_001)),
            Some(stamp(100_000_001))
        );
    }

    #[test]
    fn drift_is_followed() {
        let mut clock = PageClock::default();
        // The page's clock runs 100 ppm slow: its offset grows by 12 ms in two minutes.
        for second in 1..=120_u64 {
            let host = second * 1_000_000_000;
            let page = ms(second as f64 * 999.9);
            clock.ran(stamp(host - 100_000), page);
            clock.heard(page, stamp(host + 100_000));
        }
        let at = clock.to_host(ms(120.0 * 999.9), stamp(u64::MAX)).unwrap();
        let error = at.as_nanos().abs_diff(120_000_000_000);
        assert!(error < 2_500_000, "{error} ns");
    }

    #[test]
    fn a_machine_that_slept_is_believed_at_once() {
        let mut clock = PageClock::default();
        clock.ran(stamp(1_000_000_000), ms(100.0));
        clock.heard(ms(100.0), stamp(1_001_000_000));
        // The host's clock went on for an hour, and the page's did not.
        let hour = 3_600_000_000_000;
        clock.ran(stamp(1_000_000_000 + hour), ms(200.0));
        clock.heard(ms(200.0), stamp(1_001_000_000 + hour));
        let at = clock.to_host(ms(200.0), stamp(u64::MAX)).unwrap();
        assert!(at.as_nanos().abs_diff(1_000_000_000 + hour) <= 1_000_000);
    }

    proptest! {
        #[test]
        fn the_estimate_is_within_the_tightest_bounds(
            offset in 0..1_000_000_000_000_u64,
            trips in vec((0..400_000_u64, 0..50_000_000_u64, 0..50_000_000_u64), 1..60),
        ) {
            let mut clock = PageClock::default();
            let mut now = offset + 1_000_000;
            let (mut there, mut back) = (u64::MAX, u64::MAX);
            for (pause, to_page, to_host) in trips {
                now += pause;
                let (sent, ran) = (now, now + to_page);
                now = ran + to_host;
                clock.heard(page_time(ran, offset), stamp(now));
                clock.ran(stamp(sent), page_time(ran, offset));
                (there, back) = (there.min(to_page), back.min(to_host));

                let page = page_time(ran, offset);
                let at = clock.to_host(page, stamp(u64::MAX)).unwrap();
                // The page time stands for itself and what was rounded off.
                let whole = offset + nanos(page) as u64;
                if clock.ready.unwrap() < at {
                    let early = whole.saturating_sub(at.as_nanos());
                    let late = at.as_nanos().saturating_sub(whole);
                    prop_assert!(early <= there + 1_000_000, "{early} ns early, {there} there");
                    prop_assert!(late <= back + 1_000_000, "{late} ns late, {back} back");
                }
                let transit = clock.transit(page, stamp(now)).unwrap();
                prop_assert!(transit <= Duration::from_nanos(to_page + to_host + 2_000_000));
            }
        }

        #[test]
        fn no_stamps_are_too_hostile(
            stamps in vec((0.0..1e12, any::<u64>(), any::<bool>()), 0..40),
            at in 0.0..1e12,
            now in any::<u64>(),
        ) {
            let mut clock = PageClock::default();
            for (page, host, is_batch) in stamps {
                let (page, host) = (ms(page), stamp(host));
                if is_batch {
                    clock.heard(page, host);
                } else {
                    clock.ran(host, page);
                }
                let _ = clock.transit(page, host);
            }
            if let Some(host) = clock.to_host(ms(at), stamp(now)) {
                prop_assert!(host <= stamp(now));
                prop_assert!(now < clock.ready.unwrap().as_nanos() || host >= clock.ready.unwrap());
            }
        }
    }
}
