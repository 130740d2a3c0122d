//! A wire and a queue that are older than telemetry report from its install on, without a gap.
//! A process of its own: what is installed is process-wide.

use std::time::Duration;

use spanwire::ipc::Ipc;
use spanwire::queue::MessageQueue;
use spanwire::telemetry::{Sampler, Telemetry};
use spanwire_testkit::model_page::ModelPage;
use spanwire_testkit::receiver::Receiver;
use spanwire_testkit::scrape::scrape;

#[test]
fn wires_and_queues_built_before_the_install_report_from_it_on() {
    let ipc = Ipc::builder("early").build();
    let queue = MessageQueue::bounded("early_jobs", 10);
    let mut page = ModelPage::load(&ipc, "p1");
    // Used before anybody listens, and right before somebody does.
    ipc.emit("tick", &0).unwrap();
    page.pump(&ipc);
    queue.push(0).unwrap();

    let receiver = Receiver::start();
    let telemetry = Telemetry::builder("late")
        .environment(|_| None)
        .prometheus_port(0)
        .otlp_endpoint(receiver.url())
        .sampler(Sampler::ParentBasedAlwaysOn)
        .without_system()
        .install()
        .unwrap();
    for n in 1..=50 {
        ipc.emit("tick", &n).unwrap();
        page.pump(&ipc);
    }
    queue.push(1).unwrap();
    assert_eq!(queue.drain(10), [0, 1]);

    let scraped = scrape(telemetry.prometheus_addr().unwrap());
    let value = |name: &str, label: &str, is: &str| {
        let found = |sample: &&spanwire_testkit::scrape::Sample| {
            sample.name == name
                && sample.label(label) == is
                && sample.label("error_type").is_empty()
        };
        scraped.iter().find(found).map(|sample| sample.value)
    };
    let messages = "spanwire_ipc_messages_total";
    assert_eq!(
        value(messages, "spanwire_webview_name", "early"),
        Some(50.0)
    );
    assert_eq!(
        value(
            "spanwire_queue_messages_total",
            "spanwire_queue_name",
            "early_jobs"
        ),
        Some(2.0)
    );
    assert_eq!(
        value(
            "spanwire_queue_capacity",
            "spanwire_queue_name",
            "early_jobs"
        ),
        Some(10.0)
    );

    let report = telemetry.shutdown(Duration::from_secs(10));
    assert_eq!(report.spans.exported, 50);
    assert_eq!(
        receiver
            .spans()
            .iter()
            .filter(|span| span.name == "send tick")
            .count(),
        50
    );
}
