"""Each name that users of the older systems have: it is here, as they call it, and the guide has it."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import spanwire
from spanwire import compat
from spanwire.webview import WebView

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "coming-from.md"

#: What it is, what it is called as, and the parameters that they give by position or name.
CALLED = [
    # IPC metrics of a webview.
    ("WebView(title=, width=, height=, html=)", WebView, ["title", "width", "height", "html"]),
    ("show()", WebView.show, []),
    ("eval_js(script)", WebView.eval_js, ["script"]),
    ("emit_event(name, data)", WebView.emit_event, ["name", "data"]),
    ("get_ipc_metrics()", WebView.get_ipc_metrics, []),
    ("reset_ipc_metrics()", WebView.reset_ipc_metrics, []),
    # Event bridge.
    ('@webview.on("event")', WebView.on, ["event"]),
    ("webview.on(name, callback)", WebView.on, ["event", "callback"]),
    ("webview.emit(name, data)", WebView.emit, ["name", "data"]),
    ("push", spanwire.MessageQueue.push, ["message"]),
    ("pop", spanwire.MessageQueue.pop, []),
    ("drain()", spanwire.MessageQueue.drain, []),
    # Scoped monitor with SQLite.
    ("PerformanceMonitor(storage=None)", compat.PerformanceMonitor, ["storage"]),
    ('monitor.monitor("op")', compat.PerformanceMonitor.monitor, ["operation"]),
    ('MetricsStorage(db_path="metrics.db")', compat.MetricsStorage, ["db_path"]),
    (
        "insert_metric(operation, duration=, error=, is_slow=)",
        compat.MetricsStorage.insert_metric,
        ["operation", "duration", "error", "is_slow"],
    ),
    ("get_metrics(op)", compat.MetricsStorage.get_metrics, ["operation"]),
    (
        "get_metrics_in_window(op, window_seconds=, filter_slow=)",
        compat.MetricsStorage.get_metrics_in_window,
        ["operation", "window_seconds", "filter_slow"],
    ),
    # Live dashboard.
    (
        "MetricsCollector(sample_interval=1.0, history_size=300)",
        compat.MetricsCollector,
        ["sample_interval", "history_size"],
    ),
    ("collect_system_metrics", compat.MetricsCollector.collect_system_metrics, []),
    ("collect_action_metrics", compat.MetricsCollector.collect_action_metrics, []),
    ("collect_event_metrics", compat.MetricsCollector.collect_event_metrics, []),
    ("get_latest_metrics()", compat.MetricsCollector.get_latest_metrics, []),
    (
        "record_action(name, duration, success)",
        compat.MetricsCollector.record_action,
        ["name", "duration", "success"],
    ),
    (
        "record_event(processing_time, success)",
        compat.MetricsCollector.record_event,
        ["processing_time", "success"],
    ),
    ("set_current_action(name or None)", compat.MetricsCollector.set_current_action, ["name"]),
    ("set_action_queue_depth(n)", compat.MetricsCollector.set_action_queue_depth, ["depth"]),
    ("set_event_queue_depth(n)", compat.MetricsCollector.set_event_queue_depth, ["depth"]),
    (
        "DashboardServer(host=, port=, metrics_collector=)",
        compat.DashboardServer,
        ["host", "port", "metrics_collector"],
    ),
    ("start()", compat.DashboardServer.start, []),
    ("start_async", compat.DashboardServer.start_async, []),
    ("stop_async", compat.DashboardServer.stop_async, []),
]

#: Attributes, with what they are of.
HELD = [
    *((name, spanwire._core.IpcMetrics) for name in (
        "messages_sent",
        "messages_failed",
        "messages_dropped",
        "retry_attempts",
        "messages_received",
        "success_rate",
        "avg_latency_us",
        "peak_queue_length",
        "format",
    )),
    ("slow_threshold_ms", compat.PerformanceMonitor()),
    ("start", compat.MetricsCollector),
    ("stop", compat.MetricsCollector),
]


@pytest.mark.parametrize(("told", "called", "given"), CALLED, ids=[told for told, _, _ in CALLED])
def test_old_name_is_called_as_before(told, called, given):
    parameters = [name for name in inspect.signature(called).parameters if name != "self"]
    assert parameters[: len(given)] == given
    required = [
        name
        for name, it in inspect.signature(called).parameters.items()
        if it.default is it.empty and it.kind not in (it.VAR_POSITIONAL, it.VAR_KEYWORD) and name != "self"
    ]
    assert set(required) <= set(given), "nothing is needed that they do not give"


@pytest.mark.parametrize(("name", "holder"), HELD)
def test_old_attribute_is_there(name, holder):
    assert hasattr(holder, name)


@pytest.mark.skipif(not GUIDE.exists(), reason="the package alone has no guide")
@pytest.mark.parametrize("told", sorted({told for told, _, _ in CALLED} | {name for name, _ in HELD}))
def test_old_name_is_in_the_guide(told):
    assert told in GUIDE.read_text(encoding="utf-8")
