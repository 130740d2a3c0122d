//! Imports: each waits in a queue of the app's own, runs on a thread of its own, and can be stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use serde::Serialize;
use spanwire::ipc::Ipc;
use spanwire::queue::{MessageQueue, Traced, Workers};
use spanwire::timer::monitor;
use tokio::sync::oneshot;
use tracing::Span;

use crate::library::Library;
use crate::send::send;

/// The queue of the imports: the span of an import's call and that of the worker are linked.
pub(crate) type Imports = MessageQueue<Traced<Import>>;

/// An import that waits for the worker, or that it works on.
#[derive(Debug)]
pub(crate) struct Import {
    /// The page's number for it.
    job: u32,
    files: u32,
    stopped: Arc<AtomicBool>,
    finished: oneshot::Sender<u32>,
    /// Where its files are, when that does not answer until the other end is dropped.
    share: Option<Receiver<()>>,
    /// Made where the page's call is handled and entered on the worker's thread.
    span: Span,
}

/// What waits for an import's end. Dropped earlier, it stops the import before its next file: so
/// a page that aborts its call, or goes away, does not leave work behind.
#[derive(Debug)]
pub(crate) struct Ticket {
    stopped: Arc<AtomicBool>,
    finished: oneshot::Receiver<u32>,
}

impl Import {
    pub(crate) fn new(job: u32, files: u32) -> (Self, Ticket) {
        let (sender, receiver) = oneshot::channel();
        let stopped = Arc::new(AtomicBool::new(false));
        let ticket = Ticket {
            stopped: Arc::clone(&stopped),
            finished: receiver,
        };
        let import = Self {
            job,
            files,
            stopped,
            finished: sender,
            share: None,
            // The handler's span is the current one here, so it becomes the parent. On the worker's
            // thread no span is current.
            span: tracing::info_span!("import", files),
        };
        (import, ticket)
    }

    /// An import from a network share that hangs until the third of these is dropped.
    pub(crate) fn from_hanging_share() -> (Self, Ticket, SyncSender<()>) {
        let (mut import, ticket) = Self::new(0, 1);
        let (answer, share) = sync_channel(0);
        import.share = Some(share);
        (import, ticket, answer)
    }
}

impl Ticket {
    /// How many files were imported.
    pub(crate) async fn finished(mut self) -> Result<u32, &'static str> {
        (&mut self.finished)
            .await
            .map_err(|_| "the app is being closed")
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // Relaxed: the import's thread reads the flag and no other data by it. A drop after a
        // complete import sets it too, when that thread no longer reads it.
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// Starts the worker that imports, one at a time. It ends when the queue is closed.
pub(crate) fn start_importer(
    ipc: Ipc,
    library: Arc<Library>,
    imports: &Imports,
) -> std::io::Result<Workers> {
    imports.work(1, "work_off_import", move |import| {
        run(&ipc, &library, import)
    })
}

fn run(ipc: &Ipc, library: &Library, import: Import) {
    let in_span = import.span.enter();
    let Import { job, files, .. } = import;
    if let Some(share) = &import.share {
        // It fails when the share is back, since nothing is ever sent.
        let _ = share.recv();
    }
    let mut done = 0;
    while done < files && !import.stopped.load(Ordering::Relaxed) {
        let name = monitor("import_file").time(|| {
            // Where a real one would read and convert a file.
            std::thread::sleep(Duration::from_millis(26));
            library.add()
        });
        done += 1;
        let progress = Progress {
            job,
            done,
            files,
            name: &name,
        };
        send(ipc, "import.progress", &progress);
    }
    if done < files {
        tracing::info!(done, "the import was stopped");
        send(ipc, "import.stopped", &Stopped { job, done });
    }
    // The span ends before the page is answered, so it is within the call's span.
    drop(in_span);
    // Nobody waits any more when it was stopped.
    let _ = import.finished.send(done);
}

#[derive(Serialize)]
struct Progress<'a> {
    job: u32,
    done: u32,
    files: u32,
    name: &'a str,
}

#[derive(Serialize)]
struct Stopped {
    job: u32,
    done: u32,
}
