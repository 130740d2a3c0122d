//! What Rust sends to the page by itself.

use serde::Serialize;
use serde_json::json;
use spanwire::ipc::Ipc;

/// Emits, and leaves what the page has no room for to the counters.
pub(crate) fn send(ipc: &Ipc, event: &str, data: &impl Serialize) {
    if let Err(error) = ipc.emit(event, data) {
        tracing::debug!(%error, event, "not sent");
    }
}

/// Sends the page the numbers in its footer, when nothing else is on its way.
///
/// `emit_latest` would do without the condition, but the numbers that it replaces would be among
/// those that it shows, as dropped.
pub(crate) fn send_stats(ipc: &Ipc) {
    let metrics = ipc.metrics();
    if metrics.messages_open > 0 {
        return;
    }
    let stats = json!({
        "received": metrics.messages_received,
        "sent": metrics.messages_sent,
        "failed": metrics.messages_failed,
        "dropped": metrics.messages_dropped,
        "queue": metrics.peak_queue_length,
        "p50": format!("{:.1} ms", metrics.p50_latency_us as f64 / 1_000.0),
        "p99": format!("{:.1} ms", metrics.p99_latency_us as f64 / 1_000.0),
    });
    send(ipc, "wire.stats", &stats);
}
