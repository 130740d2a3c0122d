//! What took many times as long as usual is kept, though it is below every threshold.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use spanwire::telemetry::TailSampling;
use spanwire::testing::FakeClock;
use spanwire::timer::monitor;
use spanwire_testkit::receiver::text;
use spanwire_testkit::scrape::scrape;

use crate::fixture::{Fixture, SECOND, ms};

fn fixture(pairs: &[(&str, &str)]) -> Fixture {
    let tail = TailSampling::new().traces_per_second(0);
    Fixture::with_environment(&FakeClock::new(), tail, pairs)
}

impl Fixture {
    /// Spans of the operation, as the timer makes them: so many, a second after one another.
    fn operation(&self, name: &'static str, took: Duration, times: usize) {
        for _ in 0..times {
            let name_of_operation = KeyValue::new("spanwire.operation.name", name);
            self.start(name, None).with(name_of_operation).end(took);
            self.clock.advance(SECOND);
        }
    }

    /// The spans that arrived and say what is usual, with the milliseconds that they say.
    fn told(&self) -> Vec<(String, f64)> {
        let usual = |span: &Span| {
            let mut attributes = span.attributes.iter();
            let usual = attributes.find(|of| of.key == "spanwire.usual_duration")?;
            match usual.value.as_ref()?.value.as_ref()? {
                Value::DoubleValue(seconds) => Some(seconds * 1e3),
                other => panic!("{other:?}"),
            }
        };
        let spans = self.receiver.spans();
        let told = spans
            .iter()
            .filter_map(|span| Some((span.name.clone(), usual(span)?)));
        told.collect()
    }
}

#[test]
fn an_operation_of_120_times_its_usual_duration_is_kept_and_says_what_is_usual() {
    let fixture = fixture(&[]);
    fixture.operation("load", ms(5), 200);
    // Always slow, though not by its threshold.
    fixture.operation("index", ms(600), 200);
    fixture.operation("load", ms(600), 1);
    fixture.flush();
    assert_eq!(fixture.names(), ["load (slower_than_usual)"]);
    let told = fixture.told();
    let [(name, usual)] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(name, "load");
    assert!((5.0..=6.25).contains(usual), "{usual}");
    let counts = fixture.counts();
    assert_eq!(counts["traces_total kept slower_than_usual"], 1);
    assert_eq!(counts["traces_total dropped over_rate"], 400);
    assert!(!counts.contains_key("spans_unjudged_total"), "{counts:?}");
}

#[test]
fn a_span_within_a_trace_that_was_slower_than_usual_keeps_the_trace_and_tells_it_itself() {
    let fixture = fixture(&[]);
    let trace = |child| {
        let root = fixture.start("session", None);
        fixture.start("query", Some(&root.context())).end(child);
        root.end(ms(900));
        fixture.clock.advance(SECOND);
    };
    (0..100).for_each(|_| trace(ms(2)));
    trace(ms(300));
    fixture.flush();
    assert_eq!(fixture.names(), ["query", "session (slower_than_usual)"]);
    let told = fixture.told();
    assert!(
        matches!(&told[..], [(name, _)] if name == "query"),
        "{told:?}"
    );
}

#[test]
fn what_is_kept_for_another_reason_tells_what_is_usual_too() {
    let fixture = fixture(&[]);
    for took in [5; 100] {
        fixture.start("query", None).end(ms(took));
    }
    fixture.start("query", None).end(ms(2_000));
    fixture.flush();
    assert_eq!(fixture.names(), ["query (slow)"]);
    assert_eq!(fixture.told().len(), 1);
}

#[test]
fn a_new_level_is_learned_and_a_restart_begins_anew() {
    let before = fixture(&[]);
    before.operation("save", ms(5), 1_000);
    before.operation("save", ms(300), 200);
    before.flush();
    let kept = before.names().len();
    assert!((20..=51).contains(&kept), "{kept}");
    before.shutdown();
    let after = fixture(&[]);
    after.operation("save", ms(5), 1);
    after.operation("save", ms(300), 1);
    after.flush();
    assert_eq!(after.names(), [""; 0]);
}

#[test]
fn a_stall_of_everything_keeps_so_many_traces_a_minute_and_counts_the_rest() {
    let fixture = fixture(&[]);
    let names: Vec<&'static str> = (0..60).map(|n| &*format!("stalled {n}").leak()).collect();
    names
        .iter()
        .for_each(|name| fixture.operation(name, ms(5), 60));
    for name in &names {
        fixture.start(name, None).end(ms(300));
    }
    fixture.flush();
    let counts = fixture.counts();
    assert_eq!(counts["traces_total kept slower_than_usual"], 20);
    assert_eq!(counts["traces_total dropped slower_than_usual"], 40);
    assert_eq!(counts["spans_dropped_total slower_than_usual"], 40);
}

#[test]
fn the_timers_own_spans_are_judged_by_the_time_that_they_took() {
    let fixture = fixture(&[]);
    fixture.run(|| {
        for _ in 0..100 {
            monitor("draw").time(|| ());
        }
        monitor("draw").time(|| std::thread::sleep(ms(250)));
    });
    fixture.flush();
    // On a busy machine one of the others may be, too.
    let longest = fixture
        .receiver
        .spans()
        .into_iter()
        .max_by_key(|span| span.end_time_unix_nano - span.start_time_unix_nano);
    let longest = longest.unwrap();
    let text = |key| text(&longest.attributes, key);
    let reason = text("spanwire.sampling.reason");
    assert_eq!(reason.as_deref(), Some("slower_than_usual"));
    // Its threshold is another matter, and so is the counter that goes by it.
    let samples = scrape(fixture.telemetry.prometheus_addr().unwrap());
    let slow = samples
        .iter()
        .find(|sample| sample.name == "spanwire_operation_slow_total");
    assert_eq!(slow.map(|sample| sample.value), Some(0.0));
}

#[test]
fn the_factor_comes_from_the_builder_or_else_from_the_environment() {
    let strict = || TailSampling::new().traces_per_second(0);
    let variable = |factor| [("SPANWIRE_SLOW_FACTOR", factor)];
    for (environment, tail, kept) in [
        (variable("10"), strict(), 1),
        (variable("200"), strict(), 0),
        (variable("0"), strict(), 0),
        (variable("0"), strict().slow_factor(50), 1),
        (variable("2"), strict().slow_factor(0), 0),
        // A threshold by name says enough.
        (variable("2"), strict().slow_after("load", ms(700)), 0),
    ] {
        let fixture = Fixture::with_environment(&FakeClock::new(), tail, &environment);
        fixture.operation("load", ms(5), 100);
        fixture.operation("load", ms(600), 1);
        fixture.flush();
        assert_eq!(fixture.names().len(), kept, "{environment:?}");
    }
}

#[test]
fn names_beyond_the_bound_are_not_judged_and_counted() {
    let fixture = fixture(&[]);
    for n in 0..1_000 {
        let name: &'static str = format!("name {n}").leak();
        for _ in 0..50 {
            fixture.start(name, None).end(ms(5));
        }
    }
    for _ in 0..100 {
        fixture.start("one more", None).end(ms(5));
    }
    fixture.start("one more", None).end(ms(600));
    fixture.start("name 7", None).end(ms(600));
    fixture.flush();
    assert_eq!(fixture.names(), ["name 7 (slower_than_usual)"]);
    assert_eq!(fixture.counts()["spans_unjudged_total"], 101);
}
