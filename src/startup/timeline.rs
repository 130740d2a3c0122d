//! When which phase was reached: pure, time comes in and facts go out.

use std::time::Duration;

use super::phase::Phase;
use crate::clock::Stamp;

/// A start that did not come to its end a minute after the process began is over.
const LONGEST: Duration = Duration::from_secs(60);

/// What a page reaches; with the last of them the start is over.
const LAST: [Phase; 3] = [Phase::DomReady, Phase::FirstPaint, Phase::FirstCall];

#[derive(Debug)]
pub(super) struct Timeline {
    origin: Option<Origin>,
    reached: [Option<Stamp>; Phase::COUNT],
    /// The webview whose page is the first one.
    page: Option<u64>,
    /// There is an app that starts, and not a tool or a test that only installs telemetry.
    is_measured: bool,
    is_over: bool,
    trace: Trace,
}

/// The process was of that age at that time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Origin {
    at: Stamp,
    age: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trace {
    /// Not made yet.
    Owed,
    /// Made, being made, or given up.
    Done,
}

/// The phases that were reached, in the order of their time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reached {
    /// After how long each was reached.
    pub(super) phases: Vec<(Phase, Duration)>,
    origin: Origin,
}

impl Reached {
    /// How old the process is by then.
    pub(super) fn process_age(&self, now: Stamp) -> Duration {
        self.origin.until(now)
    }
}

impl Timeline {
    pub(super) const fn new() -> Self {
        Self {
            origin: None,
            reached: [None; Phase::COUNT],
            page: None,
            is_measured: false,
            is_over: false,
            trace: Trace::Owed,
        }
    }

    /// The first that is heard of the start. Where nothing tells how old the process is, it begins
    /// here.
    pub(super) fn begin(&mut self, now: Stamp, age: impl FnOnce() -> Option<Duration>) {
        self.origin.get_or_insert_with(|| Origin {
            at: now,
            // The timeline asks once, since on Linux the call reads two files.
            age: age().unwrap_or_default(),
        });
    }

    /// There is a start to measure.
    pub(super) fn measure(&mut self) {
        // A mark that comes after the end is no reason to measure a start.
        self.is_measured |= !self.is_over;
    }

    /// A phase was reached, if it was not before.
    pub(super) fn reach(&mut self, phase: Phase, at: Stamp) {
        if !self.is_over {
            self.reached[phase as usize].get_or_insert(at);
        }
    }

    /// A page of that webview is ready, and is its first one or not.
    pub(super) fn page_ready(&mut self, webview: u64, is_first: bool) {
        if self.page.is_none() && is_first {
            self.page = Some(webview);
        } else if self.is_page_of(webview) {
            self.conclude();
        }
    }

    /// Whether that webview has the first page.
    pub(super) fn is_page_of(&self, webview: u64) -> bool {
        self.page == Some(webview)
    }

    /// Nothing more is waited for.
    pub(super) fn conclude(&mut self) {
        // What was reached stays: the gauges and the trace are made from it.
        self.is_over = true;
    }

    /// The start is over when its time is up.
    pub(super) fn expire(&mut self, now: Stamp) {
        if self
            .origin
            .is_some_and(|origin| origin.until(now) >= LONGEST)
        {
            self.conclude();
        }
    }

    /// The start is over when the page reached all that it can.
    pub(super) fn end_if_complete(&mut self) {
        if LAST
            .iter()
            .all(|phase| self.reached[*phase as usize].is_some())
        {
            self.conclude();
        }
    }

    /// The phases that can still be reached, as bits.
    pub(super) fn awaited(&self) -> u16 {
        if self.is_over {
            return 0;
        }
        // A phase that was reached is not awaited any more, so a second mark costs one load.
        let open = |phase: &&Phase| self.reached[**phase as usize].is_none();
        Phase::ALL
            .iter()
            .filter(open)
            .fold(0, |bits, phase| bits | phase.bit())
    }

    /// What was reached so far, if there is a start to measure.
    pub(super) fn measured(&self) -> Option<Reached> {
        let origin = self.origin.filter(|_| self.is_measured)?;
        let mut phases: Vec<_> = Phase::ALL
            .iter()
            .filter_map(|phase| {
                let at = self.reached[*phase as usize]?;
                Some((*phase, origin.until(at)))
            })
            .collect();
        // Stable: what was reached at once stays in the order of the phases.
        phases.sort_by_key(|(_, after)| *after);
        Some(Reached { phases, origin })
    }

    /// What the trace is to be made of, once: when the start is over.
    pub(super) fn take_due(&mut self) -> Option<Reached> {
        if !self.is_over || self.trace == Trace::Done {
            return None;
        }
        // Marked before it is made, which is done without the lock: no other thread makes it, too.
        // `keep` takes the mark back.
        self.trace = Trace::Done;
        self.measured().filter(|reached| !reached.phases.is_empty())
    }

