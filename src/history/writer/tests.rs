use std::thread;

use crossbeam_channel::bounded;
use rusqlite::Connection;

use super::*;
use crate::history::slowness::Slowness;
use crate::instrument::record_sink::{Record, RecordKind, RecordSink};

#[test]
fn full_queue_does_not_make_the_writer_try_without_pause_while_a_reader_holds_the_file() {
    let folder = std::env::temp_dir().join(format!("spanwire-held-{}", std::process::id()));
    let path = folder.join("history.db");
    let bounds = Bounds::of(1 << 20);
    let store = Store::open(&path, bounds).unwrap().store;
    let (queue, ends) = IntakeQueue::new(false);
    let calls = ends.full.clone();
    let (commands, asked) = bounded(1);
    let slowness = Slowness {
        ipc_threshold: Duration::from_secs(1),
        factor: 0,
    };
    let writer = Writer {
        settings: WriterSettings {
            path: path.clone(),
            bounds,
            retention: Duration::from_secs(3_600),
            session: Session::new("paint-tool".to_owned(), None, None, 1),
            unclean_end: Arc::default(),
        },
        queue: Arc::clone(&queue),
        ends,
        commands: asked,
        intake: Intake::new(1_000_000, slowness),
        state: WriterState::new(Some(store)),
    };
    let (begun, has_begun) = bounded(1);
    let writer = thread::spawn(move || writer.run(begun));
    assert!(has_begun.recv().is_err(), "it says so by the channel's end");
    let record = || {
        let took = Duration::from_millis(1);
        queue.record(Record::new(RecordKind::Operation, "work", took));
    };
    let flush = || {
        let (done, written) = bounded(1);
        commands.send(Command::Flush(done)).unwrap();
        written.recv().unwrap()
    };

    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let seen = "SELECT count(*) FROM session";
    reader.query_row(seen, [], |_| Ok(())).unwrap();
    let is_held = (0..500).any(|_| {
        (0..2 * bounds.rows_max()).for_each(|_| record());
        matches!(flush(), Err(HistoryError::HeldByReader { .. }))
    });
    assert!(is_held, "the log grows up to its bound");
    // The batch is full, and then the queue.
    (0..=QUEUE_MAX).for_each(|_| record());
    assert!(flush().is_err());
    (0..=QUEUE_MAX).for_each(|_| record());
    for _ in 0..20 {
        record();
        // By the time that the writer has answered, it had a call and a command to choose from.
        assert!(flush().is_err());
        assert_eq!(calls.len(), 1, "the writer came before its time");
    }

    reader.execute_batch("COMMIT").unwrap();
    assert!(flush().is_ok());
    let (done, ended) = bounded(1);
    let end = Command::End {
        crashed: false,
        done,
    };
    commands.send(end).unwrap();
    ended.recv().unwrap();
    writer.join().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}
