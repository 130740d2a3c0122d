//! Any interleaving, compared with a model.

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Begin(u64),
    Join(prop::sample::Index),
    End(prop::sample::Index, SpanClass, bool),
    Later(u64),
    Sweep(bool, usize, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let class = prop_oneof![
        8 => Just(SpanClass::Fine),
        1 => Just(SpanClass::Startup),
        1 => Just(SpanClass::SlowerThanUsual),
        1 => Just(SpanClass::Slow),
        1 => Just(failed("save")),
    ];
    prop_oneof![
        3 => prop_oneof![Just(20_u64), Just(100_000)].prop_map(Step::Begin),
        3 => any::<prop::sample::Index>().prop_map(Step::Join),
        6 => (any::<prop::sample::Index>(), class, any::<bool>())
            .prop_map(|(which, class, root)| Step::End(which, class, root)),
        2 => (0_u64..80).prop_map(Step::Later),
        2 => (any::<bool>(), 0_usize..6, any::<bool>())
            .prop_map(|(flush, room, empty)| Step::Sweep(flush, room, empty)),
    ]
}

fn bounds() -> impl Strategy<Value = Bounds> {
    (1_usize..8, 1_usize..6, 1_usize..5, 1_usize..40).prop_map(
        |(spans_held_max, traces_held_max, spans_per_trace_max, kept_min)| Bounds {
            spans_held_max,
            traces_held_max,
            spans_per_trace_max,
            kept_min,
            hold_max: ms(300),
            late_wait: ms(30),
            failures_per_minute: u32::MAX,
            slower_per_minute: u32::MAX,
        },
    )
}

/// What a trace must come to, by itself.
#[derive(Debug)]
struct Expected {
    id: TraceId,
    slow_at: Stamp,
    /// Recorded spans that did not end.
    open: u32,
    worst: SpanClass,
    decided: Option<Fate>,
}

/// A span by its number, and what it said of its trace, by that one's.
type Span = (usize, usize, SpanClass);

struct Model {
    clock: Clock,
    bounds: Bounds,
    traces: Traces<Span>,
    expected: Vec<Expected>,
    ended: usize,
    exported: Vec<Span>,
    dropped: Vec<Span>,
    counts: Counts,
    early: u64,
}

impl Model {
    fn apply(&mut self, step: &Step) {
        let now = self.clock.now();
        let mut out = Few::new();
        let mut ending = None;
        match step {
            Step::Begin(slow_after) => {
                let id = TraceId::from(self.expected.len() as u128 + 1);
                assert!(self.traces.begin(id, ms(*slow_after), now, &mut out));
                self.settle(out, None);
                self.expected.push(Expected {
                    id,
                    slow_at: now.plus(ms(*slow_after)),
                    open: 1,
                    worst: SpanClass::Fine,
                    decided: None,
                });
                return;
            }
            Step::Join(which) => {
                if self.expected.is_empty() {
                    return;
                }
                let expected = which.get_mut(&mut self.expected);
                match (self.traces.join(expected.id), expected.decided) {
                    (JoinResult::Held, None) => expected.open += 1,
                    (JoinResult::Kept, Some(Fate::Kept(_))) | (JoinResult::Dropped, Some(_)) => {}
                    unexpected => panic!("{unexpected:?}"),
                }
            }
            Step::End(which, class, is_root) => {
                let open: Vec<usize> = (0..self.expected.len())
                    .filter(|trace| self.expected[*trace].open > 0)
                    .collect();
                if open.is_empty() {
                    return;
                }
                let trace = *which.get(&open);
                let expected = &mut self.expected[trace];
                if expected.decided.is_none() {
                    expected.worst = expected.worst.max(*class);
                }
                let (id, span) = (expected.id, (self.ended, trace, *class));
                self.ended += 1;
                let fate = self.traces.end(id, *class, *is_root, span, now, &mut out);
                ending = Some((trace, fate));
            }
            Step::Later(_) => {}
            Step::Sweep(flush, free, is_empty) => {
                let wait = if *flush { Wait::Over } else { Wait::Late };
                let room = Room {
                    free: *free,
                    is_empty: *is_empty,
                };
                self.traces.sweep(now, wait, room, 10, &mut out);
                self.settle(out, None);
                return;
            }
        }
        self.settle(out, ending);
    }

