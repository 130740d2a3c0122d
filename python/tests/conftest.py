"""Telemetry for a test, with a collector of its own."""

from __future__ import annotations

import signal
import urllib.request

import pytest
from collector import Collector

import spanwire

# A shell starts a background job with Ctrl-C ignored, and the processes of the tests inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

ALL_TRACES = {"OTEL_TRACES_SAMPLER": "parentbased_always_on"}


@pytest.fixture
def collector():
    with Collector() as collector:
        yield collector


@pytest.fixture
def telemetry():
    """The endpoint alone."""
    with spanwire.install("test", environment={}, prometheus_port=0, system=False) as telemetry:
        yield telemetry


@pytest.fixture
def traced(collector):
    """With traces and logs; ``shutdown`` brings them to the collector."""
    telemetry = spanwire.install(
        "test",
        environment=ALL_TRACES,
        prometheus_port=0,
        system=False,
        otlp_endpoint=collector.url,
        traces="otlp",
        logs="otlp",
    )
    with telemetry:
        yield telemetry


def scrape(telemetry) -> str:
    with urllib.request.urlopen(telemetry.metrics_url, timeout=5) as answer:
        return answer.read().decode()


def series(telemetry, start: str) -> float:
    """The value of the one series whose line begins so."""
    lines = [line for line in scrape(telemetry).splitlines() if line.startswith(start)]
    assert len(lines) == 1, (start, lines)
    return float(lines[0].rsplit(" ", 1)[1])
