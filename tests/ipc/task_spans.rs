//! A call whose task is polled outside of every span has links to what the task did.

use std::future::Future;

use opentelemetry::trace::{SpanContext, SpanId};
use opentelemetry_sdk::trace::SpanData;
use spanwire::ipc::observe::{Handling, Observer};
use spanwire::testing::Capture;
use tokio::runtime;
use tokio::task::{self, JoinSet};

/// Runs in the process's table of tasks, which has one bound: so this is one test.
#[test]
fn a_call_has_links_to_the_spans_of_its_own_task() {
    let capture = Capture::new();
    // On this thread alone, which is where the capture is in force.
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    let observer = Observer::builder("main").build();
    let call = |name: &str| {
        let mut handling = observer.call(name).begin();
        handling.link_spans_of_task();
        handling
    };
    let run = |work: &mut dyn FnMut(&mut JoinSet<()>)| {
        capture.run(|| {
            runtime.block_on(async {
                let mut tasks = JoinSet::new();
                work(&mut tasks);
                while let Some(ended) = tasks.join_next().await {
                    ended.unwrap();
                }
            });
        });
    };

    run(&mut |tasks| {
        for (name, spans) in [("open", 2), ("save", 1), ("beyond", 20), ("without", 0)] {
            tasks.spawn(answered(call(name), async move {
                for _ in 0..spans {
                    task::yield_now().await;
                    tracing::info_span!("in task", task = name).in_scope(|| {
                        // Its parent leads to it.
                        tracing::info_span!("child").in_scope(|| {});
                    });
                }
            }));
        }
        let alone = async { tracing::info_span!("alone").in_scope(|| {}) };
        tasks.spawn(alone);
    });
    let spans = capture.finished_spans();
    let begun_in = |name: &str| -> Vec<SpanId> {
        let begun = spans.iter().filter(|span| {
            let mut attributes = span.attributes.iter();
            attributes.any(|it| it.key.as_str() == "task" && it.value.as_str() == name)
        });
        begun.map(|span| span.span_context.span_id()).collect()
    };
    for name in ["open", "save", "without"] {
        assert_eq!(links(&spans, name), begun_in(name), "{name}");
    }
    assert_eq!(links(&spans, "beyond"), begun_in("beyond")[..16]);
    assert_eq!(dropped(&capture), 4);

    // The oldest tasks make room for those that came later.
    let mut waiting = Some(call("subscribed"));
    run(&mut |tasks| {
        tasks.spawn(answered(call("oldest"), async {
            tracing::info_span!("evicted").in_scope(|| {});
            for _ in 0..2_000 {
                task::yield_now().await;
            }
        }));
        for _ in 0..1_024 {
            tasks.spawn(async { tracing::info_span!("alone").in_scope(|| {}) });
        }
    });
    assert_eq!(links(&capture.finished_spans(), "oldest"), []);
    assert_eq!(dropped(&capture), 5);
    capture.run(|| drop(waiting.take()));
}

async fn answered(handling: Handling, work: impl Future<Output = ()>) {
    work.await;
    handling.end(Ok(()));
}

fn links(spans: &[SpanData], name: &str) -> Vec<SpanId> {
    let span = spans.iter().find(|span| span.name == name).expect(name);
    let to = span.links.iter().map(|link| &link.span_context);
    to.map(SpanContext::span_id).collect()
}

fn dropped(capture: &Capture) -> u64 {
    capture.counter("spanwire.ipc.task_spans.dropped", &[])
}
