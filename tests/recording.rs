//! Operations that the app measured itself, and the rolling history of them.

use std::time::Duration;

use expect_test::expect;
use serde_json::json;
use spanwire::ipc::{Call, Ipc};
use spanwire::queue::{MessageQueue, set_depth};
use spanwire::report::{
    RollingHistory, record_action, record_event, set_action_queue_depth, set_current_action,
    set_event_queue_depth,
};
use spanwire::testing::Capture;
use spanwire::timer::{
    Outcome, current_operation, monitor, operation, set_current_operation, set_slow_threshold_of,
};
use spanwire_testkit::child_process;
use spanwire_testkit::model_page::ModelPage;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Without variables of whoever runs the test, and apart from the totals of other tests.
fn alone(test: &str, body: impl FnOnce()) {
    child_process::run_alone(test, &[("RUST_BACKTRACE", "0")], body);
}

#[test]
fn a_recorded_operation_is_in_the_metrics_and_logs_of_a_monitored_one() {
    let capture = Capture::new();
    capture.run(|| {
        let upload = operation("upload");
        upload.record(ms(120), true);
        upload.record(ms(30), Outcome::failed("disk_full"));
        upload.record(ms(5), false);
        upload.record(ms(7), &"12x".parse::<u32>());
    });
    expect![[r#"
        spans:
        metrics:
        spanwire.operation.active{spanwire.operation.name="upload"} 0
        spanwire.operation.duration{error.type="ParseIntError",spanwire.operation.name="upload"} count=1 sum=0.007
        spanwire.operation.duration{error.type="_OTHER",spanwire.operation.name="upload"} count=1 sum=0.005
        spanwire.operation.duration{error.type="disk_full",spanwire.operation.name="upload"} count=1 sum=0.03
        spanwire.operation.duration{spanwire.operation.name="upload"} count=1 sum=0.12
        spanwire.operation.slow.threshold 1
        logs:
        ERROR "operation failed" error.type=disk_full exception.type=disk_full spanwire.operation.name=upload span=none
        ERROR "operation failed" error.type=_OTHER exception.type=_OTHER spanwire.operation.name=upload span=none
        ERROR "operation failed" error.type=ParseIntError exception.type=ParseIntError spanwire.operation.name=upload span=none
    "#]]
    .assert_eq(&capture.text());
}

#[test]
fn a_recorded_operation_that_took_its_threshold_is_slow() {
    let capture = Capture::new();
    set_slow_threshold_of("import", ms(50));
    capture.run(|| {
        operation("import").record(ms(49), true);
        operation("import").record(ms(50), true);
    });
    let name = [("spanwire.operation.name", "import")];
    assert_eq!(capture.counter("spanwire.operation.slow", &name), 1);
    assert!(capture.logs().contains("operation slow"));
}

#[test]
fn a_current_operation_is_active_until_another_takes_its_place() {
    alone(
        "a_current_operation_is_active_until_another_takes_its_place",
        || {
            let capture = Capture::new();
            capture.run(|| {
                let active = |name| {
                    capture.gauge(
                        "spanwire.operation.active",
                        &[("spanwire.operation.name", name)],
                    )
                };
                set_current_operation("copy");
                assert_eq!(active("copy"), Some(1.0));
                assert_eq!(current_operation().as_deref(), Some("copy"));
                set_current_operation("index");
                assert_eq!((active("copy"), active("index")), (Some(0.0), Some(1.0)));
                set_current_operation(None);
                assert_eq!(active("index"), Some(0.0));
                assert_eq!(current_operation(), None);
            });
        },
    );
}

#[test]
fn a_depth_that_the_app_reports_adds_to_the_queue_of_that_name() {
    let capture = Capture::new();
    capture.run(|| {
        let size = |name| capture.gauge("spanwire.queue.size", &[("spanwire.queue.name", name)]);
        set_depth("reported", 7);
        assert_eq!(size("reported"), Some(7.0));
        set_depth("reported", 2);
        assert_eq!(size("reported"), Some(2.0));
        let queue = MessageQueue::bounded("reported", 10);
        queue.push("one").unwrap();
        assert_eq!(size("reported"), Some(3.0));
    });
}

#[test]
fn the_latest_sample_has_what_a_dashboard_shows() {
    alone("the_latest_sample_has_what_a_dashboard_shows", || {
        let ipc = Ipc::builder("main").build();
        let history = RollingHistory::builder().watch(&ipc).build();
        assert_eq!(history.latest(), None);
        assert_eq!(history.history_size(), 300);

        record_action("save", ms(10), true);
        record_action("save", ms(30), false);
        monitor("load").time(|| ());
        set_current_action("save");
        set_action_queue_depth(4);
        record_event(ms(8), true);
        record_event(ms(2), false);
        set_event_queue_depth(3);
        ipc.on("ask", |_: &Call| -> Result<(), String> { Ok(()) })
            .unwrap();
        let mut page = ModelPage::load(&ipc, "p1");
        page.send(
            &ipc,
            &[json!({"kind":"event","id":1,"event":"ask","data":1})],
        );
        ipc.emit("told", &1).unwrap();
        page.pump(&ipc);
        ipc.emit("waits", &1).unwrap();

        let sample = history.collect();
        assert_eq!(history.latest(), Some(sample.clone()));
        let actions = &sample.actions;
        assert_eq!(
            (actions.total, actions.per_minute, actions.errors),
            (3, 3, 1)
        );
        assert!(actions.average.unwrap() >= Duration::from_secs_f64(0.04 / 3.0));
        assert_eq!(actions.current.as_deref(), Some("save"));
        assert_eq!(actions.queue_depth, Some(4));
        assert!((actions.success_rate.unwrap() - 200.0 / 3.0).abs() < 1e-9);

        // By hand 2, one of them failed, and 3 that wait; on the wire one each way, and one waits.
        let events = &sample.events;
        let counts = (events.queued, events.processed, events.failed);
        assert_eq!(counts, (2 + 3 + 3, 1 + 2, 1), "{events:?}");
        assert_eq!(events.queue_depth, Some(4));
        assert!(events.average.unwrap() > Duration::ZERO);

        let system = sample.system.as_ref().unwrap();
        assert!(system.memory_mb > 1.0 && system.processes >= 1);
        assert!((0.0..100.0).contains(&system.memory_percent.unwrap()));
        assert!(system.cpu_percent.unwrap() >= 0.0);
        if cfg!(target_os = "linux") {
            assert!(system.threads.unwrap() >= 1);
        }
    });
}

#[test]
fn a_history_keeps_as_many_samples_as_it_was_told_and_the_newest() {
    let history = RollingHistory::builder().history_size(3).build();
    let all: Vec<_> = (0..5).map(|_| history.collect()).collect();
    assert_eq!(history.samples(), all[2..]);
}

#[test]
fn actions_of_the_last_minute_leave_out_older_ones() {
    alone("actions_of_the_last_minute_leave_out_older_ones", || {
        let capture = Capture::new();
        capture.run(|| {
            let history = RollingHistory::builder().build();
            record_action("save", ms(1), true);
            assert_eq!(history.collect().actions.per_minute, 1);
            capture.clock().advance(Duration::from_secs(59));
            record_action("save", ms(1), true);
            assert_eq!(history.collect().actions.per_minute, 2);
            capture.clock().advance(Duration::from_secs(1));
            let actions = history.collect().actions;
            assert_eq!((actions.total, actions.per_minute), (2, 1));
        });
    });
}

#[test]
fn a_started_history_samples_until_it_is_stopped() {
    let history = RollingHistory::builder().sample_interval(ms(10)).build();
    history.start().unwrap();
    history.start().unwrap();
    assert!(history.is_running());
    let deadline = std::time::Duration::from_secs(30);
    let began = spanwire::clock::now();
    while history.samples().len() < 3 {
        assert!(spanwire::clock::now().since(began) < deadline);
        std::thread::yield_now();
    }
    history.stop();
    assert!(!history.is_running());
}
