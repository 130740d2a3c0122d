"""What a monitor and a queue cost, beside what they would replace: medians in nanoseconds. `costs.py [rounds]`.

``make python-bench`` runs it in the release profile. OpenTelemetry's SDK and ``prometheus_client`` do
their work in the same run, so compare within a run. The budgets are for the processor's time of the
thread: the time by the clock has what else runs on the machine in it.
"""

from __future__ import annotations

import contextlib
import queue
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from collector import Collector  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult  # noqa: E402
from prometheus_client import CollectorRegistry, Histogram  # noqa: E402

import spanwire  # noqa: E402


class Empty:
    """The least that a ``with`` costs."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


class Nowhere(SpanExporter):
    def export(self, spans):
        return SpanExportResult.SUCCESS


#: A few do to see that it works; the budgets are for all.
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 50


class Cost(float):
    """Nanoseconds of the processor for one run, and by the clock."""

    clock: float


def median(work, runs=2_000):
    """Of the rounds. Between rounds the exporters catch up."""
    times, clocks = [], []
    for _ in range(ROUNDS):
        begun, begun_clock = time.thread_time_ns(), time.perf_counter_ns()
        work(runs)
        times.append((time.thread_time_ns() - begun) / runs)
        clocks.append((time.perf_counter_ns() - begun_clock) / runs)
        time.sleep(0.02)
    cost = Cost(statistics.median(times))
    cost.clock = statistics.median(clocks)
    return cost


def block(context):
    def work(runs):
        for _ in range(runs):
            with context:
                pass

    return work


def main():
    with Collector() as collector:
        bare = median(block(Empty()))
        off = median(block(spanwire.monitor("bench")))
        telemetry = spanwire.install("bench", environment={}, prometheus_port=0, otlp_endpoint=collector.url)
        ours = median(block(spanwire.monitor("bench")))
        metrics = median(block(spanwire.monitor("bench", sample_one_in=0)))

        def named(runs):
            for _ in range(runs):
                with spanwire.monitor("bench"):
                    pass

        anew = median(named)
        messages = spanwire.MessageQueue("bench")

        def push_pop(runs):
            for _ in range(runs):
                messages.push(1)
                messages.pop()

        pushed = median(push_pop)
        report = telemetry.shutdown()
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    tracer = provider.get_tracer("bench")

    def spans(runs):
        for _ in range(runs):
            with tracer.start_as_current_span("bench"):
                pass

    otel = median(spans)
    histogram = Histogram("bench", "", ["op"], registry=CollectorRegistry()).labels("bench")

    def timed(runs):
        for _ in range(runs):
            with histogram.time():
                pass

    client = median(timed)
    plain = queue.Queue()

    def put_get(runs):
        for _ in range(runs):
            plain.put(1)
            plain.get()

    put = median(put_get)
    for name, cost in [
        ("an empty context manager", bare),
        ("monitor, before install", off),
        ("monitor, metrics and traces on", ours),
        ("monitor, without a span", metrics),
        ("monitor made for each block", anew),
        ("OpenTelemetry: start_as_current_span", otel),
        ("prometheus_client: Histogram.time", client),
        ("MessageQueue: push and pop", pushed),
        ("queue.Queue: put and get", put),
    ]:
        print(f"{name:<40} {cost:8.0f} ns, {cost.clock:8.0f} by the clock")
    print(report.spans)
    failed = [
        text
        for text, holds in [
            ("a monitor costs at most 1.5 µs over an empty context manager", ours - bare <= 1500),
            ("push and pop cost at most half of queue.Queue's", pushed * 2 <= put),
        ]
        if not holds
    ]
    for text in failed:
        print(f"missed: {text}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
