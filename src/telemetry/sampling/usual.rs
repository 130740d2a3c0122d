//! What takes many times as long as it usually does: each name is compared with its own past.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::SpanKind;

use crate::clock::Stamp;
use crate::instrument::duration_sketch::DurationSketch;

/// The past of each name, by the kind of its spans: a call's client waits longer than its handler
/// works.
///
/// Names can come from the page, so they are few and the oldest does not win: a newcomer takes the
/// place of a name that came too seldom to be judged, or not for an hour. Where there is no such
/// place at hand it is not judged.
#[derive(Debug)]
pub(super) struct UsualDurations {
    factor: u32,
    // A map for each kind: a key of kind and name would need an owned text for each look-up.
    by_kind: [HashMap<Arc<str>, u32, foldhash::quality::RandomState>; KINDS],
    pasts: Vec<Past>,
    /// Where the next search for a place begins.
    hand: usize,
    unjudged: u64,
}

#[derive(Debug)]
struct Past {
    kind: usize,
    name: Arc<str>,
    seen: Stamp,
    sketch: DurationSketch,
}

/// So many names have a past at once; with their maps they take less than half a megabyte.
pub(super) const NAMES_MAX: usize = 1_000;
/// Longer names are none that come again.
const NAME_LEN_MAX: usize = 256;
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);
/// A search for a place looks at so many: a flood of new names is not to cost much.
const SEARCH_MAX: usize = 8;
const KINDS: usize = 5;

impl UsualDurations {
    /// For what takes `factor` times as long as usual.
    pub(super) fn new(factor: u32) -> Self {
        Self {
            factor,
            by_kind: Default::default(),
            pasts: Vec::new(),
            hand: 0,
            unjudged: 0,
        }
    }

    /// Learns of a span that ended, and returns what was usual before if this is much longer.
    pub(super) fn compare(
        &mut self,
        kind: &SpanKind,
        name: &str,
        took: Duration,
        now: Stamp,
    ) -> Option<Duration> {
        let kind = index(kind);
        let known = self.by_kind[kind].get(name).copied();
        let Some(slot) = known.or_else(|| self.make_room(kind, name, now)) else {
            // The judge counts these, so that a lack of places is not taken for a lack of slow
            // spans.
            self.unjudged += 1;
            return None;
        };
        let past = &mut self.pasts[slot as usize];
        past.seen = now;
        // A slow span is learned as well: what becomes slow for good becomes usual.
        past.sketch.compare(took, self.factor)
    }

    /// How many spans were not judged since the last time, as too many names have a past.
    pub(super) fn take_unjudged(&mut self) -> u64 {
        std::mem::take(&mut self.unjudged)
    }

    /// As if nothing had been learned.
    pub(super) fn forget(&mut self) {
        *self = Self::new(self.factor);
    }

    #[cold]
    fn make_room(&mut self, kind: usize, name: &str, now: Stamp) -> Option<u32> {
        // Names can come from a page, so their length has a bound as their number has.
        if name.len() > NAME_LEN_MAX {
            return None;
        }
        let name: Arc<str> = Arc::from(name);
        let past = Past {
            kind,
            name: Arc::clone(&name),
            seen: now,
            sketch: DurationSketch::new(),
        };
        let slot = if self.pasts.len() < NAMES_MAX {
            self.pasts.push(past);
            self.pasts.len() - 1
        } else {
            let slot = self.place(now)?;
            let gone = std::mem::replace(&mut self.pasts[slot], past);
            // The maps and the pasts change together, so a slot never answers to two names.
            self.by_kind[gone.kind].remove(&gone.name);
            slot
        };
        let slot = u32::try_from(slot).expect("names are fewer than NAMES_MAX");
        self.by_kind[kind].insert(name, slot);
        Some(slot)
    }

    /// One of the next few that may be forgotten.
    fn place(&mut self, now: Stamp) -> Option<usize> {
        (0..SEARCH_MAX).find_map(|_| {
            let slot = self.hand;
            // The hand goes around, so that each place is looked at before one is looked at twice.
            self.hand = (slot + 1) % NAMES_MAX;
            let past = &self.pasts[slot];
            let may_go = !past.sketch.is_known() || now.since(past.seen) >= FORGOTTEN_AFTER;
            may_go.then_some(slot)
        })
    }

    #[cfg(test)]
    fn names(&self) -> usize {
        self.by_kind.iter().map(HashMap::len).sum()
    }
}

