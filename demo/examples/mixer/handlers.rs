//! What the page may ask.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use spanwire::Ipc;
use spanwire::ipc::{Bytes, Call, DataError, RegisterError};

use crate::desk::{Desk, DeskError, PeaksJob, locked};
use crate::options::Fault;

#[derive(Deserialize)]
struct Fader {
    channel: usize,
    value: f32,
}

/// Registers all handlers.
pub(crate) fn register(ipc: &Ipc, desk: &Arc<Desk>) -> Result<(), RegisterError> {
    channels(ipc, desk)?;
    session(ipc, desk)?;
    library(ipc, desk)?;
    tracks(ipc, desk)
}

fn channels(ipc: &Ipc, desk: &Arc<Desk>) -> Result<(), RegisterError> {
    let shared = desk.clone();
    ipc.on("channels.list", move |_: &Call| {
        Ok::<_, DeskError>(shared.channels())
    })?;
    let shared = desk.clone();
    ipc.on("channel.get", move |call: &Call| {
        shared.channel(call.data()?)
    })?;
    let shared = desk.clone();
    ipc.on("channel.gain", move |call: &Call| {
        let fader: Fader = call.data()?;
        shared.set_gain(fader.channel, fader.value)
    })?;
    let (sender, shared) = (ipc.clone(), desk.clone());
    ipc.on("fader.set", move |call: &Call| -> Result<(), DeskError> {
        let fader: Fader = call.data()?;
        shared.set_gain(fader.channel, fader.value)?;
        // Other views of the desk show the move too. A full queue counts it as lost.
        let _ = sender.emit(
            "fader.moved",
            &json!({ "channel": fader.channel, "value": fader.value }),
        );
        Ok(())
    })?;
    Ok(())
}

fn session(ipc: &Ipc, desk: &Arc<Desk>) -> Result<(), RegisterError> {
    let shared = desk.clone();
    ipc.on("desk.settings", move |_: &Call| {
        Ok::<_, DeskError>(json!({ "theme": "dark", "features": shared.faults.of_page() }))
    })?;
    let shared = desk.clone();
    ipc.on("mix.save", move |call: &Call| shared.save(call.json()))?;
    let shared = desk.clone();
    ipc.on("preset.load", move |call: &Call| {
        shared.preset(call.data()?)
    })?;
    let shared = desk.clone();
    ipc.on("undo.push", move |call: &Call| {
        let gains: Vec<f32> = call.data()?;
        Ok::<_, DataError>(shared.push_undo(&gains))
    })?;
    Ok(())
}

fn library(ipc: &Ipc, desk: &Arc<Desk>) -> Result<(), RegisterError> {
    let shared = desk.clone();
    ipc.on_async("library.search", move |call: Call<'static>| {
        let shared = shared.clone();
        async move {
            let text: String = call.data()?;
            let wait = if shared.faults.has(Fault::SearchTimesOut) {
                2_500
            } else {
                2
            };
            tokio::time::sleep(Duration::from_millis(wait)).await;
            Ok::<_, DataError>(vec![format!("{text} 1"), format!("{text} 2")])
        }
    })?;
    let shared = desk.clone();
    ipc.on_async("library.scan", move |call: Call<'static>| {
        let shared = shared.clone();
        async move {
            let folder: String = call.data()?;
            if shared.faults.has(Fault::BlockingScanOnRuntime) {
                thread::sleep(Duration::from_millis(1_500));
            } else {
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
            Ok::<Value, DataError>(json!({ "folder": folder, "files": 120 }))
        }
    })?;
    let shared = desk.clone();
    ipc.on_deferred("plugin.open", move |call: Call<'static>, responder| {
        if shared.faults.has(Fault::PluginNeverAnswers) {
            locked(&shared.opening).push(responder);
            return;
        }
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(5));
            // The page may be gone by now.
            let _ = responder.respond(call.data::<String>());
        });
    })?;
    Ok(())
}

fn tracks(ipc: &Ipc, desk: &Arc<Desk>) -> Result<(), RegisterError> {
    let shared = desk.clone();
    ipc.on("waveform.read", move |call: &Call| {
        let track: usize = call.data()?;
        Ok::<_, DataError>(Bytes::from(shared.waveform(track)))
    })?;
    let shared = desk.clone();
    ipc.on(
        "peaks.request",
        move |call: &Call| -> Result<(), DataError> {
            let job: PeaksJob = call.data()?;
            // A full queue counts it as lost; the page asks for the next piece anyway.
            let _ = shared.jobs.push(job);
            Ok(())
        },
    )?;
    Ok(())
}
