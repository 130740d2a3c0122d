//! Hot paths that must not allocate.

use allocation_counter::measure;
use spanwire::ipc::{Ipc, PageEvents};
use spanwire::queue::{MessageQueue, Overflow};
use spanwire::telemetry::{MetricsExporter, Telemetry};
use spanwire::timer::monitor;
use spanwire_testkit::local_recorder::with_recorder_of;

const ROUNDS: usize = 1_000;

/// Pushes that are accepted, refused and evicting, and pops of all kinds.
fn exercise(queues: &[MessageQueue<[u8; 64]>], drained: &mut Vec<[u8; 64]>) {
    for queue in queues {
        for _ in 0..ROUNDS {
            for _ in 0..10 {
                let _ = queue.push([7; 64]);
            }
            let _ = queue.try_pop();
            let _ = queue.pop_timeout(std::time::Duration::ZERO);
            drained.clear();
            queue.drain_into(drained, 100);
        }
    }
}

fn queues() -> Vec<MessageQueue<[u8; 64]>> {
    [Overflow::DropNewest, Overflow::DropOldest]
        .into_iter()
        .map(|overflow| {
            let queue = MessageQueue::builder("allocations")
                .capacity(8)
                .overflow(overflow)
                .build();
            queue.on_wake(|| {});
            queue
        })
        .collect()
}

#[test]
fn push_and_pop_do_not_allocate() {
    let mut drained = Vec::with_capacity(100);
    // Without a recorder, then with one.
    let off = queues();
    let on = queues();
    exercise(&off, &mut drained);
    let allocations = measure(|| exercise(&off, &mut drained));
    assert_eq!(allocations.count_total, 0);
    with_both_exporters(|| {
        exercise(&on, &mut drained);
        let allocations = measure(|| exercise(&on, &mut drained));
        assert_eq!(allocations.count_total, 0);
    });
}

#[test]
fn recording_a_metric_does_not_allocate() {
    with_both_exporters(|| {
        let labels = [("spanwire.queue.name", "allocations")];
        let counter = metrics::counter!("spanwire.queue.messages", &labels);
        let gauge = metrics::gauge!("spanwire.queue.size", &labels);
        let histogram = metrics::histogram!("spanwire.queue.wait.duration", &labels);
        let record = || {
            for n in 0..ROUNDS {
                counter.increment(1);
                gauge.set(n as f64);
                histogram.record(n as f64 / 1_000.0);
            }
        };
        record();
        assert_eq!(measure(record).count_total, 0);
    });
}

#[test]
fn an_operation_without_a_span_does_not_allocate() {
    with_both_exporters(|| {
        let operation = || {
            for _ in 0..ROUNDS {
                monitor("allocations").time(|| ());
            }
        };
        operation();
        assert_eq!(measure(operation).count_total, 0);
    });
}

#[test]
fn a_flood_of_event_names_leaves_no_memory_behind() {
    with_both_exporters(|| {
        let ipc = Ipc::builder("flood").build();
        ipc.page_ready("p1").expect("it is the first");
        let mut names = 0..;
        let mut flood = |count: usize| {
            for id in names.by_ref().take(count) {
                let text = format!(
                    r#"{{"spanwire":1,"nonce":"{}","page":"p1","messages":[{{"kind":"event","id":{},"event":"e{id}"}}]}}"#,
                    ipc.nonce(),
                    id + 1
                );
                let _ = ipc.receive(&text, None);
                // The page's window comes back with the next script.
                while ipc.next_script().is_some() {}
            }
        };
        // The names that get series of their own, and what the first use sets up.
        flood(1_000);
        let left = measure(|| flood(100_000)).bytes_current;
        assert!(left < 16 << 10, "{left} bytes");
        assert_eq!(ipc.metrics().messages_received, 101_000);
    });
}

/// Any frame may post anything, so what proves nothing must cost nothing.
#[test]
fn a_text_without_the_nonce_is_refused_without_allocating_for_it() {
    with_both_exporters(|| {
        let ipc = Ipc::builder("refused")
            .page_events(PageEvents::SpanwireAndPlain)
            .build();
        let filler = "{},".repeat(300_000);
        let nonce = "0".repeat(32);
        let texts = [
            format!(r#"{{"spanwire":1,"nonce":"{nonce}","page":"p1","messages":[{filler}0]}}"#),
            format!(r#"{{"spanwire":1,"messages":[{filler}0]}}"#),
            format!(r#"{{"spanwire":1,"nonce":"{nonce}","page":"p1","messages":[{filler}{filler}"#),
            format!(r#"{{"type":"event","event":[{filler}0]}}"#),
            format!(r#"{{"type":"event","detail":[{filler}0],"event":"save"}}"#),
        ];
        let refuse = || {
            for text in &texts {
                let _ = ipc.receive(text, None);
                let _ = ipc.receive(text, Some("https://elsewhere.example"));
                let _ = ipc.receive_bytes(text.as_bytes(), Some("null"));
            }
        };
        // The first use makes the series.
        refuse();
        let allocated = measure(refuse);
        assert!(allocated.bytes_max < 4 << 10, "{allocated:?}");
        assert_eq!(ipc.metrics().messages_received, 30);
    });
}

/// Runs `f` under the recorder of an app that has both exporters on.
fn with_both_exporters(f: impl FnOnce()) {
    let (telemetry, parts) = Telemetry::builder("allocations")
        .environment(|_| None)
        .prometheus_port(0)
        // Nobody listens there; the first export would be after a minute.
        .otlp_endpoint("http://127.0.0.1:9")
        .metrics(MetricsExporter::PrometheusAndOtlp)
        .without_system()
        .build()
        .expect("the settings are sound");
    with_recorder_of(&parts, f);
    telemetry.shutdown(std::time::Duration::from_millis(100));
}
