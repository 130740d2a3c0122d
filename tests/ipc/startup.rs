//! What waited for its page to be loaded says nothing about the wire, and is recorded apart.

use std::time::Duration;

use serde_json::json;
use spanwire::ipc::observe::Observer;
use spanwire::ipc::{Ipc, PageState};
use spanwire::testing::Capture;
use spanwire_testkit::model_page::ModelPage;

fn measured(capture: &Capture) -> [(u64, f64); 4] {
    [
        "spanwire.ipc.delivery.duration",
        "spanwire.queue.wait.duration",
        "spanwire.ipc.event.wait.duration",
        "spanwire.ipc.startup.delivery.duration",
    ]
    .map(|name| capture.histogram(name, &[]))
}

fn wait(capture: &Capture, seconds: u64) {
    capture.clock().advance(Duration::from_secs(seconds));
}

#[test]
fn what_was_sent_before_the_page_was_loaded_is_told_apart() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main")
            .tracer_provider(&capture.tracer_provider())
            .build();
        ipc.emit("early", &1).unwrap();
        wait(&capture, 3);
        let mut page = ModelPage::unannounced(&ipc, "p1");
        page.send(&ipc, &[json!({"kind": "ready", "loading": true})]);
        page.pump(&ipc);
        // Its scripts have not run.
        ipc.emit("early", &2).unwrap();
        let script = ipc.next_script().unwrap();
        wait(&capture, 2);
        let ack = page.run(&script, spanwire_testkit::model_page::Eval::Runs);
        page.send(
            &ipc,
            &[json!({"kind": "state", "listens": true, "visible": true})],
        );
        wait(&capture, 1);
        page.send(&ipc, &[ack.unwrap()]);
        assert_eq!(measured(&capture), [(0, 0.0), (0, 0.0), (0, 0.0), (2, 6.0)]);

        ipc.emit("usual", &1).unwrap();
        wait(&capture, 1);
        page.pump(&ipc);
        assert_eq!(measured(&capture), [(1, 1.0), (1, 1.0), (1, 1.0), (2, 6.0)]);
        let spans = capture.spans();
        assert_eq!(
            spans.matches("spanwire.page_loading=true").count(),
            2,
            "{spans}"
        );
        // They count as any.
        let ok = [("spanwire.outcome", "ok"), ("spanwire.ipc.event", "early")];
        assert_eq!(capture.counter("spanwire.ipc.messages", &ok), 2);
    });
}

#[test]
fn a_page_that_does_not_say_is_loaded_when_it_is_ready() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        let mut page = ModelPage::load(&ipc, "p1");
        ipc.emit("usual", &1).unwrap();
        page.pump(&ipc);
        // The next page has what was sent meanwhile late.
        ipc.page_loading();
        ipc.emit("early", &1).unwrap();
        wait(&capture, 4);
        ModelPage::load(&ipc, "p2").pump(&ipc);
        assert_eq!(measured(&capture), [(1, 0.0), (1, 0.0), (1, 0.0), (1, 4.0)]);
    });
}

#[test]
fn an_observer_knows_what_was_sent_before_its_page_was_there() {
    let capture = Capture::new();
    capture.run(|| {
        let observer = Observer::builder("main").build();
        // A layer that reports nothing of its page.
        observer.send("usual", 1).acknowledged();
        let early = observer.send("early", 1);
        wait(&capture, 4);
        observer.set_page_state(PageState::Ready);
        early.acknowledged();
        observer.send("usual", 1).acknowledged();
        assert_eq!(measured(&capture)[0], (2, 0.0));
        assert_eq!(measured(&capture)[3], (1, 4.0));
    });
}
