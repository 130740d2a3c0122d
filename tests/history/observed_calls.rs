//! Calls that another message layer carries, by stage.

use std::time::Duration;

use spanwire::history::History;
use spanwire::ipc::PageState;
use spanwire::ipc::observe::{Observer, PageTimes};
use spanwire::testing::Capture;
use spanwire_testkit::child_process::run_alone;

use crate::app::{DEADLINE, place, sql};

#[test]
fn an_observed_call_has_its_stages_and_its_trace() {
    run_alone(
        "observed_calls::an_observed_call_has_its_stages_and_its_trace",
        &[],
        || {
            let (_folder, path) = place("observed-calls");
            // By the clock of the test, what it records is long ago.
            let history = History::options(&path)
                .retention(Duration::from_secs(u32::MAX.into()))
                .open()
                .unwrap();
            let capture = Capture::new();
            capture.run(|| carry_calls(&capture));
            history.flush(DEADLINE).unwrap();
            // How long it was on its way is known once the page's clock is known from both sides.
            let rows = sql(
                &path,
                "SELECT operation, duration, page_wait, transit, handler, queue_wait, response \
                 FROM metrics WHERE kind = 'call' ORDER BY id",
            );
            assert_eq!(
                rows,
                "save|19.0|2.0||10.0|1.0|4.0\n\
                 load|3.0|||3.0||"
            );
            let spans = capture.finished_spans();
            for call in ["save", "load"] {
                let query = format!(
                    "SELECT trace_id FROM metrics WHERE kind = 'call' AND operation = '{call}'"
                );
                let span = spans.iter().find(|span| span.name == call);
                let trace = span.expect("it has a span").span_context.trace_id();
                assert_eq!(sql(&path, &query), trace.to_string());
            }
        },
    );
}

fn carry_calls(capture: &Capture) {
    let wait = |ms| capture.clock().advance(Duration::from_millis(ms));
    let times = |began, posted| PageTimes { began, posted };
    let observer = Observer::builder("main")
        .tracer_provider(&capture.tracer_provider())
        .build();
    observer.set_page_state(PageState::Ready);
    // The document began at 0; this one comes without a delay, so the clocks are known.
    let hello = observer.event("hello").page_times(times(0.0, 0.0));
    hello.begin().end(Ok(()));
    wait(9);
    let save = observer.call("save").page_times(times(5.0, 7.0)).begin();
    wait(10);
    let mut reply = save.reply(Ok(()), 4);
    wait(1);
    reply.sent(1);
    wait(4);
    reply.acknowledged();
    // One that says nothing of its page, and whose reply is not seen.
    let load = observer.call("load").begin();
    wait(3);
    load.end(Ok(()));
}
