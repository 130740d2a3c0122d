//! What the page may ask.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use spanwire::Ipc;
use spanwire::ipc::{Call, DataError};
use spanwire::timer::monitor;
use tokio::sync::{Mutex, OnceCell};
use tokio::time::sleep;

use crate::faults::{Fault, Faults};

/// Why a note was not saved.
#[derive(Debug)]
struct SaveError;

impl std::fmt::Display for SaveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the note was not written")
    }
}

impl Error for SaveError {}

pub(crate) fn register(ipc: &Ipc, faults: &Arc<Faults>) -> Result<(), Box<dyn Error>> {
    register_sync(ipc, faults)?;
    register_async(ipc, faults)
}

fn register_sync(ipc: &Ipc, faults: &Arc<Faults>) -> Result<(), Box<dyn Error>> {
    let edits = AtomicU64::new(0);
    ipc.on("note.edited", move |_: &Call| {
        edits.fetch_add(1, Ordering::Relaxed);
    })?;
    ipc.on("note.title", |call: &Call| {
        call.data::<u32>().map(|id| format!("Note {id}"))
    })?;
    let on = Arc::clone(faults);
    ipc.on("note.save", move |call: &Call| save(call, &on))?;
    let on = Arc::clone(faults);
    ipc.on("note.pin", move |call: &Call| -> Result<u32, DataError> {
        if on.is_on(Fault::BlockedUi) {
            // For example a picture that is scaled for the sidebar.
            std::thread::sleep(Duration::from_millis(300));
        }
        call.data()
    })?;
    ipc.on("notes.export", |_: &Call| {
        Ok::<_, DataError>("All notes as one text. ".repeat(6_000_000 / 23))
    })?;
    Ok(())
}

fn save(call: &Call<'_>, faults: &Faults) -> Result<usize, SaveError> {
    if faults.is_on(Fault::AlwaysFails) {
        return Err(SaveError);
    }
    let text = call.json().as_bytes();
    let file = std::env::temp_dir().join(format!("notebook-{}", std::process::id()));
    let mut file = std::fs::File::create(file).map_err(|_| SaveError)?;
    file.write_all(text).map_err(|_| SaveError)?;
    if faults.is_on(Fault::SlowDisk) {
        monitor("notes.fsync").time(|| {
            let _ = file.sync_all();
            // What a worn-out disk adds.
            std::thread::sleep(Duration::from_millis(250));
        });
    }
    Ok(text.len())
}

fn register_async(ipc: &Ipc, faults: &Arc<Faults>) -> Result<(), Box<dyn Error>> {
    let cache = Arc::new(Mutex::new(()));
    for event in ["note.open", "note.outline"] {
        let (on, cache) = (Arc::clone(faults), Arc::clone(&cache));
        ipc.on_async(event, move |call: Call<'static>| {
            let (on, cache) = (Arc::clone(&on), Arc::clone(&cache));
            async move {
                if on.is_on(Fault::Panics) && call.event() == "note.open" {
                    panic!("the note has no title");
                }
                let _held = cache.lock().await;
                let held_ms = match on.is_on(Fault::HeldLock) {
                    true if call.event() == "note.open" => 380,
                    _ => 1,
                };
                sleep(Duration::from_millis(held_ms)).await;
                call.data::<u32>()
            }
        })?;
    }
    let on = Arc::clone(faults);
    ipc.on_async("notes.search", move |call: Call<'static>| {
        let on = Arc::clone(&on);
        async move {
            if on.is_on(Fault::NeverAnswers) {
                std::future::pending::<()>().await;
            }
            let takes_ms = match on.is_on(Fault::CancelledCalls) {
                true => 1_000,
                false => 5,
            };
            sleep(Duration::from_millis(takes_ms)).await;
            call.data::<String>().map(|text| vec![text.len(); 10])
        }
    })?;
    let on = Arc::clone(faults);
    ipc.on_async("note.format", move |call: Call<'static>| {
        let on = Arc::clone(&on);
        async move {
            if on.is_on(Fault::StarvedRuntime) {
                // Work that belongs into `spawn_blocking`.
                std::thread::sleep(Duration::from_millis(1_500));
            }
            call.data::<u32>()
        }
    })?;
    let dictionary = Arc::new(OnceCell::new());
    ipc.on_async("spelling.check", move |call: Call<'static>| {
        let dictionary = Arc::clone(&dictionary);
        async move {
            let load = || sleep(Duration::from_secs(4));
            dictionary.get_or_init(load).await;
            call.data::<String>().map(|text| text.len())
        }
    })?;
    Ok(())
}
