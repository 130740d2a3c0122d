//! What the page can ask of Rust, and what Rust tells the page by itself.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use spanwire::ipc::{Call, Ipc, RegisterError};
use spanwire::queue::{MessageQueue, PopError};
use spanwire::timer::monitor;
use tracing::Span;

use crate::library::{Found, Library, PublishError, Rendered, render};

/// Registers everything that the page may call.
pub(crate) fn register(
    ipc: &Ipc,
    imports: &MessageQueue<Import>,
    drive: bool,
    on_idle: impl Fn() + Send + Sync + 'static,
) -> Result<(), RegisterError> {
    let library = Arc::new(Library::new());

    ipc.on("session.start", move |_: &Call<'_>| -> Result<_, Error> {
        Ok(json!({ "drive": drive }))
    })?;
    ipc.on("session.idle", move |_: &Call<'_>| on_idle())?;
    ipc.on("ui.selected", |call: &Call<'_>| -> Result<(), Error> {
        let Target { asset } = call.data()?;
        tracing::debug!(asset, "selected");
        Ok(())
    })?;

    let shelf = Arc::clone(&library);
    ipc.on(
        "assets.search",
        move |call: &Call<'_>| -> Result<Found, Error> {
            let Search { query, limit } = call.data()?;
            Ok(monitor("search").time(|| shelf.search(&query, limit.min(100))))
        },
    )?;
    ipc.on(
        "assets.publish",
        move |call: &Call<'_>| -> Result<(), PublishError> {
            // A payload of any other form is locked, too.
            let asset = call
                .data()
                .map_or_else(|_| String::new(), |Target { asset }| asset);
            monitor("publish").run(|| library.publish(&asset))
        },
    )?;

    let queue = imports.clone();
    ipc.on(
        "assets.import",
        move |call: &Call<'_>| -> Result<_, Error> {
            let Files { files } = call.data()?;
            let files = files.min(100);
            let id = format!("import-{}", call_number());
            // Entered on the worker's thread, after this call was answered, and still its child.
            let span = tracing::info_span!("import", files);
            queue
                .push(Import {
                    id: id.clone(),
                    files,
                    span,
                })
                .map_err(|_| "too many imports are waiting")?;
            Ok(json!({ "id": id, "files": files }))
        },
    )?;

    ipc.on_async("render.preview", |_: Call<'static>| async {
        Ok::<Rendered, Error>(render(8).await)
    })?;
    ipc.on_async("render.final", |_: Call<'static>| async {
        Ok::<Rendered, Error>(render(160).await)
    })?;
    Ok(())
}

/// An import that waits for the worker.
#[derive(Debug)]
pub(crate) struct Import {
    id: String,
    files: u32,
    span: Span,
}

/// Starts the thread that imports, one at a time. It ends when the queue is closed.
pub(crate) fn start_importer(
    ipc: Ipc,
    imports: MessageQueue<Import>,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("importer".into())
        .spawn(move || {
            loop {
                match imports.pop_timeout(Duration::from_secs(3_600)) {
                    Ok(import) => run_import(&ipc, &import),
                    Err(PopError::Timeout) => {}
                    Err(_) => return,
                }
            }
        })
}

fn run_import(ipc: &Ipc, import: &Import) {
    let _in_span = import.span.enter();
    let Import { id, files, .. } = import;
    for done in 1..=*files {
        // Where a real one would read a file.
        monitor("import_file").time(|| std::thread::sleep(Duration::from_millis(15)));
        let progress = Progress {
            id,
            done,
            files: *files,
        };
        tell(ipc, "import.progress", &progress);
    }
    tell(ipc, "import.done", &json!({ "id": id, "files": files }));
}

/// Emits, and leaves what the page has no room for to the counters.
fn tell(ipc: &Ipc, event: &str, data: &impl Serialize) {
    if let Err(error) = ipc.emit(event, data) {
        tracing::debug!(%error, event, "not sent");
    }
}

/// Sends the page the numbers in its footer; of several only the last matters.
pub(crate) fn tell_stats(ipc: &Ipc) {
    let metrics = ipc.metrics();
    let stats = json!({
        "received": metrics.messages_received,
        "sent": metrics.messages_sent,
        "failed": metrics.messages_failed,
        "dropped": metrics.messages_dropped,
        "queue": metrics.peak_queue_length,
        "latency": format!("{:.1} ms", metrics.avg_latency_us as f64 / 1_000.0),
    });
    if let Err(error) = ipc.emit_latest("wire.stats", &stats) {
        tracing::debug!(%error, "no stats for the page");
    }
}

fn call_number() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static LAST: AtomicU64 = AtomicU64::new(0);
    // Relaxed: only that numbers differ matters.
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

type Error = Box<dyn std::error::Error + Send + Sync>;

#[derive(Deserialize)]
struct Search {
    query: String,
    limit: usize,
}

#[derive(Deserialize)]
struct Target {
    asset: String,
}

#[derive(Deserialize)]
struct Files {
    files: u32,
}

#[derive(Serialize)]
struct Progress<'a> {
    id: &'a str,
    done: u32,
    files: u32,
}
