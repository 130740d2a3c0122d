//! Processes that die, and those that come after them.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use crate::app::{App, SECOND, builder, span_names};
use spanwire_testkit::child_process;
use spanwire_testkit::folder::Folder;
use spanwire_testkit::receiver::{Answer, Receiver};

const URL: &str = "SPANWIRE_TEST_URL";
const FOLDER: &str = "SPANWIRE_TEST_FOLDER";
const NAMES: &str = "SPANWIRE_TEST_NAMES";

/// Another process that spools spans of these names, and lives until it is killed.
struct Other(Child);

impl Other {
    fn start(receiver: &Receiver, folder: &Folder, names: &str) -> Self {
        let mut child = child_process::command("processes::be_another_process")
            .env(URL, receiver.url())
            .env(FOLDER, folder.path())
            .env(NAMES, names)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = lines.map_while(Result::ok);
        assert!(lines.any(|line| line.contains("spooled all")));
        Self(child)
    }

    /// With a signal that leaves it no time for anything.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn be_another_process() {
    let Ok(url) = std::env::var(URL) else {
        return;
    };
    let folder = std::env::var(FOLDER).unwrap();
    let app = App::start(builder(&url, folder.as_ref()));
    let names = std::env::var(NAMES).unwrap();
    for name in names.split(' ') {
        app.span(name);
    }
    println!("spooled all");
    loop {
        std::thread::park();
    }
}

#[test]
fn spans_of_a_killed_process_are_sent_once_by_the_next() {
    let (folder, receiver) = (Folder::new("spool"), Receiver::start());
    receiver.answer(Answer::Close);
    Other::start(&receiver, &folder, "a b c d e").kill();
    assert_eq!(span_names(&receiver), Vec::<String>::new());
    receiver.answer(Answer::Ok);
    let app = App::start(builder(&receiver.url(), folder.path()));
    app.wait_until("replayed", |app| app.items("replayed") == 5.0);
    assert_eq!(span_names(&receiver), ["a", "b", "c", "d", "e"]);
    assert_eq!(app.size(), 0.0);
    // Reported by the process that sent them.
    let report = app.telemetry.shutdown(10 * SECOND);
    assert_eq!(report.spans.to_string(), "5 exported, 0 dropped, 0 lost");
    drop(app);
    assert_eq!(folder.files(), Vec::<std::path::PathBuf>::new());
    drop(App::start(builder(&receiver.url(), folder.path())));
    assert_eq!(span_names(&receiver).len(), 5);
}

#[test]
fn two_processes_in_one_folder_send_only_their_own_spans() {
    let (folder, receiver) = (Folder::new("spool"), Receiver::start());
    receiver.answer(Answer::Close);
    let one = Other::start(&receiver, &folder, "a b");
    let two = Other::start(&receiver, &folder, "c d");
    assert_eq!(folder.segments().len(), 2);
    // It waits a second, and then longer, so it is killed before it sends anything.
    one.kill();
    let app = App::start(builder(&receiver.url(), folder.path()));
    app.wait_until("adopted", |app| app.size() > 0.0);
    two.kill();
    receiver.answer(Answer::Ok);
    app.wait_until("replayed", |app| {
        app.items("replayed") == 2.0 && app.size() == 0.0
    });
    assert_eq!(span_names(&receiver), ["a", "b"]);
    drop(app);
    let app = App::start(builder(&receiver.url(), folder.path()));
    app.wait_until("replayed", |app| app.items("replayed") == 2.0);
    assert_eq!(span_names(&receiver), ["a", "b", "c", "d"]);
}

#[test]
fn a_torn_last_record_is_lost_alone() {
    let (folder, receiver) = (Folder::new("spool"), Receiver::start());
    receiver.answer(Answer::Close);
    Other::start(&receiver, &folder, "a b c").kill();
    let segment = &folder.segments()[0];
    let bytes = std::fs::read(segment).unwrap();
    std::fs::write(segment, &bytes[..bytes.len() - 1]).unwrap();
    receiver.answer(Answer::Ok);
    let app = App::start(builder(&receiver.url(), folder.path()));
    app.wait_until("replayed", |app| {
        app.items("replayed") == 2.0 && app.size() == 0.0
    });
    assert_eq!(span_names(&receiver), ["a", "b"]);
    assert_eq!(app.dropped("corrupt"), 1.0);
}

#[test]
fn a_flipped_bit_in_a_body_loses_that_record_alone() {
    let (folder, receiver) = (Folder::new("spool"), Receiver::start());
    receiver.answer(Answer::Close);
    Other::start(&receiver, &folder, "a b c").kill();
    let segment = &folder.segments()[0];
    let mut bytes = std::fs::read(segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(segment, bytes).unwrap();
    receiver.answer(Answer::Ok);
    let app = App::start(builder(&receiver.url(), folder.path()));
    app.wait_until("replayed", |app| {
        app.items("replayed") == 2.0 && app.size() == 0.0
    });
    assert_eq!(span_names(&receiver), ["a", "c"]);
    assert_eq!(app.dropped("corrupt"), 1.0);
}