    /// Compares what came out with what must have.
    fn settle(&mut self, out: Few<Decision<Span>>, ending: Option<(usize, EndedSpan<Span>)>) {
        let now = self.clock.now();
        let mut decisions = out.len();
        for Decision { fate, spans } in out {
            let spans: Vec<_> = spans.into_iter().collect();
            for span in &spans {
                assert_eq!(span.1, spans[0].1, "of one trace");
            }
            match fate {
                Fate::Kept(_) => self.exported.extend(spans),
                Fate::Dropped => self.dropped.extend(spans),
            }
        }
        for expected in &mut self.expected {
            let is_held = self.traces.held.contains_key(&expected.id);
            match (is_held, expected.decided) {
                (true, None) | (false, Some(_)) => continue,
                (true, Some(_)) => panic!("decided and held: {expected:?}"),
                (false, None) => {}
            }
            decisions -= 1;
            // The youngest are remembered; more than fit may have been decided at once.
            let fate = self.traces.kept.get(expected.id).map(Fate::Kept);
            let is_early = expected.open > 0;
            self.early += u64::from(is_early);
            let kept = match expected.worst {
                SpanClass::Failed(_) => Some(KeepReason::Error),
                SpanClass::Slow => Some(KeepReason::Slow),
                SpanClass::Startup => Some(KeepReason::Startup),
                _ if is_early && now >= expected.slow_at => Some(KeepReason::Slow),
                SpanClass::SlowerThanUsual => Some(KeepReason::SlowerThanUsual),
                SpanClass::Fine => None,
            };
            if let (Some(reason), Some(fate)) = (kept, fate) {
                assert_eq!(fate, Fate::Kept(reason), "{expected:?}");
            } else if let Some(Fate::Kept(reason)) = fate {
                assert_eq!(reason, KeepReason::Rate, "{expected:?}");
            }
            expected.decided = Some(fate.or(kept.map(Fate::Kept)).unwrap_or(Fate::Dropped));
        }
        assert_eq!(decisions, 0, "each decision is of a trace that was held");
        if let Some((trace, fate)) = ending {
            let expected = &mut self.expected[trace];
            expected.open -= 1;
            match (fate, expected.decided) {
                (EndedSpan::Held, None) => {}
                (EndedSpan::PassedOn(reason, span), Some(Fate::Kept(kept))) => {
                    assert_eq!(reason, kept);
                    self.exported.push(span);
                }
                (EndedSpan::Dropped(span), decided) => {
                    // Late, or one of too many of a trace that is held.
                    assert!(decided.is_some() || span.2 == SpanClass::Fine);
                    self.dropped.push(span);
                }
                unexpected => panic!("{unexpected:?}"),
            }
        }
        assert!(self.traces.traces_held() <= self.bounds.traces_held_max);
        assert!(self.traces.spans_held() <= self.bounds.spans_held_max);
        let Counts {
            kept,
            dropped,
            early,
            lost,
        } = self.traces.take_counts();
        for (all, more) in self.counts.dropped.iter_mut().zip(dropped) {
            *all += more;
        }
        for (sum, count) in [
            (&mut self.counts.kept[..], &kept[..]),
            (&mut self.counts.early[..], &early[..]),
            (&mut self.counts.lost[..], &lost[..]),
        ] {
            sum.iter_mut()
                .zip(count)
                .for_each(|(sum, count)| *sum += count);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_interleaving_gives_one_decision_per_trace_and_one_end_per_span(
        bounds in bounds(),
        rate in 0_u32..4,
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let time = FakeTime::start();
        let mut model = Model {
            clock: time.clock(),
            bounds,
            traces: Traces::new(bounds, rate),
            expected: Vec::new(),
            ended: 0,
            exported: Vec::new(),
            dropped: Vec::new(),
            counts: Counts::default(),
            early: 0,
        };
        let began = model.clock.now();
        for step in &steps {
            if let Step::Later(by) = step {
                time.advance(ms(*by));
            }
            model.apply(step);
        }
        let now = model.clock.now();
        let last = model.traces.close(now);
        model.settle(last, None);

        // One decision for each trace, and nothing is held any more.
        let begun = model.expected.len() as u64;
        let kept = model.counts.kept.iter().sum::<u64>();
        let dropped = model.counts.dropped.iter().sum::<u64>();
        prop_assert_eq!(kept + dropped, begun);
        prop_assert!(model.expected.iter().all(|expected| expected.decided.is_some()));
        prop_assert_eq!((model.traces.traces_held(), model.traces.spans_held()), (0, 0));
        prop_assert_eq!(model.traces.free.len(), model.traces.slots.len());
        for order in [&model.traces.begun, &model.traces.holding, &model.traces.complete] {
            prop_assert!(order.slots().is_empty());
        }

        // One end for each span, and each loss is counted.
        let mut ends: Vec<usize> =
            model.exported.iter().chain(&model.dropped).map(|span| span.0).collect();
        ends.sort_unstable();
        prop_assert_eq!(ends, (0..model.ended).collect::<Vec<_>>());
        prop_assert_eq!(model.counts.lost.iter().sum::<u64>(), model.dropped.len() as u64);
        prop_assert_eq!(model.counts.early.iter().sum::<u64>(), model.early);

        // What was known to have failed or to be slow when it was decided was kept.
        let kept = |reason| model.expected.iter()
            .filter(|expected| expected.worst >= reason)
            .all(|expected| matches!(expected.decided, Some(Fate::Kept(_))));
        prop_assert!(kept(SpanClass::Slow));
        let most = f64::from(rate) * (1.0 + now.since(began).as_secs_f64());
        let by_rate = model.counts.kept[KeepReason::Rate as usize];
        prop_assert!(by_rate as f64 <= most.ceil());
    }

    #[test]
    fn within_the_bounds_every_trace_that_failed_or_was_slow_is_kept_whole(
        rate in 0_u32..2,
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let bounds = Bounds {
            spans_held_max: 1_000,
            traces_held_max: 1_000,
            spans_per_trace_max: 1_000,
            kept_min: 1_000,
            hold_max: Duration::from_secs(3_600),
            late_wait: ms(30),
            failures_per_minute: u32::MAX,
            slower_per_minute: u32::MAX,
        };
        let time = FakeTime::start();
        let mut traces = Traces::new(bounds, rate);
        let mut out = Few::new();
        // Every span that is open, by its trace; a trace is left alone once it is complete.
        let mut open: Vec<usize> = Vec::new();
        let mut worst: Vec<SpanClass> = Vec::new();
        let mut ended = 0;
        let id = |trace: usize| TraceId::from(trace as u128 + 1);
        for step in steps {
            let now = time.clock().now();
            match step {
                Step::Begin(_) => {
                    traces.begin(id(worst.len()), ms(100_000), now, &mut out);
                    open.push(worst.len());
                    worst.push(SpanClass::Fine);
                }
                Step::Join(which) if !open.is_empty() => {
                    let trace = *which.get(&open);
                    prop_assert_eq!(traces.join(id(trace)), JoinResult::Held);
                    open.push(trace);
                }
                Step::End(which, class, root) if !open.is_empty() => {
                    let trace = open.remove(which.index(open.len()));
                    worst[trace] = worst[trace].max(class);
                    let span = (ended, trace, class);
                    let fate = traces.end(id(trace), class, root, span, now, &mut out);
                    prop_assert_eq!(fate, EndedSpan::Held);
                    ended += 1;
                }
                Step::Later(by) => time.advance(ms(by)),
                Step::Sweep(..) => {
                    let room = Room { free: usize::MAX, is_empty: true };
                    let left = traces.sweep(now, Wait::Late, room, usize::MAX, &mut out);
                    prop_assert_eq!(left, SweepResult::Nothing);
                }
                Step::Join(_) | Step::End(..) => {}
            }
        }
        let mut out: Vec<_> = out.into_iter().collect();
        out.extend(traces.close(time.clock().now()));
        prop_assert_eq!(out.len(), worst.len());
        let spans: usize = out.iter().map(|decision| decision.spans.len()).sum();
        prop_assert_eq!(spans, ended);
        for Decision { fate, spans } in out {
            let Some((_, trace, _)) = spans.into_iter().next() else { continue };
            let expected = match worst[trace] {
                SpanClass::Failed(_) => Fate::Kept(KeepReason::Error),
                SpanClass::Slow => Fate::Kept(KeepReason::Slow),
                SpanClass::Startup => Fate::Kept(KeepReason::Startup),
                SpanClass::SlowerThanUsual => Fate::Kept(KeepReason::SlowerThanUsual),
                SpanClass::Fine => {
                    prop_assert!(matches!(fate, Fate::Kept(KeepReason::Rate) | Fate::Dropped));
                    continue;
                }
            };
            prop_assert_eq!(fate, expected);
        }
    }
}
