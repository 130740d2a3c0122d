"""Python's ``logging`` beside traces: ids on each record, and records that go out over OTLP.

    import logging
    from spanwire.logging import SpanwireHandler, TraceIdFilter

    console = logging.StreamHandler()
    console.addFilter(TraceIdFilter())
    console.setFormatter(logging.Formatter("%(levelname)s %(trace_id)s %(message)s"))
    logging.basicConfig(level="INFO", handlers=[console, SpanwireHandler()])
"""

from __future__ import annotations

import logging
import sys
from typing import Tuple

from . import _core
from ._errors import describe

__all__ = ["SpanwireHandler", "TraceIdFilter"]


class TraceIdFilter(logging.Filter):
    """Gives each record the ids of where it was logged.

    Add it to a handler; formats then have ``%(trace_id)s`` and ``%(span_id)s``, which are empty
    outside of runs and spans.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets each record through."""
        trace_id, span_id = _ids()
        record.trace_id = f"{trace_id:032x}" if trace_id else ""
        record.span_id = f"{span_id:016x}" if span_id else ""
        return True


class SpanwireHandler(logging.Handler):
    """Sends records as OTLP logs, with the ids of their trace.

    They go out where ``install`` exports logs: ``logs="otlp"`` or ``OTEL_LOGS_EXPORTER=otlp``. Nothing
    waits: the queue has a bound, and the shutdown's report says what it dropped.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Queues a record."""
        try:
            trace_id, span_id = _ids()
            # `exc_info` is `(None, None, None)` for `logger.exception` outside of an `except`
            # block.
            error = record.exc_info[1] if record.exc_info else None
            kind, message, stack = describe(error) if error is not None else (None, None, None)
            _core._log(
                {
                    "level": record.levelno,
                    "level_name": record.levelname,
                    "logger": record.name,
                    "message": record.getMessage(),
                    "at": record.created,
                    "trace": trace_id,
                    "span": span_id,
                    "exception_type": kind,
                    "exception_message": message,
                    "exception_stacktrace": stack,
                }
            )
        except Exception:
            # As `logging` asks of handlers: it shows the error, or not, by
            # `logging.raiseExceptions`.
            self.handleError(record)


def _ids() -> Tuple[int, int]:
    """Of OpenTelemetry's current span if the app uses its API, else of the current run."""
    # Not imported: where the app has not done it, there is no span of its either.
    trace = sys.modules.get("opentelemetry.trace")
    if trace is not None:
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            return context.trace_id, context.span_id
    run = _core.current_run()
    ids = run._ids if run is not None else None
    return (ids[0], ids[1]) if ids is not None else (0, 0)
