//! Scripts over the core; `model` has any interleaving of what can happen to it.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::clock::{Clock, FakeTime};
use crate::telemetry::sampling::failures::Failure;

const BOUNDS: Bounds = Bounds {
    spans_held_max: 6,
    traces_held_max: 4,
    spans_per_trace_max: 4,
    kept_min: 2,
    hold_max: Duration::from_secs(30),
    late_wait: Duration::from_millis(100),
    failures_per_minute: u32::MAX,
    slower_per_minute: 2,
};

fn failed(name: &str) -> SpanClass {
    SpanClass::Failed(Failure::of(name, None))
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn id(name: &str) -> TraceId {
    u128::from(name.as_bytes()[0]).into()
}

/// Plays a line each: `+5 end a failed` is five milliseconds later. A trace is a letter, and its
/// spans are numbered as they end; each trace begins with a span that is slow after 100 ms, and the
/// first span to begin is the root, which `end a root` ends.
fn check(rate: u32, script: &str, expected: Expect) {
    let time = FakeTime::start();
    let clock = time.clock();
    let began = clock.now();
    let mut traces = Traces::new(BOUNDS, rate);
    let mut numbers: HashMap<String, u32> = HashMap::new();
    let mut text = String::new();
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let mut words = line.split(' ').peekable();
        if let Some(later) = words.next_if(|word| word.starts_with('+')) {
            time.advance(ms(later.trim_start_matches('+').parse().unwrap()));
        }
        let now = clock.now();
        let (verb, name) = (words.next().unwrap(), words.next().unwrap_or_default());
        let how = words.next().unwrap_or_default();
        let mut out = Few::new();
        let mut told = String::new();
        match verb {
            "begin" => {
                if !traces.begin(id(name), ms(100), now, &mut out) {
                    told = format!("{name} is not recorded");
                }
            }
            "join" => told = format!("{name} joins: {:?}", traces.join(id(name))),
            "end" => {
                let number = numbers.entry(name.to_owned()).or_default();
                *number += 1;
                let span = format!("{name}{number}");
                let class = match how {
                    "failed" => failed("save"),
                    "slow" => SpanClass::Slow,
                    "startup" => SpanClass::Startup,
                    "slower" => SpanClass::SlowerThanUsual,
                    _ => SpanClass::Fine,
                };
                match traces.end(id(name), class, how == "root", span, now, &mut out) {
                    EndedSpan::Held => {}
                    fate => told = format!("{fate:?}"),
                }
            }
            "sweep" | "flush" => {
                let wait = if verb == "flush" {
                    Wait::Over
                } else {
                    Wait::Late
                };
                let room = Room {
                    free: name.parse().unwrap_or(usize::MAX),
                    is_empty: how == "empty",
                };
                let left = traces.sweep(now, wait, room, 100, &mut out);
                if left != SweepResult::Nothing {
                    told = format!("{left:?}");
                }
            }
            "close" => out = traces.close(now),
            other => panic!("{other}"),
        }
        let at = now.since(began).as_millis();
        for Decision { fate, spans } in out {
            let spans: Vec<_> = spans.into_iter().collect();
            writeln!(text, "{at}ms {fate:?}: {}", spans.join(" ")).unwrap();
        }
        if !told.is_empty() {
            writeln!(text, "{at}ms {told}").unwrap();
        }
    }
    let held = (traces.traces_held(), traces.spans_held());
    writeln!(text, "holds {held:?}, {:?}", traces.take_counts()).unwrap();
    expected.assert_eq(&text);
}

