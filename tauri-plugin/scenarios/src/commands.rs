//! The app's commands, one of each kind.

use std::time::Duration;

use tauri::ipc::{Channel, InvokeBody, Request, Response};
use tauri::{AppHandle, Emitter, Manager, WebviewWindow};
use tauri_plugin_spanwire::CommandSpan;
use tokio::sync::Semaphore;

use crate::report_path;

/// How long the slow commands take.
const SLOW: Duration = Duration::from_millis(25);

#[tauri::command]
pub(crate) fn sync_ok(value: u32) -> u32 {
    value
}

#[tauri::command]
pub(crate) fn sync_slow() {
    std::thread::sleep(SLOW);
}

#[tauri::command]
pub(crate) fn sync_fail() -> Result<(), String> {
    Err("the disk is full".to_owned())
}

/// A panic on the main thread ends the process, with the plugin and without.
#[tauri::command]
pub(crate) fn sync_panic() {
    panic!("a sync command panics");
}

#[tauri::command]
pub(crate) async fn async_ok(value: u32) -> u32 {
    value
}

#[tauri::command]
pub(crate) async fn async_slow() {
    tokio::time::sleep(SLOW).await;
}

/// Makes a span after it has waited, perhaps on another thread.
#[tauri::command]
pub(crate) async fn async_span() {
    tokio::time::sleep(SLOW).await;
    tracing::info_span!("inner").in_scope(|| {});
}

/// The same within the command's span.
#[tauri::command]
pub(crate) async fn async_span_within(span: CommandSpan) {
    span.run(async {
        tokio::time::sleep(SLOW).await;
        tracing::info_span!("within").in_scope(|| {});
    })
    .await;
}

#[tauri::command]
pub(crate) async fn async_fail() -> Result<(), String> {
    Err("the network is down".to_owned())
}

#[tauri::command]
pub(crate) async fn async_panic() {
    panic!("an async command panics");
}

static RELEASED: Semaphore = Semaphore::const_new(0);

/// Ends when it is released.
#[tauri::command]
pub(crate) async fn held() {
    RELEASED.acquire().await.unwrap().forget();
}

#[tauri::command]
pub(crate) fn release(calls: usize) {
    RELEASED.add_permits(calls);
}

/// Answers with the bytes that came.
#[tauri::command]
pub(crate) fn raw_bytes(request: Request<'_>) -> Response {
    match request.body() {
        InvokeBody::Raw(bytes) => Response::new(bytes.clone()),
        InvokeBody::Json(_) => Response::new(Vec::new()),
    }
}

#[tauri::command]
pub(crate) fn stream(channel: Channel<u32>, messages: u32) {
    for message in 0..messages {
        channel.send(message).unwrap();
    }
}

/// Sends events to every page that listens, or to one window alone.
#[tauri::command]
pub(crate) fn emit_events(app: AppHandle, event: String, times: u32, to: Option<String>) {
    for n in 0..times {
        match &to {
            Some(label) => app.emit_to(label.as_str(), &event, n).unwrap(),
            None => app.emit(&event, n).unwrap(),
        }
    }
}

#[tauri::command]
pub(crate) fn close_window(app: AppHandle, label: String) {
    app.get_webview_window(&label).unwrap().destroy().unwrap();
}

#[tauri::command]
pub(crate) async fn open_window(app: AppHandle, label: String) {
    crate::pages::open(&app, &label, "second");
}

/// Ends the page's process; the app ends when WebKit tells of it.
#[tauri::command]
pub(crate) fn crash_page(window: WebviewWindow) {
    use webkit2gtk::WebViewExt;
    let app = window.app_handle().clone();
    let ended = move |webview: &webkit2gtk::WebView| {
        webview.connect_web_process_terminated(move |_, _| {
            let app = app.clone();
            std::thread::spawn(move || {
                let states = crate::remote::page_states(&app);
                std::fs::write(report_path(), serde_json::json!(states).to_string()).unwrap();
                app.exit(0);
            });
        });
        webview.terminate_web_process();
    };
    window
        .with_webview(move |webview| ended(&webview.inner()))
        .unwrap();
}

/// The page is done: its report is kept, and the app ends.
#[tauri::command]
pub(crate) fn finish(window: WebviewWindow, report: serde_json::Value) {
    std::fs::write(report_path(), report.to_string()).unwrap();
    window.app_handle().exit(0);
}

/// The invoke handler with all of them.
pub(crate) fn handler() -> impl Fn(tauri::ipc::Invoke) -> bool + Send + Sync + 'static {
    tauri::generate_handler![
        sync_ok,
        sync_slow,
        sync_fail,
        sync_panic,
        async_ok,
        async_slow,
        async_span,
        async_span_within,
        async_fail,
        async_panic,
        held,
        release,
        raw_bytes,
        stream,
        emit_events,
        close_window,
        open_window,
        crash_page,
        finish
    ]
}
