//! The app's commands, one of each kind.

use std::time::Duration;

use spanwire::clock::now;
use tauri::ipc::{Channel, InvokeBody, Request, Response};
use tauri::{AppHandle, Emitter, Manager, WebviewWindow};
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
    crate::windows::open(&app, &label, "second");
}

/// The processor's time of this process and its threads, in microseconds.
#[tauri::command]
pub(crate) fn cpu_us() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let of_task = |task: std::fs::DirEntry| -> u64 {
        let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
        nanoseconds.unwrap_or(0)
    };
    tasks.flatten().map(of_task).sum::<u64>() / 1_000
}

/// What an event to a page that listens takes the thread that sends it: time, and the process's.
#[tauri::command(async)]
pub(crate) fn timed_emits(app: AppHandle, times: u32) -> [f64; 2] {
    let cpu = cpu_us();
    let began = now();
    for n in 0..times {
        app.emit("tick", n).unwrap();
    }
    let took = now().since(began);
    let cpu = cpu_us() - cpu;
    [
        took.as_secs_f64() * 1e6 / f64::from(times),
        cpu as f64 / f64::from(times),
    ]
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
        cpu_us,
        timed_emits,
        finish
    ]
}
