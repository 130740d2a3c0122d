//! What the page can ask for: commands as an app has them, with nothing of the plugin in them.

use std::time::Duration;

use serde::Serialize;
use tauri::ipc::{Channel, InvokeBody, Request, Response};
use tauri::{AppHandle, Emitter};

/// A drawing, as the page shows it.
#[derive(Serialize)]
pub(crate) struct Drawing {
    name: String,
    layers: Vec<&'static str>,
}

/// Quick, on the main thread.
#[tauri::command]
pub(crate) fn open_drawing(name: String) -> Drawing {
    Drawing {
        name,
        layers: vec!["sky", "hills", "river"],
    }
}

/// Keeps the main thread, so the window does not react meanwhile.
#[tauri::command]
pub(crate) fn blur() -> u32 {
    std::thread::sleep(Duration::from_millis(60));
    8
}

/// Slow, and only the page waits for it.
#[tauri::command]
pub(crate) async fn render(app: AppHandle) -> Result<u32, String> {
    for percent in (20..=100).step_by(20) {
        tokio::time::sleep(Duration::from_millis(40)).await;
        app.emit("render-progress", percent)
            .map_err(|error| error.to_string())?;
    }
    Ok(3)
}

/// Fails, as a full disk makes it.
#[tauri::command]
pub(crate) async fn save(name: String) -> Result<(), String> {
    Err(format!("no room for {name}"))
}

/// A bug: the page's promise is never settled.
#[tauri::command]
pub(crate) async fn recolour() -> u32 {
    let palette: Vec<u32> = Vec::new();
    palette[0]
}

/// Takes bytes and gives bytes: an inverted picture.
#[tauri::command]
pub(crate) fn invert(request: Request<'_>) -> Result<Response, String> {
    match request.body() {
        InvokeBody::Raw(pixels) => Ok(Response::new(
            pixels.iter().map(|pixel| 255 - pixel).collect::<Vec<_>>(),
        )),
        InvokeBody::Json(_) => Err("expected bytes".to_owned()),
    }
}

/// A point of a stroke.
#[derive(Clone, Serialize)]
pub(crate) struct Point {
    x: f64,
    y: f64,
}

/// Streams a stroke to the page.
#[tauri::command]
pub(crate) async fn stroke(points: u32, on_point: Channel<Point>) -> Result<u32, String> {
    for n in 0..points {
        let angle = f64::from(n) * 0.2;
        let point = Point {
            x: angle.cos(),
            y: angle.sin(),
        };
        on_point.send(point).map_err(|error| error.to_string())?;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(points)
}
