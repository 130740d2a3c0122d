"""The classes of older monitors under their names and signatures, over Spanwire's core.

Where the import line is all that should change::

    from spanwire.compat import PerformanceMonitor, MetricsStorage
    from spanwire.compat import MetricsCollector, DashboardServer

What they measure goes to Spanwire's metrics and traces as well. ``docs/guide/python.md`` has a table of
what became of each name.
"""

from __future__ import annotations

from .collector import MetricsCollector
from .dashboard import DashboardServer, main
from .monitor import PerformanceMonitor
from .storage import MetricRow, MetricsStorage, StorageError

__all__ = [
    "DashboardServer",
    "MetricRow",
    "MetricsCollector",
    "MetricsStorage",
    "PerformanceMonitor",
    "StorageError",
    "main",
]
