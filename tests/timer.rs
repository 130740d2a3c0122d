//! Scoped operations, seen through what they emit.
//!
//! Operations are known by name in the whole process, so each test has names of its own, and tests
//! of process-wide settings run in a process of their own.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::error::Error;
use std::fmt;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use expect_test::{Expect, expect};
use opentelemetry::trace::TracerProvider;
use spanwire::testing::Capture;
use spanwire::timer::{
    CpuTime, ScopedTimer, monitor, operation, set_slow_threshold, set_slow_threshold_of,
};
use spanwire_testkit::child_process;
use tracing_subscriber::layer::SubscriberExt;

#[derive(Debug)]
struct LoadError(std::io::Error);

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot load the scene")
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn load_error() -> LoadError {
    LoadError(std::io::Error::other("disk on fire"))
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Runs `scenario` in a capture, with a function that lets time pass, and compares what it emits.
fn check(scenario: impl FnOnce(&dyn Fn(u64)), expected: Expect) {
    let capture = Capture::new();
    let clock = capture.clock().clone();
    capture.run(|| scenario(&|passed| clock.advance(ms(passed))));
    expected.assert_eq(&capture.text());
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// Runs the test of that name in a process of its own, without backtraces.
fn alone(test: &str, body: impl FnOnce()) {
    alone_with_backtraces("0", test, body);
}

fn alone_with_backtraces(backtraces: &str, test: &str, body: impl FnOnce()) {
    if child_process::is_child() {
        return body();
    }
    let mut command = child_process::command(test);
    command
        .env("RUST_BACKTRACE", backtraces)
        .env_remove("RUST_LIB_BACKTRACE");
    child_process::run(&mut command);
}

#[test]
fn a_completed_operation_counts_once_however_it_ends() {
    check(
        |pass| {
            let timer = ScopedTimer::start("ok");
            pass(5);
            timer.complete();
            let dropped = ScopedTimer::start("ok");
            pass(5);
            drop(dropped);
            monitor("ok").time(|| pass(5));
            let answer: Result<u8, LoadError> = monitor("ok").run(|| Ok(7));
            assert_eq!(answer.unwrap(), 7);
        },
        expect![[r#"
            spans:
            ok internal spanwire.operation.name=ok
            ok internal spanwire.operation.name=ok
            ok internal spanwire.operation.name=ok
            ok internal spanwire.operation.name=ok
            metrics:
            spanwire.operation.active{spanwire.operation.name="ok"} 0
            spanwire.operation.duration{spanwire.operation.name="ok"} count=4 sum=0.015
            spanwire.operation.slow.threshold 1
            logs:
        "#]],
    );
}

#[test]
fn a_failed_operation_logs_its_error_chain_and_counts_its_type() {
    check(
        |pass| {
            let error = monitor("fails")
                .field("file", "a.scene")
                .field("level", 3)
                .run(|| {
                    pass(5);
                    Err::<(), _>(load_error())
                })
                .unwrap_err();
            assert_eq!(error.0.to_string(), "disk on fire");
            ScopedTimer::start("fails").fail(&error.0);
            ScopedTimer::start("fails").fail_as("no_disk", "it is gone");
            let boxed: Box<dyn Error + Send + Sync> = Box::new(error);
            ScopedTimer::start("fails").fail(&*boxed);
            let _ = monitor("fails")
                .error_type("scene")
                .run_dyn(|| Err::<(), _>(boxed));
        },
        expect![[r#"
            spans:
            fails internal error error.type=LoadError file=a.scene level=3 spanwire.operation.name=fails
              event "operation failed"
            fails internal error error.type=io::Error spanwire.operation.name=fails
              event "operation failed"
            fails internal error error.type=no_disk spanwire.operation.name=fails
              event "operation failed"
            fails internal error error.type=_OTHER spanwire.operation.name=fails
              event "operation failed"
            fails internal error error.type=scene spanwire.operation.name=fails
              event "operation failed"
            metrics:
            spanwire.operation.active{spanwire.operation.name="fails"} 0
            spanwire.operation.duration{error.type="LoadError",spanwire.operation.name="fails"} count=1 sum=0.005
            spanwire.operation.duration{error.type="_OTHER",spanwire.operation.name="fails"} count=1 sum=0
            spanwire.operation.duration{error.type="io::Error",spanwire.operation.name="fails"} count=1 sum=0
            spanwire.operation.duration{error.type="no_disk",spanwire.operation.name="fails"} count=1 sum=0
            spanwire.operation.duration{error.type="scene",spanwire.operation.name="fails"} count=1 sum=0
            spanwire.operation.slow.threshold 1
            logs:
            ERROR "operation failed" error.type=LoadError exception.message="cannot load the scene: disk on fire" exception.type=timer::LoadError spanwire.context="file=\"a.scene\" level=3" spanwire.operation.name=fails span=fails
            ERROR "operation failed" error.type=io::Error exception.message="disk on fire" exception.type=std::io::error::Error spanwire.operation.name=fails span=fails
            ERROR "operation failed" error.type=no_disk exception.message="it is gone" exception.type=no_disk spanwire.operation.name=fails span=fails
            ERROR "operation failed" error.type=_OTHER exception.message="cannot load the scene: disk on fire" exception.type="dyn Error" spanwire.operation.name=fails span=fails
            ERROR "operation failed" error.type=scene exception.message="cannot load the scene: disk on fire" exception.type="dyn Error" spanwire.operation.name=fails span=fails
        "#]],
    );
}

/// An error whose text takes a second to make.
#[derive(Debug)]
struct SlowToPrint(spanwire::testing::FakeClock);

impl fmt::Display for SlowToPrint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.advance(ms(1_000));
        f.write_str("slow")
    }
}

impl Error for SlowToPrint {}

#[test]
fn what_it_takes_to_describe_an_error_is_no_time_of_the_operation() {
    let capture = Capture::new();
    let clock = capture.clock().clone();
    capture.run(|| {
        let _ = monitor("printed").run(|| Err::<(), _>(SlowToPrint(clock.clone())));
        let failing = async { Err::<(), _>(SlowToPrint(clock.clone())) };
        let _ = block_on(monitor("printed").run_async(failing));
        ScopedTimer::start("printed").fail(&SlowToPrint(clock.clone()));
        ScopedTimer::start("printed").fail_as("slow", SlowToPrint(clock.clone()));
    });
    let text = capture.text();
    assert!(
        text.contains(
            r#"error.type="SlowToPrint",spanwire.operation.name="printed"} count=3 sum=0"#
        ),
        "{text}"
    );
    assert!(
        text.contains(r#"error.type="slow",spanwire.operation.name="printed"} count=1 sum=0"#),
        "{text}"
    );
}

#[test]
fn a_failed_operations_span_ends_before_its_backtrace_is_taken() {
    let test = "a_failed_operations_span_ends_before_its_backtrace_is_taken";
    child_process::run_alone(test, &[("RUST_BACKTRACE", "1")], || {
        let capture = Capture::new();
        let tracer = capture.tracer_provider().tracer("timer");
        let layer = tracing_opentelemetry::layer().with_tracer(tracer);
        // Without the capture's clock, which would stand still.
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let _ = monitor("traced").run(|| "x".parse::<u32>());
        });
        let spans = capture.finished_spans();
        let [span] = &*spans else {
            panic!("{spans:?}");
        };
        assert!(span.start_time <= span.end_time, "{span:?}");
        // The record that has the backtrace is made when the clock has stopped.
        let event = span.events.events.first().unwrap();
        assert!(span.end_time < event.timestamp, "{span:?}");
    });
}

#[test]
fn boxed_errors_and_those_of_anyhow_are_recorded_by_run() {
    check(
        |_| {
            let level = || -> anyhow::Result<u32> {
                use anyhow::Context;
                "x".parse::<u32>().context("no level")
            };
            let error = monitor("boxed").run(level).unwrap_err();
            assert!(error.is::<std::num::ParseIntError>());
            let _ = block_on(monitor("boxed").run_async(async { level() }));
            let _ = monitor("boxed").run(|| Err::<(), Box<dyn Error>>("plain".into()));
            let _ = monitor("boxed").run(|| Err::<(), Box<dyn Error + Send + Sync>>("both".into()));
            // Errors themselves, though they point to one.
            let shared: Arc<dyn Error + Send + Sync> = Arc::new(load_error());
            let _ = monitor("boxed").run(|| Err::<(), _>(shared));
            let _ = monitor("boxed").run(|| Err::<(), _>(Box::new(load_error())));
        },
        expect![[r#"
            spans:
            boxed internal error error.type=_OTHER spanwire.operation.name=boxed
              event "operation failed"
            boxed internal error error.type=_OTHER spanwire.operation.name=boxed
              event "operation failed"
            boxed internal error error.type=_OTHER spanwire.operation.name=boxed
              event "operation failed"
            boxed internal error error.type=_OTHER spanwire.operation.name=boxed
              event "operation failed"
            boxed internal error error.type=Arc spanwire.operation.name=boxed
              event "operation failed"
            boxed internal error error.type=Box spanwire.operation.name=boxed
              event "operation failed"
            metrics:
            spanwire.operation.active{spanwire.operation.name="boxed"} 0
            spanwire.operation.duration{error.type="Arc",spanwire.operation.name="boxed"} count=1 sum=0
            spanwire.operation.duration{error.type="Box",spanwire.operation.name="boxed"} count=1 sum=0
            spanwire.operation.duration{error.type="_OTHER",spanwire.operation.name="boxed"} count=4 sum=0
            spanwire.operation.slow.threshold 1
            logs:
            ERROR "operation failed" error.type=_OTHER exception.message="no level: invalid digit found in string" exception.type="dyn Error" spanwire.operation.name=boxed span=boxed
            ERROR "operation failed" error.type=_OTHER exception.message="no level: invalid digit found in string" exception.type="dyn Error" spanwire.operation.name=boxed span=boxed
            ERROR "operation failed" error.type=_OTHER exception.message=plain exception.type="dyn Error" spanwire.operation.name=boxed span=boxed
            ERROR "operation failed" error.type=_OTHER exception.message=both exception.type="dyn Error" spanwire.operation.name=boxed span=boxed
            ERROR "operation failed" error.type=Arc exception.message="cannot load the scene: disk on fire" exception.type="alloc::sync::Arc<dyn core::error::Error + core::marker::Send + core::marker::Sync>" spanwire.operation.name=boxed span=boxed
            ERROR "operation failed" error.type=Box exception.message="cannot load the scene: disk on fire" exception.type=alloc::boxed::Box<timer::LoadError> spanwire.operation.name=boxed span=boxed
        "#]],
    );
}

/// The backtrace in the log record of a failure.
fn stacktrace() -> Option<String> {
    let capture = Capture::new();
    capture.run(|| ScopedTimer::start("traced").fail(&load_error()));
    let records = capture.log_records();
    records[0]
        .attributes_iter()
        .find(|(key, _)| key.as_str() == "exception.stacktrace")
        .map(|(_, value)| format!("{value:?}"))
}

#[test]
fn a_failure_has_a_backtrace_when_they_are_enabled() {
    alone_with_backtraces(
        "1",
        "a_failure_has_a_backtrace_when_they_are_enabled",
        || {
            let trace = stacktrace().unwrap();
            assert!(trace.contains("timer::stacktrace"), "{trace}");
        },
    );
}

#[test]
fn a_failure_has_no_backtrace_when_they_are_not_enabled() {
    alone(
        "a_failure_has_no_backtrace_when_they_are_not_enabled",
        || {
            assert_eq!(stacktrace(), None);
        },
    );
}

#[test]
fn a_panic_is_recorded_and_propagates() {
    check(
        |_| {
            let caught = catch_unwind(|| monitor("panics").time(|| panic!("no scene")));
            let payload = caught.unwrap_err();
            assert_eq!(*payload.downcast_ref::<&str>().unwrap(), "no scene");
            let caught = catch_unwind(|| {
                let _timer = ScopedTimer::start("panics");
                panic!("while a timer is open");
            });
            caught.unwrap_err();
            let polls = std::hint::black_box(1);
            let async_panic = async { panic!("polled {polls} times") };
            let caught = catch_unwind(AssertUnwindSafe(|| {
                block_on(monitor("panics").time_async(async_panic))
            }));
            caught.unwrap_err();
        },
        expect![[r#"
            spans:
            panics internal error error.type=panic spanwire.operation.name=panics
              event "operation failed"
            panics internal error error.type=panic spanwire.operation.name=panics
              event "operation failed"
            panics internal error error.type=panic spanwire.operation.name=panics
              event "operation failed"
            metrics:
            spanwire.operation.active{spanwire.operation.name="panics"} 0
            spanwire.operation.duration{error.type="panic",spanwire.operation.name="panics"} count=3 sum=0
            spanwire.operation.slow.threshold 1
            logs:
            ERROR "operation failed" error.type=panic exception.message="no scene" exception.type=panic spanwire.operation.name=panics span=panics
            ERROR "operation failed" error.type=panic exception.type=panic spanwire.operation.name=panics span=panics
            ERROR "operation failed" error.type=panic exception.message="polled 1 times" exception.type=panic spanwire.operation.name=panics span=panics
        "#]],
    );
}

#[test]
fn a_timer_started_while_a_panic_unwinds_does_not_fail() {
    struct Cleanup;
    impl Drop for Cleanup {
        fn drop(&mut self) {
            let _timer = ScopedTimer::start("cleanup");
        }
    }
    check(
        |_| {
            let caught = catch_unwind(|| {
                let _cleanup = Cleanup;
                panic!("on purpose");
            });
            caught.unwrap_err();
        },
        expect![[r#"
            spans:
            cleanup internal spanwire.operation.name=cleanup
            metrics:
            spanwire.operation.active{spanwire.operation.name="cleanup"} 0
            spanwire.operation.duration{spanwire.operation.name="cleanup"} count=1 sum=0
            spanwire.operation.slow.threshold 1
            logs:
        "#]],
    );
}

#[test]
fn a_slow_operation_is_counted_and_logged() {
    check(
        |pass| {
            for duration in [19, 20] {
                monitor("slow")
                    .slow_after(ms(20))
                    .field("items", 9)
                    .time(|| pass(duration));
            }
        },
        expect![[r#"
            spans:
            slow internal items=9 spanwire.operation.name=slow
            slow internal items=9 spanwire.operation.name=slow spanwire.slow=true
              event "operation slow"
            metrics:
            spanwire.operation.active{spanwire.operation.name="slow"} 0
            spanwire.operation.duration{spanwire.operation.name="slow"} count=2 sum=0.039
            spanwire.operation.slow{spanwire.operation.name="slow"} 1
            spanwire.operation.slow.threshold 1
            logs:
            WARN "operation slow" spanwire.context="items=9" spanwire.duration=0.02 spanwire.operation.name=slow spanwire.slow_threshold=0.02 span=slow
        "#]],
    );
}

#[test]
fn nested_operations_are_nested_spans() {
    check(
        |pass| {
            let outer = ScopedTimer::start("outer");
            monitor("first").time(|| {
                let _inner = ScopedTimer::start("innermost");
                tracing::info!("deep inside");
            });
            let second = operation("second");
            let timer = second.start();
            pass(3);
            drop(timer);
            drop(outer);
        },
        expect![[r#"
            spans:
            outer internal spanwire.operation.name=outer
              first internal spanwire.operation.name=first
                innermost internal spanwire.operation.name=innermost
                  event "deep inside"
              second internal spanwire.operation.name=second
            metrics:
            spanwire.operation.active{spanwire.operation.name="first"} 0
            spanwire.operation.active{spanwire.operation.name="innermost"} 0
            spanwire.operation.active{spanwire.operation.name="outer"} 0
            spanwire.operation.active{spanwire.operation.name="second"} 0
            spanwire.operation.duration{spanwire.operation.name="first"} count=1 sum=0
            spanwire.operation.duration{spanwire.operation.name="innermost"} count=1 sum=0
            spanwire.operation.duration{spanwire.operation.name="outer"} count=1 sum=0.003
            spanwire.operation.duration{spanwire.operation.name="second"} count=1 sum=0.003
            spanwire.operation.slow.threshold 1
            logs:
            INFO "deep inside" span=innermost
        "#]],
    );
}

#[test]
fn work_between_the_awaits_of_an_async_operation_is_its_child() {
    let work = |name: &'static str| async move {
        for step in 0..2 {
            tracing::info!(step, "in {name}");
            monitor("step")
                .field("of", name)
                .time_async(tokio::task::yield_now())
                .await;
        }
        Ok::<_, LoadError>(name)
    };
    check(
        |_| {
            block_on(async {
                // On one thread, turn by turn.
                let (a, b) = tokio::join!(
                    monitor("async a").run_async(work("a")),
                    monitor("async b").run_async(work("b")),
                );
                assert_eq!((a.unwrap(), b.unwrap()), ("a", "b"));
                tracing::info!("outside");
            });
        },
        expect![[r#"
            spans:
            "async a" internal spanwire.operation.name="async a"
              event "in a"
              event "in a"
              step internal of=a spanwire.operation.name=step
              step internal of=a spanwire.operation.name=step
            "async b" internal spanwire.operation.name="async b"
              event "in b"
              event "in b"
              step internal of=b spanwire.operation.name=step
              step internal of=b spanwire.operation.name=step
            metrics:
            spanwire.operation.active{spanwire.operation.name="async a"} 0
            spanwire.operation.active{spanwire.operation.name="async b"} 0
            spanwire.operation.active{spanwire.operation.name="step"} 0
            spanwire.operation.duration{spanwire.operation.name="async a"} count=1 sum=0
            spanwire.operation.duration{spanwire.operation.name="async b"} count=1 sum=0
            spanwire.operation.duration{spanwire.operation.name="step"} count=4 sum=0
            spanwire.operation.slow.threshold 1
            logs:
            INFO "in a" step=0 span="async a"
            INFO "in b" step=0 span="async b"
            INFO "in b" step=1 span="async b"
            INFO "in a" step=1 span="async a"
            INFO outside span=none
        "#]],
    );
}

#[test]
fn an_async_failure_is_logged_in_its_own_span() {
    check(
        |pass| {
            let failing = async {
                tokio::task::yield_now().await;
                pass(2_000);
                Err::<(), _>(load_error())
            };
            let _ = block_on(monitor("async fails").run_async(failing));
            let boxed = async { Err::<(), Box<dyn Error>>("plain text".into()) };
            let _ = block_on(monitor("async fails").run_dyn_async(boxed));
        },
        expect![[r#"
            spans:
            "async fails" internal error error.type=LoadError spanwire.operation.name="async fails" spanwire.slow=true
              event "operation failed"
              event "operation slow"
            "async fails" internal error error.type=_OTHER spanwire.operation.name="async fails"
              event "operation failed"
            metrics:
            spanwire.operation.active{spanwire.operation.name="async fails"} 0
            spanwire.operation.duration{error.type="LoadError",spanwire.operation.name="async fails"} count=1 sum=2
            spanwire.operation.duration{error.type="_OTHER",spanwire.operation.name="async fails"} count=1 sum=0
            spanwire.operation.slow{spanwire.operation.name="async fails"} 1
            spanwire.operation.slow.threshold 1
            logs:
            ERROR "operation failed" error.type=LoadError exception.message="cannot load the scene: disk on fire" exception.type=timer::LoadError spanwire.operation.name="async fails" span="async fails"
            WARN "operation slow" spanwire.duration=2 spanwire.operation.name="async fails" spanwire.slow_threshold=1 span="async fails"
            ERROR "operation failed" error.type=_OTHER exception.message="plain text" exception.type="dyn Error" spanwire.operation.name="async fails" span="async fails"
        "#]],
    );
}

#[test]
fn a_future_dropped_before_its_end_counts_as_cancelled() {
    check(
        |pass| {
            block_on(async {
                let endless = monitor("endless").time_async(pending::<()>());
                let next = async {
                    tokio::task::yield_now().await;
                    pass(7);
                };
                tokio::select! {
                    biased;
                    () = endless => unreachable!(),
                    () = next => {}
                }
                // Never polled, so never begun.
                drop(monitor("endless").time_async(pending::<()>()));
            });
        },
        expect![[r#"
            spans:
            endless internal error error.type=cancelled spanwire.operation.name=endless
              event "operation cancelled"
            metrics:
            spanwire.operation.active{spanwire.operation.name="endless"} 0
            spanwire.operation.duration{error.type="cancelled",spanwire.operation.name="endless"} count=1 sum=0.007
            spanwire.operation.slow.threshold 1
            logs:
            WARN "operation cancelled" error.type=cancelled spanwire.operation.name=endless span=endless
        "#]],
    );
}

#[test]
fn sampling_one_in_n_makes_fewer_spans_and_counts_all() {
    check(
        |pass| {
            let _around = ScopedTimer::start("around");
            for _ in 0..10 {
                monitor("often").sample_one_in(4).time(|| pass(1));
            }
            // Without a span of its own, its log is in the span around it.
            let error = LoadError(std::io::Error::other("once"));
            monitor("never").sample_one_in(0).start().fail(&error);
        },
        expect![[r#"
            spans:
            around internal spanwire.operation.name=around
              often internal spanwire.operation.name=often
              often internal spanwire.operation.name=often
              often internal spanwire.operation.name=often
            metrics:
            spanwire.operation.active{spanwire.operation.name="around"} 0
            spanwire.operation.active{spanwire.operation.name="never"} 0
            spanwire.operation.active{spanwire.operation.name="often"} 0
            spanwire.operation.duration{error.type="LoadError",spanwire.operation.name="never"} count=1 sum=0
            spanwire.operation.duration{spanwire.operation.name="around"} count=1 sum=0.01
            spanwire.operation.duration{spanwire.operation.name="often"} count=10 sum=0.01
            spanwire.operation.slow.threshold 1
            logs:
            ERROR "operation failed" error.type=LoadError exception.message="cannot load the scene: once" exception.type=timer::LoadError spanwire.operation.name=never span=around
        "#]],
    );
}

#[test]
fn running_operations_count_as_active() {
    let capture = Capture::new();
    let active = || {
        capture.gauge(
            "spanwire.operation.active",
            &[("spanwire.operation.name", "active")],
        )
    };
    assert_eq!(active(), None);
    capture.run(|| {
        let first = ScopedTimer::start("active");
        let second = ScopedTimer::start("active");
        assert_eq!(active(), Some(2.0));
        assert_eq!(operation("active").active(), 2);
        drop(first);
        assert_eq!(active(), Some(1.0));
        second.complete();
        assert_eq!(active(), Some(0.0));
    });
}

#[test]
fn another_capture_sees_nothing_of_an_operation_that_it_did_not_measure() {
    let (a, b) = (Capture::new(), Capture::new());
    let _open = a.run(|| ScopedTimer::start("elsewhere"));
    assert_eq!(b.text(), "spans:\nmetrics:\nlogs:\n");
}

#[test]
fn without_listeners_nothing_is_measured() {
    let mut timer = ScopedTimer::start("unheard");
    timer.field("a", 1);
    assert_eq!(operation("unheard").active(), 0);
    assert_eq!(format!("{timer:?}"), "ScopedTimer(None)");
    assert_eq!(monitor("unheard").time(|| 3), 3);
    assert!(
        monitor("unheard")
            .run(|| Err::<(), _>(load_error()))
            .is_err()
    );
}

#[test]
fn fields_beyond_the_limit_are_dropped_with_a_note() {
    check(
        |_| {
            let mut timer = ScopedTimer::start("fields");
            for key in [
                "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p",
                "q", "r",
            ] {
                timer.field(key, true);
            }
            timer.field("a", 1.5);
            timer.fail_as("no_room", "too much to say");
        },
        expect![[r#"
            spans:
            fields internal error a=1.5 b=true c=true d=true e=true error.type=no_room f=true g=true h=true i=true j=true k=true l=true m=true n=true o=true p=true spanwire.context_left_out=2 spanwire.operation.name=fields
              event "operation failed"
            metrics:
            spanwire.operation.active{spanwire.operation.name="fields"} 0
            spanwire.operation.duration{error.type="no_room",spanwire.operation.name="fields"} count=1 sum=0
            spanwire.operation.slow.threshold 1
            logs:
            ERROR "operation failed" error.type=no_room exception.message="too much to say" exception.type=no_room spanwire.context="a=1.5 b=true c=true d=true e=true f=true g=true h=true i=true j=true k=true l=true m=true n=true o=true p=true (+2 left out)" spanwire.operation.name=fields span=fields
        "#]],
    );
}

#[test]
fn thresholds_change_at_run_time() {
    alone("thresholds_change_at_run_time", || {
        let capture = Capture::new();
        let slow = |name| {
            capture.counter(
                "spanwire.operation.slow",
                &[("spanwire.operation.name", name)],
            )
        };
        let run = |name: &str, duration| {
            capture.run(|| {
                monitor(name)
                    .slow_after(ms(50))
                    .time(|| capture.clock().advance(duration));
                ScopedTimer::start("of all").complete();
                let _global = ScopedTimer::start("of all");
                capture.clock().advance(duration);
            });
        };
        let threshold = || capture.gauge("spanwire.operation.slow.threshold", &[]);

        run("own", ms(40));
        assert_eq!((slow("own"), slow("of all")), (0, 0));
        assert_eq!(threshold(), Some(1.0));

        set_slow_threshold(ms(40));
        run("own", ms(40));
        // The code's own threshold beats that of all.
        assert_eq!((slow("own"), slow("of all")), (0, 1));
        assert_eq!(threshold(), Some(0.04));

        // What is set for the operation beats both, and can be taken back.
        set_slow_threshold_of("own", ms(30));
        run("own", ms(30));
        assert_eq!((slow("own"), slow("of all")), (1, 1));
        set_slow_threshold_of("own", None);
        run("own", ms(30));
        assert_eq!((slow("own"), slow("of all")), (1, 1));
    });
}

#[test]
fn a_hundred_thousand_names_make_a_bounded_number_of_series() {
    alone(
        "a_hundred_thousand_names_make_a_bounded_number_of_series",
        || {
            const CAP: usize = spanwire::semconv::REGISTERED_NAMES_MAX;
            let capture = Capture::new();
            capture.run(|| {
                for n in 0..100_000 {
                    monitor(&format!("operation {n}"))
                        .sample_one_in(0)
                        .time(|| ());
                }
                monitor(&"long".repeat(1_000)).sample_one_in(0).time(|| ());
            });
            let series = capture
                .metrics()
                .lines()
                .filter(|line| line.starts_with("spanwire.operation.duration{"))
                .count();
            assert_eq!(series, CAP + 1);
            let name = "spanwire.operation.duration";
            let (other, _) = capture.histogram(name, &[("spanwire.operation.name", "_OTHER")]);
            assert_eq!(other, 100_001 - CAP as u64);
            assert_eq!(capture.histogram(name, &[]).0, 100_001);
            assert_eq!(operation("one more").name(), "_OTHER");
        },
    );
}

#[test]
fn error_types_make_a_bounded_number_of_series() {
    alone("error_types_make_a_bounded_number_of_series", || {
        const CAP: usize = spanwire::semconv::OTHER_NAMES_MAX;
        let capture = Capture::new();
        capture.run(|| {
            for n in 0..1_000 {
                let name: &'static str = Box::leak(format!("type_{n}").into_boxed_str());
                monitor("typed").sample_one_in(0).start().fail_as(name, "");
            }
        });
        let series = capture
            .metrics()
            .lines()
            .filter(|line| line.starts_with("spanwire.operation.duration{"))
            .count();
        assert_eq!(series, CAP + 1);
        let labels = [("error.type", "_OTHER")];
        let (other, _) = capture.histogram("spanwire.operation.duration", &labels);
        assert_eq!(other, 1_000 - CAP as u64);
    });
}

/// Computes on this thread for 20 ms of its CPU time.
#[cfg(target_os = "linux")]
fn compute() {
    let used = || -> u64 {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    };
    let began = used();
    while used() - began < 20_000_000 {}
}

#[cfg(target_os = "linux")]
#[test]
fn an_operation_that_computes_is_told_from_one_that_waits() {
    let capture = Capture::new();
    capture.run(|| {
        let asked = |name: &'static str| monitor(name).cpu_time(CpuTime::Recorded);
        asked("cpu.computes").time(compute);
        asked("cpu.waits").time(|| std::thread::spawn(compute).join().unwrap());
        let timer = asked("cpu.scope").start();
        compute();
        timer.complete();
        monitor("cpu.unasked").time(compute);
        block_on(asked("cpu.awaited").time_async(async { compute() }));
    });
    let spans = capture.finished_spans();
    let cpu_time = |name: &str| {
        let span = spans.iter().find(|span| span.name == name).unwrap();
        let mut attributes = span.attributes.iter();
        let found = attributes.find(|attribute| attribute.key.as_str() == "spanwire.cpu_time");
        found.map(|attribute| match attribute.value {
            opentelemetry::Value::F64(seconds) => seconds,
            _ => panic!("{attribute:?}"),
        })
    };
    // The scheduler's account and the clock's differ by less than a millisecond.
    assert!(cpu_time("cpu.computes").unwrap() > 0.019);
    assert!(cpu_time("cpu.scope").unwrap() > 0.019);
    // To start a thread takes some, and nothing of what that thread computes.
    assert!(cpu_time("cpu.waits").unwrap() < 0.019);
    assert_eq!(cpu_time("cpu.unasked"), None);
    assert_eq!(cpu_time("cpu.awaited"), None);
}
