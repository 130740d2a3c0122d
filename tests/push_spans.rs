//! Spans of pushes into an app's own queue.

use spanwire::queue::{MessageQueue, Traced};
use spanwire::testing::Capture;
use spanwire::timer::monitor;

// The bound is the process's: another test beside this one needs a process of its own.
#[test]
fn spans_of_pushes_beyond_the_bound_end_with_their_push() {
    const OPEN_MAX: usize = 1_000;
    let capture = Capture::new();
    let queue = MessageQueue::<Traced<usize>>::bounded("bound", 2 * OPEN_MAX);
    let ended = || {
        let spans = capture.finished_spans();
        spans
            .iter()
            .filter(|span| span.name == "send bound")
            .count()
    };
    capture.run(|| {
        let push = |message| monitor("push").time(|| queue.push_traced(message).unwrap());
        for message in 0..OPEN_MAX {
            push(message);
        }
        assert_eq!(ended(), 0);
        push(OPEN_MAX);
        assert_eq!(ended(), 1);
        for _ in 0..=OPEN_MAX {
            let (_, monitor) = queue.try_pop().unwrap().take(monitor("take"));
            monitor.time(|| ());
        }
        assert_eq!(ended(), OPEN_MAX + 1);
        // There is room again.
        push(0);
        assert_eq!(ended(), OPEN_MAX + 1);
    });
    let spans = capture.finished_spans();
    let linked = |name| {
        let named = spans.iter().filter(|span| span.name == name);
        named.map(|span| span.links.len()).sum::<usize>()
    };
    assert_eq!(
        (linked("take"), linked("send bound")),
        (OPEN_MAX + 1, OPEN_MAX)
    );
}
