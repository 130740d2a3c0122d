//! 10,000 traces, of which 37 fail and 53 are slow.

use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;

use opentelemetry::trace::TraceId;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use spanwire::ipc::{Call, Ipc};
use spanwire::telemetry::TailSampling;
use spanwire::testing::{Capture, FakeClock};

use crate::fixture::{Fixture, Open, SECOND, ms};
use spanwire_testkit::receiver::text;
use spanwire_testkit::stamped_page::StampedPage;

const TRACES: usize = 10_000;
const FAILED: usize = 37;
const SLOW: usize = 53;

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Fine,
    Failed,
    Slow,
}

/// Spread over all traces, and each as often as it should.
fn fate(trace: usize) -> Fate {
    match (trace % 270, trace % 188) {
        (135, _) if trace / 270 < FAILED => Fate::Failed,
        (_, 94) if trace / 188 < SLOW => Fate::Slow,
        _ => Fate::Fine,
    }
}

#[test]
fn the_made_up_traces_fail_and_are_slow_as_often_as_stated() {
    let count = |fates| (0..TRACES).filter(|trace| fate(*trace) == fates).count();
    assert_eq!((count(Fate::Failed), count(Fate::Slow)), (FAILED, SLOW));
}

/// Holds the counts against each other and against what arrived.
fn settle(fixture: &Fixture, failed: &HashSet<TraceId>, slow: &HashSet<TraceId>, spans: usize) {
    fixture.flush();
    let counts = fixture.counts();
    let received = fixture.received();
    let count = |name: &str| counts.get(name).copied().unwrap_or_default() as usize;
    assert_eq!((failed.len(), slow.len()), (FAILED, SLOW));
    assert_eq!(count("traces_total kept error"), FAILED);
    assert_eq!(count("traces_total kept slow"), SLOW);
    let by_rate = count("traces_total kept rate");
    let dropped = count("traces_total dropped over_rate");
    assert_eq!(FAILED + SLOW + by_rate + dropped, TRACES);

    // All of the 90, and of the rest no more than the rate.
    let reason = |id: &TraceId| {
        let spans = received.get(id)?;
        spans
            .iter()
            .find_map(|span| text(&span.attributes, "spanwire.sampling.reason"))
    };
    assert!(
        failed
            .iter()
            .all(|id| reason(id).as_deref() == Some("error"))
    );
    assert!(slow.iter().all(|id| reason(id).as_deref() == Some("slow")));
    assert_eq!(received.len(), FAILED + SLOW + by_rate);
    let seconds = fixture.clock.now().as_nanos() as f64 / 1e9;
    assert!(
        by_rate as f64 <= 10.0 * (1.0 + seconds),
        "{by_rate} in {seconds} s"
    );
    assert!(by_rate >= 10, "{by_rate}");

    // Each span is where it should be, and no bound was near.
    let arrived: usize = received.values().map(Vec::len).sum();
    assert_eq!(arrived + count("spans_dropped_total over_rate"), spans);
    for bound in ["traces_full", "spans_full", "hold_time", "shutdown"] {
        assert_eq!(count(&format!("early_total {bound}")), 0, "{bound}");
    }
    assert_eq!(count("spans_dropped_total trace_full"), 0);
    assert_eq!(count("spans_dropped_total late"), 0);
    assert_eq!((count("traces_held"), count("spans_held")), (0, 0));
    let report = fixture.shutdown();
    assert_eq!(report.spans.exported as usize, arrived);
    assert_eq!((report.spans.dropped, report.spans.lost), (0, 0));
}

/// A trace of three spans, of which the last is the root.
struct Trace {
    fate: Fate,
    root: Open,
    child: Open,
    grandchild: Open,
}

impl Trace {
    fn start(fixture: &Fixture, fate: Fate) -> Self {
        let root = fixture.start("root", None);
        let child = fixture.start("child", Some(&root.context()));
        let grandchild = fixture.start("grandchild", Some(&child.context()));
        Self {
            fate,
            root,
            child,
            grandchild,
        }
    }

    fn end(self) {
        match self.fate {
            Fate::Fine => self.grandchild.end(ms(1)),
            Fate::Failed => self.grandchild.fail(),
            Fate::Slow => self.grandchild.end(SECOND),
        }
        self.child.end(ms(1));
        self.root.end(ms(1));
    }
}

/// Those of the traces that must be kept.
#[derive(Default)]
struct Wanted {
    failed: HashSet<TraceId>,
    slow: HashSet<TraceId>,
}

impl Wanted {
    fn note(&mut self, fate: Fate, id: TraceId) {
        match fate {
            Fate::Fine => false,
            Fate::Failed => self.failed.insert(id),
            Fate::Slow => self.slow.insert(id),
        };
    }
}

