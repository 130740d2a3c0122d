//! A shutdown while threads start and end spans.

use spanwire::telemetry::TailSampling;
use spanwire::testing::FakeClock;

use crate::fixture::{Fixture, ms};

/// Traces of two spans, of which the parent ends before and after its child.
fn work(fixture: &Fixture, traces: usize) {
    for n in 0..traces {
        let root = fixture.start("root", None);
        let child = fixture.start("child", Some(&root.context()));
        let (first, second) = if n % 2 == 0 {
            (root, child)
        } else {
            (child, root)
        };
        first.end(ms(1));
        if n % 7 == 3 {
            second.fail();
        } else {
            second.end(ms(1));
        }
    }
}

#[test]
fn a_shutdown_during_recording_loses_no_kept_span() {
    for round in 0..10 {
        let clock = FakeClock::new();
        let environment = [("OTEL_BSP_MAX_QUEUE_SIZE", "100000")];
        let fixture = Fixture::with_environment(&clock, TailSampling::new(), &environment);
        let report = std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| fixture.run(|| work(&fixture, 1_000)));
            }
            for _ in 0..round {
                fixture.clock.advance(ms(100));
                std::thread::yield_now();
            }
            fixture.shutdown()
        });
        let arrived: usize = fixture.received().values().map(Vec::len).sum();
        assert_eq!(report.spans.exported as usize, arrived);
        assert_eq!(report.spans.lost, 0, "{report}");
        // Nothing is held any more, whatever came after it.
        let again = fixture.shutdown();
        assert_eq!(again, report);
    }
}