#[test]
fn a_complete_trace_waits_for_late_spans_and_a_new_one_reopens_it() {
    check(
        1,
        "begin a
         join a
         +10 end a
         end a root
         +99 sweep
         join a
         +500 sweep
         end a
         +99 sweep
         +1 sweep",
        expect![[r#"
            0ms a joins: Held
            109ms a joins: Held
            709ms Kept(Rate): a1 a2 a3
            holds (0, 0), Counts { kept: [0, 0, 0, 0, 1], dropped: [0, 0, 0, 0, 0], early: [0, 0, 0, 0], lost: [0, 0, 0, 0, 0] }
        "#]],
    );
}

#[test]
fn what_failed_or_was_slow_is_kept_and_the_rest_by_rate() {
    check(
        1,
        "begin a
         end a failed
         begin b
         join b
         end b slow
         end b failed
         begin c
         end c slow
         begin d
         end d
         +100 sweep
         begin e
         end e
         +100 sweep
         begin z
         end z startup
         +100 sweep",
        expect![[r#"
            0ms b joins: Held
            100ms Kept(Error): a1
            100ms Kept(Error): b1 b2
            100ms Kept(Slow): c1
            100ms Kept(Rate): d1
            200ms Dropped: e1
            300ms Kept(Startup): z1
            holds (0, 0), Counts { kept: [2, 1, 0, 1, 1], dropped: [1, 0, 0, 0, 0], early: [0, 0, 0, 0], lost: [1, 0, 0, 0, 0] }
        "#]],
    );
}

#[test]
fn what_was_slower_than_usual_is_kept_up_to_so_many_a_minute_and_then_by_rate() {
    check(
        1,
        "begin a
         end a slower
         begin b
         end b slower
         begin c
         join c
         end c slower
         end c slow
         begin d
         end d slower
         begin e
         end e slower
         +100 sweep
         +29900 begin f
         end f slower
         +100 sweep",
        expect![[r#"
            0ms c joins: Held
            0ms Kept(SlowerThanUsual): a1
            100ms Kept(SlowerThanUsual): b1
            100ms Kept(Slow): c1 c2
            100ms Kept(Rate): d1
            100ms Dropped: e1
            30100ms Kept(SlowerThanUsual): f1
            holds (0, 0), Counts { kept: [0, 1, 3, 0, 1], dropped: [0, 0, 1, 0, 0], early: [0, 0, 0, 0], lost: [0, 0, 1, 0, 0] }
        "#]],
    );
}

#[test]
fn late_spans_follow_the_decision_as_long_as_it_is_remembered() {
    check(
        0,
        "begin a
         end a failed
         begin b
         end b
         +100 sweep
         join a
         join b
         end a
         end b failed
         begin c
         end c
         begin d
         end d
         begin e
         end e
         +100 sweep
         end a failed
         begin c
         end c failed
         begin d
         end d failed
         begin e
         end e failed
         begin f
         end f failed
         +100 sweep
         end a failed
         join a",
        expect![[r#"
            100ms Kept(Error): a1
            100ms Dropped: b1
            100ms a joins: Kept
            100ms b joins: Dropped
            100ms PassedOn(Error, "a2")
            100ms Dropped("b2")
            200ms Dropped: c1
            200ms Dropped: d1
            200ms Dropped: e1
            200ms PassedOn(Error, "a3")
            300ms Kept(Error): c2
            300ms Kept(Error): d2
            300ms Kept(Error): e2
            300ms Kept(Error): f1
            300ms Dropped("a4")
            300ms a joins: Dropped
            holds (0, 0), Counts { kept: [5, 0, 0, 0, 0], dropped: [4, 0, 0, 0, 0], early: [0, 0, 0, 0], lost: [4, 0, 0, 0, 2] }
        "#]],
    );
}

#[test]
fn what_is_asked_for_again_and_again_is_not_forgotten() {
    let clock = FakeTime::start().clock();
    let now = clock.now();
    let mut traces = Traces::<&str>::new(BOUNDS, 1);
    let mut out = Few::new();
    let long = id("z");
    assert!(traces.begin(long, ms(100), now, &mut out));
    assert_eq!(traces.join(long), JoinResult::Held);
    let fate = traces.end(long, failed("save"), false, "failed", now, &mut out);
    assert_eq!(fate, EndedSpan::Held);
    // Four others more, and the first to begin has to go.
    for other in 1..=20_u128 {
        let id = other.into();
        traces.begin(id, ms(100), now, &mut out);
        assert_eq!(traces.join(id), JoinResult::Held);
        // It is kept as well, since a trace that is dropped takes no place.
        traces.end(id, failed("save"), false, "failed", now, &mut out);
        if other >= 4 {
            assert_eq!(traces.join(long), JoinResult::Kept, "after {other}");
        }
    }
}

#[test]
fn one_trace_more_decides_the_first_that_is_complete_or_else_the_first() {
    check(
        0,
        "begin a
         begin b
         begin c
         begin d
         join b
         end c
         end b
         end b
         begin e
         begin f
         begin g
         +100 begin h",
        expect![[r#"
            0ms b joins: Held
            0ms Dropped: c1
            0ms Dropped: b1 b2
            0ms Dropped: 
            100ms Kept(Slow): 
            holds (4, 0), Counts { kept: [0, 1, 0, 0, 0], dropped: [3, 0, 0, 0, 0], early: [2, 0, 0, 0], lost: [3, 0, 0, 0, 0] }
        "#]],
    );
}

#[test]
fn one_span_more_decides_the_first_that_is_complete_or_else_who_holds_one_the_longest() {
    check(
        0,
        "begin a
         begin b
         join b
         join b
         join b
         begin c
         join c
         join c
         end b
         end b
         end c
         end c
         end c
         begin d
         join d
         end d
         end d
         end b
         begin e
         join e
         end e
         end a",
        expect![[r#"
            0ms b joins: Held
            0ms b joins: Held
            0ms b joins: Held
            0ms c joins: Held
            0ms c joins: Held
            0ms d joins: Held
            0ms Dropped: c1 c2 c3
            0ms e joins: Held
            0ms Dropped: d1 d2
            holds (3, 5), Counts { kept: [0, 0, 0, 0, 0], dropped: [2, 0, 0, 0, 0], early: [0, 0, 0, 0], lost: [5, 0, 0, 0, 0] }
        "#]],
    );
}

#[test]
fn a_trace_beyond_its_bound_keeps_what_failed_was_slow_or_is_the_root() {
    check(
        0,
        "begin a
         join a
         join a
         join a
         join a
         join a
         join a
         end a
         end a
         end a
         end a
         end a
         end a failed
         end a root
         +100 sweep",
        expect![[r#"
            0ms a joins: Held
            0ms a joins: Held
            0ms a joins: Held
            0ms a joins: Held
            0ms a joins: Held
            0ms a joins: Held
            0ms Dropped("a5")
            100ms Kept(Error): a1 a2 a3 a4 a6 a7
            holds (0, 0), Counts { kept: [1, 0, 0, 0, 0], dropped: [0, 0, 0, 0, 0], early: [0, 0, 0, 0], lost: [0, 0, 0, 1, 0] }
        "#]],
    );
}

#[test]
fn a_span_whose_own_trace_had_to_go_follows_it() {
    check(
        0,
        "begin a
         join a
         join a
         join a
         join a
         join a
         join a
         end a slow
         end a slow
         end a slow
         end a slow
         end a slow
         end a slow
         end a failed",
        expect![[r#"
            0ms a joins: Held
            0ms a joins: Held
            0ms a joins: Held
            0ms a joins: Held
            0ms a joins: Held
            0ms a joins: Held
            0ms Kept(Error): a1 a2 a3 a4 a5 a6
            0ms PassedOn(Error, "a7")
            holds (0, 0), Counts { kept: [1, 0, 0, 0, 0], dropped: [0, 0, 0, 0, 0], early: [0, 1, 0, 0], lost: [0, 0, 0, 0, 0] }
        "#]],
    );
}

#[test]
fn what_is_held_too_long_is_decided_and_open_longer_than_its_threshold_it_is_slow() {
    check(
        0,
        "begin a
         join a
         end a
         +29999 sweep
         +1 sweep
         end a root",
        expect![[r#"
            0ms a joins: Held
            30000ms Kept(Slow): a1
            30000ms PassedOn(Slow, "a2")
            holds (0, 0), Counts { kept: [0, 1, 0, 0, 0], dropped: [0, 0, 0, 0, 0], early: [0, 0, 1, 0], lost: [0, 0, 0, 0, 0] }
        "#]],
    );
}

#[test]
fn without_room_what_is_complete_waits_but_not_longer_than_it_may() {
    check(
        9,
        "begin a
         join a
         end a
         end a
         begin b
         end b
         +100 sweep 1
         sweep 2
         sweep 1
         begin c
         join c
         end c
         end c
         +100 sweep 1
         sweep 1 empty
         begin d
         join d
         end d
         end d
         +30000 sweep 1",
        expect![[r#"
            0ms a joins: Held
            100ms Stalled
            100ms Kept(Rate): a1 a2
            100ms Stalled
            100ms Kept(Rate): b1
            100ms c joins: Held
            200ms Stalled
            200ms Kept(Rate): c1 c2
            200ms d joins: Held
            30200ms Kept(Rate): d1 d2
            30200ms Stalled
            holds (0, 0), Counts { kept: [0, 0, 0, 0, 4], dropped: [0, 0, 0, 0, 0], early: [0, 0, 0, 0], lost: [0, 0, 0, 0, 0] }
        "#]],
    );
}

#[test]
fn a_flush_does_not_wait_for_late_spans_and_a_close_for_none_at_all() {
    check(
        9,
        "begin a
         end a
         begin b
         join b
         end b
         flush
         close
         end b
         begin c
         end c",
        expect![[r#"
            0ms b joins: Held
            0ms Kept(Rate): a1
            0ms Kept(Rate): b1
            0ms PassedOn(Rate, "b2")
            0ms c is not recorded
            0ms Dropped("c1")
            holds (0, 0), Counts { kept: [0, 0, 0, 0, 2], dropped: [0, 0, 0, 0, 0], early: [0, 0, 0, 1], lost: [0, 0, 0, 0, 1] }
        "#]],
    );
}

mod model;
