"""Spanwire beside OpenTelemetry's Python API; the package's extra ``opentelemetry`` brings that.

:func:`connect` has the runs of monitors and the spans of the API see each other as parents. With
:class:`SpanwireSpanProcessor` the spans of a Python SDK leave through Spanwire's own pipeline.

    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from spanwire.opentelemetry import SpanwireSpanProcessor, connect

    connect()
    provider = TracerProvider()
    provider.add_span_processor(SpanwireSpanProcessor())
    trace.set_tracer_provider(provider)
"""

from __future__ import annotations

import logging
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

from opentelemetry import context as _context
from opentelemetry import trace as _trace

from . import _core

__all__ = ["SpanwireSpanExporter", "SpanwireSpanProcessor", "connect"]

_log = logging.getLogger("spanwire.opentelemetry")
_told: List[bool] = []


# Not recording, since Spanwire exports the run's span itself.
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

    A second call does nothing. Each run then costs what OpenTelemetry's context costs as well.
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
        # Attached all the same, so that each `detach` has its token.
        return _context.attach(_context.get_current())
    trace_id, span_id, flags = ids
    span = _RunSpan(
        # Not remote: samplers such as `ParentBased` have other rules for a parent of another
        # process.
        _trace.SpanContext(trace_id, span_id, is_remote=False, trace_flags=_trace.TraceFlags(flags)), run
    )
    return _context.attach(_trace.set_span_in_context(span))


try:
    from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
except ImportError:
    # The API alone is enough for `connect`.
    pass
else:

    class SpanwireSpanProcessor(SpanProcessor):
        """Sends the spans of a Python SDK through Spanwire: its tail sampling, spool and report.

        A trace of both is held until all of it has ended, and kept or given up as one. It never
        waits.
        """

        def on_start(self, span: Span, parent_context: Optional[_context.Context] = None) -> None:
            """Tells that a span begins."""
            _guarded(_started, span)

        def on_end(self, span: ReadableSpan) -> None:
            """Hands the span over."""
            _guarded(_ended, span)

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            """Exports what is queued; False when the collector did not take all in time."""
            return _flush(timeout_millis)

    class SpanwireSpanExporter(SpanExporter):
        """The same for an app that has a processor of its own.

        Prefer :class:`SpanwireSpanProcessor`: here a trace is decided by the spans that come together,
        so use it with a ``BatchSpanProcessor``.
        """

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            """Hands the spans over."""
            # Parents before their children, as they would have begun. They end the other way round.
            ours = sorted(spans, key=lambda span: span.start_time or 0)
            wanted = [_guarded(_started, span) for span in ours]
            for span in reversed(ours):
                _guarded(_ended, span)
            from ._telemetry import current

            return SpanExportResult.FAILURE if spans and current() is None and not any(wanted) else SpanExportResult.SUCCESS

        def shutdown(self) -> None:
            """Does nothing: what was handed over ends with Spanwire's telemetry."""

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            """Exports what is queued; False when the collector did not take all in time."""
            return _flush(timeout_millis)


def _flush(timeout_millis: int) -> bool:
    from ._telemetry import current

    telemetry = current()
    if telemetry is None:
        return True
    try:
        telemetry.flush(timeout_millis / 1e3)
    except _core.SpanwireError:
        return False
    return True


def _guarded(tell: Callable[[Any], bool], span: Any) -> bool:
    """The SDK calls a processor on the app's way, which must not fail by what a span has."""
    try:
        return tell(span)
    except Exception:
        # The bridge warns once: an app that hits this at each span would have a warning at each
        # span.
        if not _told:
            _told.append(True)
            _log.warning("a span was not handed over; further ones are not told", exc_info=True)
        return False


def _ended(span: Any) -> bool:
    context = span.get_span_context()
    # To describe it costs the most, so that is left to where the span is known to be wanted.
    _core._sdk_span_ended(context.trace_id, context.span_id, lambda: _plain(span))
    return True


def _started(span: Any) -> bool:
    context, parent = span.get_span_context(), span.parent
    return _core._sdk_span_started(
        context.trace_id,
        context.span_id,
        span.name,
        parent.span_id if parent is not None else 0,
        parent is not None and parent.is_remote,
        int(parent.trace_flags) if parent is not None else 0,
    )


def _plain(span: Any) -> Dict[str, Any]:
    """What the Rust half takes of a span."""
    parent = span.parent
    return {
        "name": span.name,
        "parent": parent.span_id if parent is not None else 0,
        "remote": parent is not None and parent.is_remote,
        "kind": span.kind.value,
        "start": span.start_time,
        "end": span.end_time,
        "status": span.status.status_code.value,
        "description": span.status.description or "",
        "attributes": _attributes(span.attributes),
        "events": [(event.name, event.timestamp, _attributes(event.attributes)) for event in span.events],
        "links": [
            (link.context.trace_id, link.context.span_id, _attributes(link.attributes))
            for link in span.links
        ],
        "scope": span.instrumentation_scope.name if span.instrumentation_scope else "",
    }


def _attributes(attributes: Any) -> List[Tuple[str, Any]]:
    return [
        # The SDK keeps sequences as tuples, and the Rust half reads lists.
        (key, list(value) if isinstance(value, tuple) else value)
        for key, value in (attributes or {}).items()
    ]
