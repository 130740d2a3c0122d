//! What the page can ask of Rust.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use spanwire::ipc::{Call, Ipc, RegisterError};
use spanwire::timer::monitor;

use crate::import::{Import, Imports};
use crate::library::{AssetError, Details, Found, Library, Rendered, render};

/// What the page is told when it starts.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Session {
    /// The page uses itself.
    pub(crate) drive: bool,
    /// And keeps to what is quick and works.
    pub(crate) calm: bool,
    /// Where the metrics are.
    pub(crate) metrics: Option<String>,
    /// Where the traces go.
    pub(crate) traces: Option<String>,
}

/// Registers everything that the page may call.
pub(crate) fn register(
    ipc: &Ipc,
    library: &Arc<Library>,
    imports: &Imports,
    session: Session,
    on_idle: impl Fn() + Send + Sync + 'static,
) -> Result<(), RegisterError> {
    ipc.on("session.start", move |_: &Call<'_>| -> Result<_, Error> {
        Ok(session.clone())
    })?;
    ipc.on("session.idle", move |_: &Call<'_>| on_idle())?;
    ipc.on("ui.selected", |call: &Call<'_>| -> Result<(), Error> {
        let Target { asset } = call.data()?;
        tracing::debug!(asset, "selected");
        Ok(())
    })?;

    // Quick enough for the thread of the window.
    let shelf = Arc::clone(library);
    ipc.on(
        "assets.search",
        move |call: &Call<'_>| -> Result<Found, Error> {
            let Search {
                query,
                light,
                limit,
            } = call.data()?;
            // The page chooses the limit, and code in the page may be hostile: the host has a bound
            // of its own.
            Ok(monitor("search").time(|| shelf.search(&query, &light, limit.min(100))))
        },
    )?;

    // These wait for something, and are dropped there when the page does not want them any more.
    let shelf = Arc::clone(library);
    ipc.on_async("assets.open", move |call: Call<'static>| {
        let shelf = Arc::clone(&shelf);
        async move {
            let Target { asset } = call.data()?;
            Ok::<Details, Error>(monitor("open").run_async(shelf.open(asset)).await?)
        }
    })?;
    let shelf = Arc::clone(library);
    ipc.on_async("assets.publish", move |call: Call<'static>| {
        let shelf = Arc::clone(&shelf);
        async move {
            // What names no asset names one that is not there. The error keeps its type: the
            // page reads it as the error's `name`.
            let asset = call.data().map_or(u32::MAX, |Target { asset }| asset);
            let publish = monitor("publish").run_async(shelf.publish(asset));
            publish.await as Result<(), AssetError>
        }
    })?;
    let queue = imports.clone();
    ipc.on_async("assets.import", move |call: Call<'static>| {
        let queue = queue.clone();
        async move {
            let Files { job, files } = call.data()?;
            let (import, ticket) = Import::new(job, files.min(1_000));
            queue
                .push_traced(import)
                // The queue gives a full queue's import back; the closure drops it, and the error
                // rejects the page's promise at once.
                .map_err(|_| "too many imports are waiting")?;
            // The ticket lives in this future. When the page gives the call up the wire drops the
            // future, and that stops the import.
            let imported = ticket.finished().await?;
            Ok::<_, Error>(json!({ "imported": imported }))
        }
    })?;
    ipc.on_async("render.preview", |_: Call<'static>| async {
        Ok::<Rendered, Error>(render(16).await)
    })?;
    ipc.on_async("render.final", |_: Call<'static>| async {
        Ok::<Rendered, Error>(render(768).await)
    })?;
    Ok(())
}

type Error = Box<dyn std::error::Error + Send + Sync>;

#[derive(Deserialize)]
struct Search {
    query: String,
    /// The time of day or the weather; empty for any.
    light: String,
    limit: usize,
}

#[derive(Deserialize)]
struct Target {
    asset: u32,
}

#[derive(Deserialize)]
struct Files {
    job: u32,
    files: u32,
}
