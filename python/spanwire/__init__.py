"""Spanwire: OpenTelemetry-native instrumentation for webview apps in Python.

    import spanwire

    with spanwire.install("paint-tool"):
        with spanwire.monitor("load_scene"):
            ...

Prometheus then finds the metrics at http://127.0.0.1:9464/metrics. ``docs/guide/python.md`` is a guide of
five minutes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._core import (
    Advice,
    FlushTimeout,
    Measurement,
    MessageQueue,
    Monitor,
    QueueClosed,
    QueueFull,
    Report,
    Run,
    ShutdownReport,
    SignalReport,
    SpanwireError,
    __version__,
    current_run,
    set_current_operation,
    set_slow_threshold,
    slow_threshold,
)
from ._telemetry import SpanwireWarning, Telemetry, current, install

if TYPE_CHECKING:
    from .webview import WebView


def __getattr__(name: str) -> Any:
    # Only who has a window pays for what it needs.
    if name == "WebView":
        from .webview import WebView

        return WebView
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Advice",
    "FlushTimeout",
    "Measurement",
    "MessageQueue",
    "Monitor",
    "QueueClosed",
    "QueueFull",
    "Report",
    "Run",
    "ShutdownReport",
    "SignalReport",
    "SpanwireError",
    "SpanwireWarning",
    "Telemetry",
    "WebView",
    "__version__",
    "current",
    "current_run",
    "install",
    "monitor",
    "set_current_operation",
    "set_slow_threshold",
    "slow_threshold",
]

#: Measures an operation: ``with monitor("load_scene"):``, ``@monitor("load_scene")``.
monitor = Monitor
