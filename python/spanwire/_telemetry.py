"""``install``, and the end of what it made."""

from __future__ import annotations

import atexit
import os
import sys
import warnings
from types import TracebackType
from typing import Mapping, Optional, Type, Union

from . import _core
from ._core import Report, ShutdownReport

__all__ = ["SpanwireWarning", "Telemetry", "current", "install"]


class SpanwireWarning(UserWarning):
    """Telemetry could not do something as it was asked; the app runs on."""


class Telemetry:
    """Telemetry at work. :func:`install` makes it; a ``with`` block ends it.

    Whatever ends the process normally ends it too, with what is queued exported.
    """

    def __init__(self, core: _core.Telemetry, service_name: str) -> None:
        self._core = core
        #: The name that ``install`` was given.
        self.service_name = service_name

    @property
    def warnings(self) -> list[str]:
        """What could not be done as asked; each was a :class:`SpanwireWarning` too."""
        return self._core.warnings

    @property
    def is_paused(self) -> bool:
        """Whether nothing is recorded, sent, served or written now."""
        return self._core.is_paused

    @property
    def prometheus_addr(self) -> Optional[str]:
        """``host:port`` of the Prometheus endpoint; None when it is off."""
        return self._core.prometheus_addr

    @property
    def metrics_url(self) -> Optional[str]:
        """Where Prometheus finds the metrics; None when the endpoint is off."""
        return self._core.metrics_url

    def flush(self, timeout: float = 5.0) -> None:
        """Exports what is queued now, and waits for it at most ``timeout`` seconds.

        :raises FlushTimeout: when the collector did not take everything in time.
        :raises SpanwireError: when something was lost, or telemetry is paused.
        """
        self._core.flush(timeout)

    def pause(self, *, keep_pending: bool = False) -> str:
        """Records, sends, serves and writes nothing until :meth:`resume`.

        What waits is deleted, or kept with ``keep_pending``. Returns how much that was, as text.
        """
        return self._core.pause(keep_pending=keep_pending)

    def resume(self) -> None:
        """Records again.

        :raises SpanwireError: when ``SPANWIRE_CONSENT`` denies it, or the answer cannot be saved.
        """
        self._core.resume()

    def report(self, path: Union[str, "os.PathLike[str]"]) -> Report:
        """Writes what waits into the history, and a report of it to the new file ``path``: "why is it
        laggy?" as one ZIP file to send to whoever supports the app.

        It takes up to some seconds where the history is large; the interpreter's lock is free meanwhile.

        :raises SpanwireError: when there is no history, or the report cannot be written.
        """
        return self._core.report(path)

    def shutdown(self, timeout: Optional[float] = None) -> ShutdownReport:
        """Exports what is queued, ends everything and says what became of it.

        It returns after ``timeout`` seconds at the latest (2 by default); a second call returns the
        same report. The interpreter's lock is free meanwhile.
        """
        global _current
        report = self._core.shutdown(timeout)
        # Otherwise `atexit` would keep it, and what it holds, until the process ends.
        atexit.unregister(self.shutdown)
        if _current is self:
            _current = None
        return report

    def __enter__(self) -> Telemetry:
        return self

    def __exit__(
        self,
        exc_type: Optional[Type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.shutdown()

    def __repr__(self) -> str:
        return repr(self._core)


_current: Optional[Telemetry] = None


def current() -> Optional[Telemetry]:
    """The telemetry that :func:`install` made and that has not been shut down."""
    return _current


def install(
    service_name: str,
    *,
    service_version: Optional[str] = None,
    resource_attributes: Optional[Mapping[str, str]] = None,
    environment: Optional[Mapping[str, str]] = None,
    prometheus_host: Optional[str] = None,
    prometheus_port: Optional[int] = None,
    metrics: Optional[str] = None,
    traces: Optional[str] = None,
    logs: Optional[str] = None,
    otlp_endpoint: Optional[str] = None,
    otlp_headers: Optional[Mapping[str, str]] = None,
    spool_dir: Union[str, "os.PathLike[str]", None] = None,
    history: Union[str, "os.PathLike[str]", None] = None,
    slow_threshold: Optional[float] = None,
    system_interval: Optional[float] = None,
    system: bool = True,
    consent_file: Union[str, "os.PathLike[str]", None] = None,
    paused: bool = False,
    strict: bool = False,
    shutdown_timeout: Optional[float] = None,
) -> Telemetry:
    """Sets telemetry up for this process, and returns it.

    Without arguments and environment Prometheus finds the metrics at
    ``http://127.0.0.1:9464/metrics``, and nothing leaves the machine. The environment is that of the
    Rust library (``docs/reference/environment.md``); what is given here beats it.

    :param service_name: the app's name: 1 to 255 bytes.
    :param environment: read in place of ``os.environ``.
    :param prometheus_port: 0 takes a free one: see :attr:`Telemetry.metrics_url`.
    :param metrics: ``"prometheus"``, ``"otlp"``, ``"prometheus,otlp"`` or ``"none"``.
    :param traces: ``"otlp"`` or ``"none"``; ``logs`` likewise.
    :param otlp_endpoint: the collector, as ``http://127.0.0.1:4318``.
    :param spool_dir: the folder in which spans wait while the collector is away.
    :param history: the SQLite file in which each run, call and event becomes a row.
    :param slow_threshold: from how many seconds on an operation counts as slow (1 by default).
    :param system_interval: seconds between samples of the process and the host.
    :param system: False samples neither.
    :param consent_file: remembers whether the person allowed telemetry.
    :param paused: record nothing before :meth:`Telemetry.resume`.
    :param strict: raise where there would be a warning.
    :param shutdown_timeout: seconds that the end of the process waits for the collector.

    :raises TypeError: for an argument of another type.
    :raises ValueError: for one out of bounds.
    :raises RuntimeError: when telemetry is at work already, or was at work in the process that this one
        was forked from: processes that measure are started with ``multiprocessing``'s ``spawn``.
    :raises SpanwireError: when ``strict``, what would be warnings.
    """
    global _current
    options = {
        "service_version": service_version,
        "resource_attributes": _plain(resource_attributes, "resource_attributes"),
        "environment": dict(os.environ) if environment is None else _plain(environment, "environment"),
        "prometheus_host": prometheus_host,
        "prometheus_port": prometheus_port,
        "metrics": metrics,
        "traces": traces,
        "logs": logs,
        "otlp_endpoint": otlp_endpoint,
        "otlp_headers": _plain(otlp_headers, "otlp_headers"),
        "spool_dir": spool_dir,
        "history": history,
        "slow_threshold": slow_threshold,
        "system_interval": system_interval,
        "system": system,
        "consent_file": consent_file,
        "paused": paused,
        "strict": strict,
        "shutdown_timeout": shutdown_timeout,
    }
    if not isinstance(service_name, str):
        raise TypeError(f"service_name: a str is needed, not {type(service_name).__name__}")
    for name, types, what in _TYPES:
        value = options[name]
        if value is None:
            continue
        # A bool is an int in Python, so `True` would pass for a port or for seconds.
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise TypeError(f"{name}: {what} is needed, not {type(value).__name__}")
    if prometheus_port is not None and not 0 <= prometheus_port <= 65535:
        raise ValueError(f"prometheus_port: 0 to 65535, not {prometheus_port}")
    telemetry = Telemetry(_core._install(service_name, options), service_name)
    # This assignment precedes the warnings: a filter may make them errors, and `shutdown` below
    # resets it.
    _current = telemetry
    atexit.register(telemetry.shutdown)
    try:
        for warning in telemetry.warnings:
            warnings.warn(warning, SpanwireWarning, stacklevel=2)
    except SpanwireWarning:
        # Warnings are errors here, and then nothing has it that could end it.
        # Without a wait: nothing has been recorded yet.
        telemetry.shutdown(0)
        raise
    return telemetry


_TEXT = ((str,), "a str")
_NUMBER = ((int, float), "a number of seconds")
_PATH = ((str, os.PathLike), "a path")
_TYPES: list[tuple[str, tuple[type, ...], str]] = [
    ("service_version", *_TEXT),
    ("prometheus_host", *_TEXT),
    ("prometheus_port", (int,), "an int"),
    ("metrics", *_TEXT),
    ("traces", *_TEXT),
    ("logs", *_TEXT),
    ("otlp_endpoint", *_TEXT),
    ("spool_dir", *_PATH),
    ("history", *_PATH),
    ("slow_threshold", *_NUMBER),
    ("system_interval", *_NUMBER),
    ("system", (bool,), "a bool"),
    ("consent_file", *_PATH),
    ("paused", (bool,), "a bool"),
    ("strict", (bool,), "a bool"),
    ("shutdown_timeout", *_NUMBER),
]


def _plain(values: Optional[Mapping[str, str]], name: str) -> Optional[dict[str, str]]:
    if values is None:
        return None
    if not isinstance(values, Mapping):
        raise TypeError(f"{name}: a mapping of str to str is needed, not {type(values).__name__}")
    for key, value in values.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"{name}: a mapping of str to str is needed")
    # The Rust half takes a dict alone, and another mapping may change meanwhile.
    return dict(values)


def _forked() -> None:
    """In the child: where the parent had threads of ours, nothing is measured and nothing waited for."""
    global _current
    _core._after_fork_in_child()
    if _current is not None:
        # Its threads are not in the child, so at the child's end nothing would answer it.
        atexit.unregister(_current.shutdown)
        _current = None


# Windows has no fork, and Python no such function there.
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forked)
