"""Spanwire's series in ``prometheus_client``'s endpoint; the package's extra ``prometheus`` brings that.

    from prometheus_client import REGISTRY, start_http_server
    from spanwire.prometheus import SpanwireCollector

    REGISTRY.register(SpanwireCollector())
    start_http_server(8000)
"""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Iterator

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from ._telemetry import current

__all__ = ["SpanwireCollector"]


class SpanwireCollector(Collector):
    """Yields Spanwire's series, so that an app has one endpoint.

    It reads Spanwire's own endpoint on loopback, which stays on: give it ``prometheus_port=0``. Before
    ``install``, while telemetry is paused and after the shutdown there are no series.
    """

    def collect(self) -> Iterator[Metric]:
        """Each metric with its series, by one request on loopback."""
        telemetry = current()
        url = telemetry.metrics_url if telemetry is not None else None
        if url is None:
            return
        # The parser below reads the older text format, so that is asked for and not OpenMetrics.
        request = urllib.request.Request(url, headers={"Accept": "text/plain"})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                text = answer.read().decode()
        except (OSError, urllib.error.HTTPError):
            return
        # What was read is yielded as it is; no names are added to it.
        yield from text_string_to_metric_families(text)

    def describe(self) -> list[Metric]:
        """Nothing: series come and go with what the app does."""
        return []