fn index(kind: &SpanKind) -> usize {
    match kind {
        SpanKind::Client => 0,
        SpanKind::Server => 1,
        SpanKind::Producer => 2,
        SpanKind::Consumer => 3,
        SpanKind::Internal => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FakeTime;
    use crate::instrument::duration_sketch::{KNOWN_MIN, SHORTEST};

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Durations of internal spans, a millisecond after one another.
    struct Script {
        usual: UsualDurations,
        time: Arc<FakeTime>,
    }

    impl Script {
        fn new() -> Self {
            Self {
                usual: UsualDurations::new(10),
                time: FakeTime::start(),
            }
        }

        /// Whether it was slower than usual.
        fn takes(&mut self, name: &str, took: Duration) -> bool {
            self.time.advance(ms(1));
            let now = self.time.clock().now();
            self.usual
                .compare(&SpanKind::Internal, name, took, now)
                .is_some()
        }

        /// How many of so many were slower than usual.
        fn slower(&mut self, name: &str, took: Duration, times: usize) -> usize {
            (0..times).filter(|_| self.takes(name, took)).count()
        }
    }

    #[test]
    fn one_that_takes_120_times_as_long_as_usual_is_slower_and_usual_is_told() {
        let mut script = Script::new();
        assert_eq!(script.slower("load", ms(5), 200), 0);
        let now = script.time.clock().now();
        let usual = script
            .usual
            .compare(&SpanKind::Internal, "load", ms(600), now);
        let usual = usual.unwrap();
        assert!(usual >= ms(5) && usual <= ms(5).mul_f64(1.25), "{usual:?}");
        assert!(!script.takes("load", ms(5)), "and the next is as ever");
    }

    #[test]
    fn one_that_is_always_slow_is_not_slower() {
        let mut script = Script::new();
        assert_eq!(script.slower("index", ms(600), 2_000), 0);
        assert!(!script.takes("index", ms(5_000)));
        assert!(script.takes("index", ms(8_000)));
    }

    #[test]
    fn one_that_misses_its_cache_once_in_fifteen_times_is_not_slower() {
        let mut script = Script::new();
        let slower = (0..3_000)
            .filter(|n| script.takes("thumbnail", if n % 15 == 0 { ms(300) } else { ms(1) }))
            .count();
        assert_eq!(slower, 0);
    }

    #[test]
    fn a_new_level_is_slower_until_it_is_usual() {
        let mut script = Script::new();
        script.slower("save", ms(5), 5_000);
        let slower = script.slower("save", ms(200), 5_000);
        assert!((20..=51).contains(&slower), "{slower}");
        // Back at the old level it is learned again, and the same is slower again.
        script.slower("save", ms(5), 5_000);
        assert!(script.takes("save", ms(200)));
    }

    #[test]
    fn no_one_is_judged_before_there_is_a_past() {
        let mut script = Script::new();
        let known = usize::from(KNOWN_MIN);
        script.slower("open", ms(5), known - 1);
        assert!(!script.takes("open", ms(600)));
        assert!(script.takes("open", ms(600)));
        script.usual.forget();
        script.slower("open", ms(5), known - 1);
        assert!(!script.takes("open", ms(600)));
        // As after a restart.
        assert_eq!(Script::new().slower("open", ms(600), 1), 0);
    }

    #[test]
    fn what_is_hardly_longer_than_a_frame_is_not_slower() {
        let mut script = Script::new();
        script.slower("tick", Duration::from_micros(3), 200);
        assert!(!script.takes("tick", SHORTEST - Duration::from_nanos(1)));
        assert!(script.takes("tick", SHORTEST));
    }

    #[test]
    fn kinds_of_spans_have_a_past_each() {
        let mut script = Script::new();
        let now = script.time.clock().now();
        for _ in 0..200 {
            script
                .usual
                .compare(&SpanKind::Client, "open", ms(400), now);
            script.usual.compare(&SpanKind::Server, "open", ms(2), now);
        }
        let mut is_slower = |kind| script.usual.compare(&kind, "open", ms(400), now).is_some();
        assert!(!is_slower(SpanKind::Client));
        assert!(is_slower(SpanKind::Server));
    }

    #[test]
    fn a_flood_of_names_is_bounded_and_those_that_have_a_past_keep_it() {
        let mut script = Script::new();
        script.slower("load", ms(5), 200);
        for n in 0..50_000 {
            script.takes(&format!("page {n}"), ms(5));
        }
        assert_eq!(script.usual.names(), NAMES_MAX);
        assert_eq!(script.usual.pasts.len(), NAMES_MAX);
        assert!(script.takes("load", ms(600)));
        assert_eq!(script.usual.take_unjudged(), 0);
        assert!(!script.takes(&"x".repeat(NAME_LEN_MAX + 1), ms(5)));
        assert_eq!(script.usual.take_unjudged(), 1);
        assert_eq!(script.usual.names(), NAMES_MAX);
    }

    #[test]
    fn a_newcomer_at_the_bound_waits_until_a_name_was_not_seen_for_an_hour() {
        let mut script = Script::new();
        for n in 0..NAMES_MAX {
            script.slower(&format!("name {n}"), ms(5), usize::from(KNOWN_MIN));
        }
        assert_eq!(script.slower("new", ms(5), 100), 0);
        assert_eq!(script.usual.take_unjudged(), 100);
        assert_eq!(script.usual.take_unjudged(), 0);
        script.time.advance(FORGOTTEN_AFTER);
        script.slower("new", ms(5), 100);
        assert_eq!(script.usual.take_unjudged(), 0);
        assert!(script.takes("new", ms(600)));
        assert_eq!(script.usual.names(), NAMES_MAX);
    }

    #[test]
    fn a_name_takes_less_than_300_bytes() {
        const { assert!(size_of::<Past>() <= 256 + 48) }
    }
}
