"""Spanwire beside OpenTelemetry's Python API: ``pip install spanwire[opentelemetry]``.

:func:`connect` has the runs of monitors and the spans of the API see each other as parents. With
:class:`SpanwireSpanExporter` the spans of a Python SDK leave through Spanwire's own pipeline.

    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from spanwire.opentelemetry import SpanwireSpanExporter, connect

    connect()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(SpanwireSpanExporter()))
    trace.set_tracer_provider(provider)
"""

from __future__ import annotations

import logging
from typing import Any, Optional, Sequence, Tuple, Union

from opentelemetry import context as _context
from opentelemetry import trace as _trace

from . import _core

__all__ = ["SpanwireSpanExporter", "TraceIdFilter", "connect"]

_RUN = _context.create_key("spanwire-run")


class _RunSpan(_trace.NonRecordingSpan):
    """A run, as OpenTelemetry's API sees it: the parent of what it starts."""

    def __init__(self, context: _trace.SpanContext, run: _core.Run) -> None:
        super().__init__(context)
        self.run = run

    def set_attribute(self, key: str, value: Any) -> None:
        """Becomes a field of the run, where it can be one."""
        self.run.field(key, value if isinstance(value, (str, int, float)) else str(value))


def connect() -> None:
    """From now on a run is a child of OpenTelemetry's current span, and a span of the current run.

    A second call does nothing. It costs each run some microseconds, for OpenTelemetry's context.
    """
    _core._bridge(_current, _attach, _context.detach)


def _current() -> Union[_core.Run, Tuple[int, int, int], None]:
    span = _trace.get_current_span()
    if isinstance(span, _RunSpan):
        return span.run
    context = span.get_span_context()
    if context.is_valid:
        return context.trace_id, context.span_id, int(context.trace_flags)
    return None


def _attach(run: _core.Run) -> Any:
    ids = run._ids
    if ids is None:
        return _context.attach(_context.get_current())
    trace_id, span_id, flags = ids
    span = _RunSpan(
        _trace.SpanContext(trace_id, span_id, is_remote=False, trace_flags=_trace.TraceFlags(flags)), run
    )
    return _context.attach(_trace.set_span_in_context(span))


class TraceIdFilter(logging.Filter):
    """Gives each record of ``logging`` the ids of where it was logged.

    Add it to a handler; formats then have ``%(trace_id)s`` and ``%(span_id)s``, empty outside of
    spans. It needs no OpenTelemetry where there are only runs.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets each record through."""
        trace_id, span_id = "", ""
        span = _trace.get_current_span()
        context = span.get_span_context()
        run: Optional[_core.Run] = _core.current_run()
        if context.is_valid:
            trace_id, span_id = f"{context.trace_id:032x}", f"{context.span_id:016x}"
        elif run is not None:
            trace_id, span_id = run.trace_id or "", run.span_id or ""
        record.trace_id, record.span_id = trace_id, span_id
        return True


try:
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans as _encode
except ImportError:
    _encode = None

try:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
except ImportError:
    pass
else:

    class SpanwireSpanExporter(SpanExporter):
        """Sends the spans of a Python SDK through Spanwire: its tail sampling, spool and report.

        Use it with a ``SimpleSpanProcessor``: Spanwire queues, and never waits. Spans that end while
        there is no telemetry are given up, and the result says so.
        """

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            """Hands the spans over."""
            batch = [_plain(span) for span in spans]
            return SpanExportResult.SUCCESS if _core._export_spans(batch) else SpanExportResult.FAILURE

        def shutdown(self) -> None:
            """Does nothing: what was handed over ends with Spanwire's telemetry."""

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            """Exports what is queued; False when the collector did not take all in time."""
            from ._telemetry import current

            telemetry = current()
            if telemetry is None:
                return True
            try:
                telemetry.flush(timeout_millis / 1e3)
            except _core.SpanwireError:
                return False
            return True


def _plain(span: Any) -> Tuple[Any, ...]:
    """What the Rust half takes of a span."""
    context = span.get_span_context()
    parent = span.parent
    return (
        span.name,
        context.trace_id,
        context.span_id,
        int(context.trace_flags),
        parent.span_id if parent is not None else 0,
        bool(parent is not None and parent.is_remote),
        span.kind.value,
        span.start_time,
        span.end_time,
        span.status.status_code.value,
        span.status.description or "",
        _attributes(span.attributes),
        [(event.name, event.timestamp, _attributes(event.attributes)) for event in span.events],
        [
            (link.context.trace_id, link.context.span_id, _attributes(link.attributes))
            for link in span.links
        ],
        span.instrumentation_scope.name if span.instrumentation_scope else "",
    )


def _attributes(attributes: Any) -> Any:
    return [
        (key, list(value) if isinstance(value, tuple) else value)
        for key, value in (attributes or {}).items()
    ]
