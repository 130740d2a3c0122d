use super::*;
use crate::telemetry::export::result::Acceptance;
use crate::telemetry::export::signal::TRACES;
use crossbeam_channel::{Receiver, Sender, bounded};

const HOUR: Duration = Duration::from_secs(3_600);

fn limits(queue_max: usize, batch_max: usize) -> BatchLimits {
    BatchLimits {
        queue_max,
        batch_max,
        delay: HOUR,
        timeout: HOUR,
    }
}

fn soon() -> Stamp {
    clock::now().plus(Duration::from_secs(30))
}

/// Tells of each batch, and answers it when told to.
struct Scripted {
    batches: Sender<Vec<u32>>,
    answers: Receiver<Outcome>,
}

impl Export<u32> for Scripted {
    fn export(&mut self, batch: Vec<u32>, _: Stamp) -> Vec<Sent> {
        let items = batch.len() as u64;
        self.batches.send(batch).unwrap();
        let outcome = self.answers.recv().unwrap();
        vec![Sent { items, outcome }]
    }
}

struct Rig {
    batch: Batch<u32>,
    batches: Receiver<Vec<u32>>,
    answers: Sender<Outcome>,
    local_recorder: LocalRecorder,
}

fn rig(limits: BatchLimits) -> Rig {
    let (batches_in, batches) = bounded(100);
    let (answers, answers_out) = bounded(100);
    let local_recorder = LocalRecorder::default();
    let exporter = Scripted {
        batches: batches_in,
        answers: answers_out,
    };
    let shutdown_deadline = Arc::new(ShutdownDeadline::default());
    let batch = Batch::start(
        &TRACES,
        limits,
        shutdown_deadline,
        local_recorder.clone(),
        Reporter::Quiet,
        exporter,
    )
    .unwrap();
    Rig {
        batch,
        batches,
        answers,
        local_recorder,
    }
}

impl Rig {
    fn push(&self, items: std::ops::Range<u32>) {
        items.for_each(|item| self.batch.push(item));
    }

    fn answer(&self, answer: Outcome) {
        self.answers.send(answer).unwrap();
    }

    fn taken(&self) -> Vec<u32> {
        self.batches.recv_timeout(Duration::from_secs(30)).unwrap()
    }
}

fn taken_well() -> Outcome {
    Outcome::Exported(Acceptance::default())
}

#[test]
fn full_batches_leave_before_the_delay_is_over_and_the_rest_waits() {
    let rig = rig(limits(100, 10));
    rig.push(0..25);
    assert_eq!(rig.taken(), (0..10).collect::<Vec<_>>());
    rig.answer(taken_well());
    assert_eq!(rig.taken(), (10..20).collect::<Vec<_>>());
    rig.answer(taken_well());
    rig.answer(taken_well());
    assert!(rig.batch.flush(soon()));
    assert_eq!(rig.taken(), (20..25).collect::<Vec<_>>());
    assert_eq!(rig.batch.report().exported, 25);
}

#[test]
fn items_wait_no_longer_than_the_delay() {
    let rig = rig(BatchLimits {
        delay: Duration::from_millis(1),
        ..limits(100, 10)
    });
    rig.push(0..1);
    assert_eq!(rig.taken(), [0]);
}

#[test]
fn a_full_queue_drops_and_every_item_is_counted_once() {
    let rig = rig(limits(64, 16));
    // The first batch is on its way and stays there.
    rig.push(0..16);
    rig.taken();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| rig.push(0..5_000));
        }
    });
    for _ in 0..100 {
        rig.answer(taken_well());
    }
    rig.batch.close(soon());
    assert!(rig.batch.wait_ended(soon()));
    let report = rig.batch.report();
    assert_eq!((report.exported, report.lost), (16 + 64, 0));
    assert_eq!(report.exported + report.dropped, 16 + 20_000);
}

