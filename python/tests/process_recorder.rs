//! The recorder in force is told every description, also one that comes while it is put in force.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    describe_counter,
};

// By its path: the package is a library of C's kind, which no test links, and this file needs
// nothing of Python.
#[path = "../src/process_recorder.rs"]
#[allow(dead_code, reason = "what a forked child does is tested from Python")]
mod process_recorder;

type OnDescribe = Box<dyn Fn(&str) + Send + Sync>;

struct Told {
    names: Mutex<Vec<String>>,
    on_describe: OnDescribe,
}

impl Told {
    fn new(on_describe: OnDescribe) -> Arc<Self> {
        let names = Mutex::default();
        Arc::new(Self { names, on_describe })
    }

    fn names(&self) -> Vec<String> {
        let mut names = self.names.lock().unwrap().clone();
        names.sort();
        names
    }
}

impl Recorder for Told {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.names.lock().unwrap().push(name.as_str().to_owned());
        (self.on_describe)(name.as_str());
    }

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// Tells through the channel that it was told `b`.
fn telling(told: SyncSender<()>) -> Arc<Told> {
    Told::new(Box::new(move |name| {
        if name == "b" {
            let _ = told.send(());
        }
    }))
}

/// Has another thread describe `b` while it is told `a`.
fn interrupted(go: SyncSender<()>, older_was_told: Receiver<()>) -> Arc<Told> {
    let older_was_told = Mutex::new(older_was_told);
    Told::new(Box::new(move |name| {
        if name == "a" {
            go.send(()).unwrap();
            // The chance for the other thread to tell the older recorder alone. It must not take
            // it, so this wait normally runs out.
            let older_was_told = older_was_told.lock().unwrap();
            let _ = older_was_told.recv_timeout(Duration::from_millis(500));
        }
    }))
}

#[test]
fn what_is_described_while_a_recorder_is_put_in_force_reaches_it() {
    let (go, gone) = sync_channel(1);
    let (told, older_was_told) = sync_channel(1);
    process_recorder::set(Some(telling(told)));
    describe_counter!("a", "Described before.");
    let other = thread::spawn(move || {
        gone.recv().unwrap();
        describe_counter!("b", "Described meanwhile.");
    });
    let newer = interrupted(go, older_was_told);
    process_recorder::set(Some(Arc::clone(&newer) as _));
    other.join().unwrap();
    assert_eq!(newer.names(), ["a", "b"]);
}
