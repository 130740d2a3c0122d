//! Telemetry in destructors of thread-locals, where other thread-locals are gone already.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::cell::RefCell;
use std::convert::Infallible;
use std::sync::mpsc;
use std::time::Duration;

use opentelemetry::Context;
use serde_json::json;
use spanwire::ipc::{Call, Ipc, Responder};
use spanwire::telemetry::{Exporter, Telemetry};
use spanwire::timer::{DetachedRun, ScopedTimer, monitor};
use spanwire_testkit::child_process::run_alone;
use spanwire_testkit::model_page::ModelPage;
use spanwire_testkit::receiver::Receiver;
use spanwire_testkit::scrape::scrape_text;

/// Does its work when it is dropped.
struct AtEnd(Option<Box<dyn FnOnce()>>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        if let Some(work) = self.0.take() {
            work();
        }
    }
}

thread_local! {
    static AT_END: RefCell<AtEnd> = const { RefCell::new(AtEnd(None)) };
    static TIMER: RefCell<Option<ScopedTimer>> = const { RefCell::new(None) };
    static DETACHED: RefCell<Option<DetachedRun>> = const { RefCell::new(None) };
}

fn at_end(work: impl FnOnce() + 'static) {
    AT_END.with_borrow_mut(|end| end.0 = Some(Box::new(work)));
}

fn emit(ipc: &Ipc) {
    ipc.emit("late", &1).unwrap();
}

fn measure() {
    monitor("late").slow_after(Duration::ZERO).time(|| ());
    ScopedTimer::start("late").complete();
    detached().complete();
}

fn detached() -> DetachedRun {
    monitor("late").start_detached(&Context::new())
}

fn span() {
    tracing::info_span!("late").in_scope(|| ());
}

fn all(ipc: &Ipc) {
    emit(ipc);
    measure();
    span();
}

/// What a thread does, and when in between it makes the thread-local whose destructor does `all`.
type Thread = fn(Ipc);

const THREADS: [Thread; 11] = [
    // This thread-local is the first of all, so it is dropped last.
    |ipc| {
        at_end({
            let ipc = ipc.clone();
            move || all(&ipc)
        });
        all(&ipc);
    },
    // Last of all, so it is dropped first.
    |ipc| {
        all(&ipc);
        at_end(move || all(&ipc));
    },
    |ipc| {
        emit(&ipc);
        at_end({
            let ipc = ipc.clone();
            move || all(&ipc)
        });
        measure();
    },
    |ipc| {
        measure();
        at_end({
            let ipc = ipc.clone();
            move || all(&ipc)
        });
        emit(&ipc);
    },
    |ipc| {
        emit(&ipc);
        at_end({
            let ipc = ipc.clone();
            move || all(&ipc)
        });
        span();
    },
    // Nothing but the destructor's.
    |ipc| at_end(move || all(&ipc)),
    // The app's own alone.
    |ipc| {
        at_end(move || all(&ipc));
        span();
    },
    |ipc| {
        at_end(move || all(&ipc));
        drop(Context::current());
    },
    // A timer that ends with its thread.
    |ipc| {
        TIMER.with_borrow_mut(|_| ());
        at_end(move || all(&ipc));
        TIMER.with_borrow_mut(|timer| *timer = Some(ScopedTimer::start("late")));
    },
    // Detached runs that are dropped with their thread, after and before the context's thread-local.
    |ipc| {
        DETACHED.with_borrow_mut(|_| ());
        at_end(move || all(&ipc));
        DETACHED.with_borrow_mut(|run| *run = Some(detached()));
        drop(Context::current());
    },
    |ipc| {
        drop(Context::current());
        at_end(move || all(&ipc));
        DETACHED.with_borrow_mut(|run| *run = Some(detached()));
    },
];

#[test]
fn telemetry_at_a_threads_end_is_counted_and_aborts_nothing() {
    run_alone(
        "telemetry_at_a_threads_end_is_counted_and_aborts_nothing",
        &[],
        || {
            let receiver = Receiver::start();
            let telemetry = Telemetry::builder("test")
                .prometheus_port(0)
                .otlp_endpoint(receiver.url())
                .logs(Exporter::Otlp)
                .install()
                .unwrap();
            let ipc = Ipc::builder("main").build();
            for thread in THREADS {
                let ipc = ipc.clone();
                std::thread::spawn(move || thread(ipc)).join().unwrap();
            }
            // Messages of destructors are 11, the others 5. Destructors ran `measure` 11 times, the
            // others 4 times: three operations each. A timer and two detached runs ended with their
            // threads.
            assert_eq!(ipc.metrics().messages_open, 16);
            let text = scrape_text(telemetry.prometheus_addr().unwrap());
            let count = "spanwire_operation_duration_seconds_count{";
            let name = "spanwire_operation_name=\"late\"";
            let operations: u64 = text
                .lines()
                .filter(|line| line.starts_with(count) && line.contains(name))
                .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
                .sum();
            assert_eq!(operations, 48, "{text}");
        },
    );
}

#[test]
fn calls_at_a_threads_end_are_handled() {
    run_alone("calls_at_a_threads_end_are_handled", &[], || {
        let receiver = Receiver::start();
        let _telemetry = Telemetry::builder("test")
            .otlp_endpoint(receiver.url())
            .install()
            .unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let ipc = Ipc::builder("main")
            .runtime(runtime.handle().clone())
            .build();
        let (handling, handled) = mpsc::sync_channel(3);
        ipc.on_deferred("deferred", {
            let handling = handling.clone();
            move |_: Call<'static>, responder: Responder| {
                responder.respond(Ok::<_, Infallible>(1)).unwrap();
                handling.send("deferred").unwrap();
            }
        })
        .unwrap();
        ipc.on_async("async", move |_: Call<'static>| {
            let handling = handling.clone();
            async move {
                handling.send("async").unwrap();
                Ok::<_, Infallible>(())
            }
        })
        .unwrap();
        // The last handle closes the wire, which drops a future that has not run yet.
        let _kept = ipc.clone();
        let thread = std::thread::spawn(move || {
            // This thread-local is the first of all, so it is dropped last.
            at_end(|| ());
            let mut page = ModelPage::load(&ipc, "p1");
            page.call(&ipc, "deferred", json!(null));
            at_end(move || {
                page.call(&ipc, "deferred", json!(null));
                page.call(&ipc, "async", json!(null));
            });
        });
        thread.join().unwrap();
        // Far longer than it takes: only what is never handled gets there.
        let next = || handled.recv_timeout(Duration::from_secs(30)).unwrap();
        assert_eq!([next(), next(), next()], ["deferred", "deferred", "async"]);
    });
}
