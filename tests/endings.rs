//! What ends, and how: wires, handlers and threads, at the edges of what an app may do.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use spanwire::ipc::Ipc;
use spanwire::queue::MessageQueue;
use spanwire::testing::Capture;

#[test]
fn a_queue_of_the_largest_capacity_takes_messages_and_no_memory_for_the_rest() {
    let queue = MessageQueue::bounded("endless", usize::MAX);
    for message in 0..100 {
        queue.push(message).unwrap();
    }
    assert!(queue.capacity() > 1_000_000);
    assert_eq!(queue.drain(usize::MAX), Vec::from_iter(0..100));
    queue.close();
    assert!(queue.push(1).is_err());
}

#[test]
fn a_wire_of_the_largest_capacity_sends() {
    let ipc = Ipc::builder("endless").queue_capacity(usize::MAX).build();
    ipc.page_ready("p1").unwrap();
    ipc.emit("event", &1).unwrap();
    assert!(ipc.next_script().is_some());
}

#[test]
fn gauges_of_queues_of_one_name_are_sums() {
    let capture = Capture::new();
    capture.run(|| {
        let (a, b) = (
            MessageQueue::bounded("twins", 10),
            MessageQueue::bounded("twins", 20),
        );
        let gauge = |name| capture.gauge(name, &[("spanwire.queue.name", "twins")]);
        for queue in [&a, &a, &a, &b, &b, &b, &b] {
            queue.push(()).unwrap();
        }
        assert_eq!(gauge("spanwire.queue.size"), Some(7.0));
        assert_eq!(gauge("spanwire.queue.capacity"), Some(30.0));
        assert_eq!(gauge("spanwire.queue.peak"), Some(7.0));
        drop(b);
        assert_eq!(gauge("spanwire.queue.size"), Some(3.0));
        drop(a);
        assert_eq!(gauge("spanwire.queue.size"), Some(0.0));
    });
}

#[test]
fn gauges_of_wires_of_one_name_are_sums() {
    let capture = Capture::new();
    capture.run(|| {
        let wires = [
            Ipc::builder("twins").build(),
            Ipc::builder("twins").build(),
            Ipc::builder("twins").build(),
        ];
        for (wire, messages) in wires.iter().zip([3, 4, 0]) {
            for message in 0..messages {
                wire.emit("event", &message).unwrap();
            }
        }
        wires[0].page_ready("p1").unwrap();
        wires[1].page_ready("p1").unwrap();
        let size = capture.gauge("spanwire.queue.size", &[("spanwire.queue.name", "twins")]);
        assert_eq!(size, Some(7.0));
        let state = |state| {
            let labels = [
                ("spanwire.webview.name", "twins"),
                ("spanwire.page.state", state),
            ];
            capture.gauge("spanwire.page.state", &labels)
        };
        assert_eq!(state("ready"), Some(2.0));
        assert_eq!(state("loading"), Some(1.0));
    });
}