    /// The trace could not be made, since there is no tracer: it stays owed while the start may last.
    pub(super) fn keep(&mut self, now: Stamp) {
        if self
            .origin
            .is_some_and(|origin| origin.until(now) < LONGEST)
        {
            self.trace = Trace::Owed;
        }
    }
}

impl Origin {
    /// The time from the process's start until then; zero when that was before.
    fn until(self, at: Stamp) -> Duration {
        if at >= self.at {
            self.age.saturating_add(at.since(self.at))
        } else {
            // A page's navigation, and a mark from another thread, may lie before the first look.
            self.age.saturating_sub(self.at.since(at))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ms(ms: u64) -> Stamp {
        Stamp::NONE.plus(Duration::from_millis(ms))
    }

    /// The process is two seconds old at 1,000 ms.
    fn begun() -> Timeline {
        let mut timeline = Timeline::new();
        timeline.begin(ms(1_000), || Some(2 * SECOND));
        timeline.measure();
        timeline
    }

    /// The phases and their times in milliseconds.
    fn phases(reached: Option<Reached>) -> Vec<(&'static str, u128)> {
        let reached = reached.map(|reached| reached.phases);
        let phases = reached.unwrap_or_default();
        phases
            .into_iter()
            .map(|(phase, after)| (phase.as_str(), after.as_millis()))
            .collect()
    }

    #[test]
    fn phases_are_counted_from_the_start_of_the_process_in_the_order_of_their_time() {
        let mut timeline = begun();
        timeline.reach(Phase::Window, ms(1_500));
        timeline.reach(Phase::FirstPaint, ms(1_700));
        timeline.reach(Phase::DomReady, ms(1_700));
        timeline.reach(Phase::Telemetry, ms(500));
        timeline.reach(Phase::Window, ms(1_600));
        assert_eq!(
            phases(timeline.measured()),
            [
                ("telemetry", 1_500),
                ("window", 2_500),
                ("dom_ready", 2_700),
                ("first_paint", 2_700)
            ]
        );
        assert_eq!(timeline.take_due(), None, "it is not over");
    }

    #[test]
    fn a_process_whose_age_is_unknown_begins_with_the_first_mark() {
        let mut timeline = Timeline::new();
        timeline.begin(ms(1_000), || None);
        timeline.begin(ms(2_000), || unreachable!("once"));
        timeline.measure();
        timeline.reach(Phase::Window, ms(1_500));
        assert_eq!(phases(timeline.measured()), [("window", 500)]);
    }

    #[test]
    fn a_start_is_over_with_the_last_of_the_pages_phases_and_its_trace_is_made_once() {
        let mut timeline = begun();
        for phase in [Phase::FirstCall, Phase::DomReady, Phase::FirstPaint] {
            timeline.end_if_complete();
            assert_ne!(timeline.awaited(), 0);
            assert_eq!(timeline.take_due(), None);
            timeline.reach(phase, ms(2_000));
        }
        timeline.end_if_complete();
        assert_eq!(timeline.awaited(), 0);
        timeline.reach(Phase::Window, ms(2_001));
        assert_eq!(phases(timeline.take_due()).len(), 3);
        assert_eq!(timeline.take_due(), None);
    }

    #[test]
    fn a_start_that_does_not_come_to_its_end_is_over_after_a_minute() {
        let mut timeline = begun();
        timeline.reach(Phase::Window, ms(1_500));
        timeline.expire(ms(58_999));
        assert_eq!(timeline.take_due(), None);
        timeline.expire(ms(59_000));
        assert_eq!(phases(timeline.take_due()), [("window", 2_500)]);
    }

    #[test]
    fn a_trace_without_a_tracer_stays_owed_until_the_minute_is_over() {
        let mut timeline = begun();
        timeline.reach(Phase::Window, ms(1_500));
        timeline.conclude();
        assert!(timeline.take_due().is_some());
        timeline.keep(ms(58_999));
        assert!(timeline.take_due().is_some());
        timeline.keep(ms(59_000));
        assert_eq!(timeline.take_due(), None);
    }

    #[test]
    fn what_every_process_reaches_is_no_start() {
        let mut timeline = Timeline::new();
        timeline.begin(ms(1_000), || None);
        timeline.reach(Phase::Telemetry, ms(1_500));
        assert_eq!(timeline.measured(), None);
        timeline.conclude();
        assert_eq!(timeline.take_due(), None);
        timeline.measure();
        assert_eq!(timeline.measured(), None, "it is over");
    }

    #[test]
    fn the_first_page_of_the_first_webview_counts_and_another_ends_the_start() {
        let mut timeline = begun();
        timeline.page_ready(7, false);
        assert!(!timeline.is_page_of(7), "its first page came too early");
        timeline.page_ready(7, true);
        timeline.page_ready(8, true);
        timeline.page_ready(8, false);
        assert!(timeline.is_page_of(7) && !timeline.is_page_of(8));
        assert_ne!(timeline.awaited(), 0);
        timeline.page_ready(7, false);
        assert_eq!(timeline.awaited(), 0);
    }
}