#[test]
fn failed_rejected_and_panicking_exports_are_losses_and_the_next_one_goes_on() {
    let rig = rig(limits(100, 10));
    rig.push(0..10);
    rig.taken();
    rig.answer(Outcome::Lost(ExportError::new(
        ExportErrorType::Timeout,
        "late",
    )));
    rig.push(0..10);
    rig.taken();
    rig.answer(Outcome::Exported(Acceptance {
        rejected: 3,
        message: "full".into(),
    }));
    rig.push(0..10);
    rig.taken();
    rig.answer(taken_well());
    rig.batch.close(soon());
    assert!(rig.batch.wait_ended(soon()));
    assert_eq!(
        rig.batch.report().to_string(),
        "17 exported, 0 dropped, 13 lost (the collector rejected it: full)"
    );
    assert_eq!(rig.batch.failed(), 13);
}

#[test]
fn a_panicking_exporter_loses_its_batch_and_not_the_thread() {
    struct Panics(u32);
    impl Export<u32> for Panics {
        fn export(&mut self, batch: Vec<u32>, _: Stamp) -> Vec<Sent> {
            self.0 += 1;
            if self.0 == 1 {
                std::panic::resume_unwind(Box::new("on purpose"));
            }
            let items = batch.len() as u64;
            let outcome = taken_well();
            vec![Sent { items, outcome }]
        }
    }
    let shutdown_deadline = Arc::new(ShutdownDeadline::default());
    let batch = Batch::start(
        &TRACES,
        limits(100, 10),
        shutdown_deadline,
        LocalRecorder::default(),
        Reporter::Quiet,
        Panics(0),
    )
    .unwrap();
    batch.push(1);
    assert!(batch.flush(soon()));
    batch.push(2);
    assert!(batch.flush(soon()));
    assert_eq!(
        batch.report().to_string(),
        "1 exported, 0 dropped, 1 lost (the exporter panicked)"
    );
}

#[test]
fn an_export_that_hangs_at_the_end_is_a_loss() {
    let rig = rig(limits(100, 10));
    rig.push(0..15);
    rig.taken();
    rig.batch.close(clock::now());
    assert!(!rig.batch.wait_ended(clock::now()));
    assert_eq!(
        rig.batch.report().to_string(),
        "0 exported, 0 dropped, 15 lost"
    );
    rig.push(0..1);
    assert_eq!(rig.batch.report().dropped, 1);
}

#[test]
fn the_recorder_hears_of_the_queue_the_drops_and_the_reasons() {
    let rig = rig(limits(10, 10));
    let resource = opentelemetry_sdk::Resource::builder_empty().build();
    let (recorder, exposition) = crate::telemetry::prometheus::recorder(&resource);
    let recorder: Arc<crate::telemetry::diagnostics::local_recorder::SharedRecorder> =
        Arc::new(recorder);
    rig.local_recorder.use_recorder(&recorder);
    rig.push(0..10);
    rig.taken();
    rig.push(0..13);
    let text = exposition.render();
    for line in [
        r#"otel_sdk_processor_span_queue_size{otel_component_name="batching_span_processor/0",otel_component_type="batching_span_processor"} 10"#,
        r#"otel_sdk_processor_span_queue_capacity{otel_component_name="batching_span_processor/0",otel_component_type="batching_span_processor"} 10"#,
    ] {
        assert!(text.contains(line), "{text}");
    }
    let dropped = text
        .lines()
        .find(|line| line.contains("queue_full"))
        .unwrap();
    assert!(dropped.ends_with(" 3"), "{dropped}");
    rig.answer(Outcome::Lost(ExportError::new(ExportErrorType::Tls, "no")));
    rig.answer(taken_well());
    rig.batch.close(soon());
    assert!(rig.batch.wait_ended(soon()));
    let text = exposition.render();
    let line = |part: &str| {
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.find(|line| line.contains(part)).unwrap_or(&text)
    };
    assert!(line(r#"error_type="tls""#).ends_with(" 10"));
    assert!(line(r#"span_exporter"} "#).ends_with(" 10"));
}
