"""``PerformanceMonitor``: operations measured as blocks, kept as rows and exported as metrics."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from typing import Any, Callable, Dict, Iterator, Optional

from .. import _core
from .._errors import qualified_name
from ._checks import number, text
from .storage import MetricsStorage

__all__ = ["PerformanceMonitor"]

_log = logging.getLogger("spanwire.compat")


def _from_environment(name: str, default: float) -> float:
    given = os.environ.get(name)
    if not given:
        return default
    try:
        return number(float(given), name)
    except ValueError:
        raise ValueError(f"{name}: a number from 0 on is needed, not {given!r}") from None


class PerformanceMonitor:
    """Measures blocks: ``with monitor.monitor("load_scene"):``.

    :param storage: where runs become rows, a :class:`MetricsStorage`; None keeps none.

    Each run is also one of Spanwire's operation of that name, so it is in the metrics and traces once
    ``spanwire.install`` was called. It works on any thread, and in coroutines.

    ``SLOW_REQUEST_THRESHOLD_MS`` (1000), ``SAMPLING_WINDOW_SECONDS`` (3600) and
    ``ERROR_RATE_THRESHOLD`` (0.1) are read from the environment when it is made; the attributes
    ``slow_threshold_ms``, ``sampling_window_seconds`` and ``error_rate_threshold`` change them.
    """

    def __init__(self, storage: Optional[MetricsStorage] = None) -> None:
        if storage is not None and not hasattr(storage, "insert_metric"):
            raise TypeError(f"storage: a MetricsStorage is needed, not {type(storage).__name__}")
        self.storage = storage
        self.slow_threshold_ms = _from_environment("SLOW_REQUEST_THRESHOLD_MS", 1000.0)
        self.sampling_window_seconds = _from_environment("SAMPLING_WINDOW_SECONDS", 3600.0)
        self.error_rate_threshold = _from_environment("ERROR_RATE_THRESHOLD", 0.1)
        #: Called with the operation and its error rate (0 to 1) when that passes the threshold.
        self.on_alert: Optional[Callable[[str, float], Any]] = None
        self._monitors: Dict[str, _core.Monitor] = {}
        self._rates: Dict[str, _Rate] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def monitor(
        self, operation: str, *, context: Optional[Dict[str, Any]] = None, sample_one_in: int = 1
    ) -> Iterator[_core.Run]:
        """Measures the block. An exception is recorded and raised on.

        :param context: for the row, the span and the log records of this run.
        :param sample_one_in: a span for one run in so many; rows and metrics have all.
        """
        measured = self._monitor(operation, sample_one_in)
        # The row needs the duration even before `install`, when a `Run` reads no clock.
        begun = time.perf_counter_ns()
        run: Optional[_core.Run] = None
        error: Optional[BaseException] = None
        try:
            with measured as run:
                for key, value in (context or {}).items():
                    run.field(str(key), value if isinstance(value, (str, int, float)) else str(value))
                yield run
        # The block was in a generator that was closed, which is no error.
        except GeneratorExit:
            raise
        except BaseException as raised:
            error = raised
            raise
        finally:
            trace_id = run.trace_id if run is not None else None
            self._ended(operation, (time.perf_counter_ns() - begun) / 1e6, error, context, trace_id)

    def _monitor(self, operation: str, sample_one_in: int) -> _core.Monitor:
        known = self._monitors.get(operation) if isinstance(operation, str) else None
        # A monitor is for one sampling rate. Those with another one are made for each run.
        if known is None or sample_one_in != 1:
            known = _core.Monitor(text(operation, "operation"), sample_one_in=sample_one_in)
            if sample_one_in == 1 and len(self._monitors) < 1000:
                self._monitors[operation] = known
        # Each time, since the app may have changed the attribute.
        known.set_slow_threshold(number(self.slow_threshold_ms, "slow_threshold_ms") / 1e3)
        return known

    def _ended(
        self,
        operation: str,
        duration: float,
        error: Optional[BaseException],
        context: Optional[Dict[str, Any]],
        trace_id: Optional[str],
    ) -> None:
        if self.storage is not None:
            try:
                self.storage.insert_metric(
                    operation,
                    duration=duration,
                    error=error,
                    is_slow=duration >= self.slow_threshold_ms,
                    context=context,
                    trace_id=trace_id,
                )
            except _core.SpanwireError as told:
                # The app's block ended as it did, whatever became of the row.
                _log.warning("a run of %s has no row: %s", operation, told)
        self._watch(operation, error)

    def _watch(self, operation: str, error: Optional[BaseException]) -> None:
        """Tells once when the share of failed runs passes the threshold, and again after it fell."""
        with self._lock:
            rate = self._rates.get(operation)
            if rate is None:
                # The app may make up names: those beyond the bound have rows and metrics, and no
                # alert.
                if len(self._rates) >= 1000:
                    return
                rate = self._rates[operation] = _Rate()
            share = rate.add(error is not None, self.sampling_window_seconds)
            passes = share > self.error_rate_threshold
            tell, rate.told = passes and not rate.told, passes
        if tell:
            last = qualified_name(type(error)) if error is not None else "none"
            _log.warning(
                "%s: %.0f %% of its runs failed in the last %g s (threshold %.0f %%); the last error: %s",
                operation,
                share * 100,
                self.sampling_window_seconds,
                self.error_rate_threshold * 100,
                last,
            )
            # Not under the lock: the callback is the app's, and may measure an operation itself.
            if self.on_alert is not None:
                try:
                    self.on_alert(operation, share)
                except Exception:
                    _log.exception("on_alert raised")


class _Rate:
    """Runs and failures of one operation, in sixtieths of the window."""

    SLICES = 60

    def __init__(self) -> None:
        self.told = False
        self._slices: Dict[int, list[int]] = {}

    def add(self, failed: bool, window: float) -> float:
        # A window of 0 would divide by zero.
        width = max(window / self.SLICES, 1e-3)
        now = int(time.monotonic() / width)
        counts = self._slices.setdefault(now, [0, 0])
        counts[0] += 1
        counts[1] += failed
        # Slices after `now` are of a smaller window, which the app has changed since.
        for old in [at for at in self._slices if at <= now - self.SLICES or at > now]:
            del self._slices[old]
        runs = sum(counts[0] for counts in self._slices.values())
        return sum(counts[1] for counts in self._slices.values()) / runs
