//! Why a page was loaded, how old it is, whether it can be seen, and whether it does anything.

use std::time::Duration;

use serde_json::{Value, json};
use spanwire::ipc::observe::Observer;
use spanwire::ipc::{Ipc, PageState};
use spanwire::testing::Capture;
use spanwire_testkit::model_page::ModelPage;

fn loads(capture: &Capture, kind: &str) -> u64 {
    let label = [("spanwire.page.load.type", kind)];
    capture.counter("spanwire.page.loads", &label)
}

fn gauge(capture: &Capture, name: &str) -> Option<f64> {
    capture.gauge(&format!("spanwire.page.{name}"), &[])
}

fn load(ipc: &Ipc, id: &str, ready: Value) -> ModelPage {
    let page = ModelPage::unannounced(ipc, id);
    page.send(ipc, &[ready]);
    page
}

fn wait(capture: &Capture, seconds: u64) {
    capture.clock().advance(Duration::from_secs(seconds));
}

#[test]
fn a_load_is_counted_by_its_reason() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        let ready = |kind: &str| json!({"kind": "ready", "type": kind});
        load(&ipc, "p1", ready("reload"));
        load(&ipc, "p2", ready("reload"));
        load(&ipc, "p3", ready("navigate"));
        load(&ipc, "p4", ready("back_forward"));
        // What no engine says now costs the reason alone.
        load(&ipc, "p5", ready("teleport"));
        load(&ipc, "p6", json!({"kind": "ready"}));
        ipc.page_gone();
        load(&ipc, "p7", ready("reload"));
        let counted = [
            "first",
            "reload",
            "navigate",
            "back_forward",
            "recovery",
            "again",
        ]
        .map(|kind| loads(&capture, kind));
        assert_eq!(counted, [1, 1, 1, 1, 1, 2]);
    });
}

#[test]
fn a_page_whose_script_does_nothing_is_told_apart_from_a_quiet_one() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        ipc.on("save", |_: &spanwire::ipc::Call| ()).unwrap();
        assert_eq!(gauge(&capture, "inert"), None);
        let mut page = load(&ipc, "p1", json!({"kind": "ready"}));
        page.pump(&ipc);
        ipc.emit("progress", &1).unwrap();
        wait(&capture, 10);
        // It answers, and that is all.
        page.pump(&ipc);
        assert_eq!(ipc.page_state(), PageState::Ready);
        assert_eq!(gauge(&capture, "inert"), Some(1.0));
        assert_eq!(gauge(&capture, "age"), Some(10.0));

        let mut acts: Vec<(&str, Value)> = vec![
            (
                "state",
                json!({"kind": "state", "listens": true, "visible": true}),
            ),
            (
                "record",
                json!({"kind": "record", "name": "fps", "value": 1}),
            ),
            ("open", json!({"kind": "open", "span": 1, "name": "start"})),
            ("event", json!({"kind": "event", "id": 1, "event": "save"})),
            ("call", json!({"kind": "call", "id": 1, "event": "save"})),
        ];
        for (at, (name, act)) in acts.drain(..).enumerate() {
            let page = load(&ipc, &format!("q{at}"), json!({"kind": "ready"}));
            page.send(&ipc, &[act]);
            wait(&capture, 60);
            assert_eq!(gauge(&capture, "inert"), Some(0.0), "{name}");
        }
        // What went wrong in it is no work of its own.
        let page = load(&ipc, "r", json!({"kind": "ready"}));
        page.send(&ipc, &[json!({"kind": "error", "type": "uncaught"})]);
        wait(&capture, 60);
        assert_eq!(gauge(&capture, "inert"), Some(1.0));
        ipc.page_loading();
        assert_eq!(gauge(&capture, "inert"), Some(0.0));
        assert_eq!(gauge(&capture, "age"), Some(0.0));
    });
}

#[test]
fn a_hidden_page_is_told_and_a_transport_that_knows_nothing_says_nothing() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        ipc.page_ready("p0").unwrap();
        wait(&capture, 60);
        assert_eq!(gauge(&capture, "inert"), None);
        assert_eq!(gauge(&capture, "visible"), None);
        let page = load(&ipc, "p1", json!({"kind": "ready"}));
        assert_eq!(gauge(&capture, "visible"), Some(1.0));
        let hidden = json!({"kind": "state", "listens": false, "visible": false});
        page.send(&ipc, std::slice::from_ref(&hidden));
        assert_eq!(gauge(&capture, "visible"), Some(0.0));
        // Of a page that another took the place of.
        load(&ipc, "p2", json!({"kind": "ready"}));
        page.send(&ipc, &[hidden]);
        assert_eq!(gauge(&capture, "visible"), Some(1.0));
    });
}

#[test]
fn an_observer_tells_what_its_layer_knows() {
    let capture = Capture::new();
    capture.run(|| {
        let observer = Observer::builder("main").build();
        observer.set_page_state(PageState::Ready);
        wait(&capture, 5);
        assert_eq!(gauge(&capture, "age"), Some(5.0));
        assert_eq!(gauge(&capture, "visible"), None);
        observer.set_page_visible(false);
        assert_eq!(gauge(&capture, "visible"), Some(0.0));
        observer.set_page_state(PageState::Gone);
        observer.set_page_state(PageState::Ready);
        assert_eq!(loads(&capture, "recovery"), 1);
        assert_eq!(gauge(&capture, "age"), Some(0.0));
        assert_eq!(gauge(&capture, "inert"), None);
    });
}
