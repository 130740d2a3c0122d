//! What ends, and how: wires, handlers and threads, at the edges of what an app may do.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use spanwire::ipc::Ipc;
use spanwire::queue::MessageQueue;

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