#[test]
fn failed_and_slow_traces_are_kept_and_others_within_the_rate() {
    let fixture = Fixture::new(&FakeClock::new(), TailSampling::new());
    let mut wanted = Wanted::default();
    // Fifty are open at any time, and a thousand begin in a second.
    let mut open = VecDeque::new();
    for trace in 0..TRACES {
        fixture.clock.advance(ms(1));
        let trace = Trace::start(&fixture, fate(trace));
        wanted.note(trace.fate, trace.root.trace());
        open.push_back(trace);
        if open.len() > 50 {
            open.pop_front().unwrap().end();
        }
        if wanted.failed.len() % 10 == 9 {
            let counts = fixture.counts();
            // Those that are open and those that wait for a tenth of a second.
            assert!(counts["traces_held"] <= 160, "{counts:?}");
            assert!(counts["spans_held"] <= 3 * 160, "{counts:?}");
        }
    }
    open.into_iter().for_each(Trace::end);
    settle(&fixture, &wanted.failed, &wanted.slow, 3 * TRACES);
}

#[test]
fn traces_from_many_threads_are_kept_by_the_same_rules() {
    const THREADS: usize = 4;
    let fixture = Fixture::new(&FakeClock::new(), TailSampling::new());
    let wanted = Mutex::new(Wanted::default());
    let (fixture, all) = (&fixture, &wanted);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                for trace in (thread..TRACES).step_by(THREADS) {
                    fixture.clock.advance(ms(1));
                    let fate = fate(trace);
                    let trace = Trace::start(fixture, fate);
                    all.lock().unwrap().note(fate, trace.root.trace());
                    // Another thread ends what this one began.
                    if trace.fate == Fate::Fine {
                        trace.end();
                    } else {
                        scope.spawn(move || trace.end());
                    }
                }
            });
        }
    });
    let Wanted { failed, slow } = wanted.into_inner().unwrap();
    settle(fixture, &failed, &slow, 3 * TRACES);
}

#[test]
fn traces_with_page_spans_are_kept_by_the_same_rules() {
    // Of the capture only the clock is used, which the page's stamps come from.
    let capture = Capture::new();
    // Handlers take real time, and on a busy machine one of them longer than usual.
    let fixture = Fixture::new(capture.clock(), TailSampling::new().slow_factor(0));
    let mut most_held = 0;
    let made = fixture.run(|| {
        let ipc = Ipc::builder("main")
            .tracer_provider(fixture.parts.tracer_provider.as_ref().unwrap())
            .build();
        ipc.on("fine", |_: &Call| ()).unwrap();
        ipc.on("bad", |_: &Call| Err::<(), _>("no")).unwrap();
        ipc.on("slow", |_: &Call| ()).unwrap();
        let mut page = StampedPage::load(&capture, &ipc);
        // What the page did to be there is not one of the calls.
        fixture.clock.advance(SECOND);
        fixture.flush();
        let before = fixture.counts();
        let kept_before = before.get("traces_total kept rate").copied();
        let received = fixture.received();
        let begun = kept_before.unwrap_or_default() as usize;
        assert_eq!(begun, received.len(), "{before:?}");
        let calls = TRACES - begun;
        for trace in 0..calls {
            match fate(trace) {
                Fate::Fine => page.call(&ipc, "fine", None),
                Fate::Failed => page.call(&ipc, "bad", None),
                Fate::Slow => {
                    let call = page.call(&ipc, "slow", None);
                    page.wait(100);
                    call
                }
            };
            page.pump(&ipc);
            if trace % 100 == 0 {
                // Each takes some ten milliseconds, and then waits for a tenth of a second.
                let counts = fixture.counts();
                let held = |name: &str| counts.get(name).copied().unwrap_or_default();
                assert!(held("traces_held") <= 30, "{counts:?}");
                assert!(held("spans_held") <= 4 * 30, "{counts:?}");
                most_held = most_held.max(held("spans_held"));
            }
        }
        page.wait(100);
        // The page's call and its work on the reply, and the host's handler and its reply.
        4 * calls + received.values().map(Vec::len).sum::<usize>()
    });
    assert!(most_held > 0, "somebody looked while something was held");
    fixture.flush();
    // Each call is a trace, and its spans say what became of it.
    let received = fixture.received();
    let of = |name: &str, kind: SpanKind| -> HashSet<TraceId> {
        let has = |span: &&opentelemetry_proto::tonic::trace::v1::Span| {
            span.name == name && span.kind == i32::from(kind)
        };
        let traces = received
            .iter()
            .filter(|(_, spans)| spans.iter().find(has).is_some());
        traces.map(|(id, _)| *id).collect()
    };
    let (failed, slow) = (of("bad", SpanKind::Client), of("slow", SpanKind::Client));
    assert_eq!(failed, of("bad", SpanKind::Server));
    let spans: usize = received.values().map(Vec::len).sum();
    let from_page: usize = received
        .values()
        .flatten()
        .filter(|span| span.kind == i32::from(SpanKind::Client) || span.name.starts_with("process"))
        .count();
    assert!(2 * from_page >= spans - 2, "{from_page} of {spans}");
    settle(&fixture, &failed, &slow, made);
}
