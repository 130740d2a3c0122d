"""``MetricsCollector``: what the system and the app do, sampled and kept for some minutes."""

from __future__ import annotations

import collections
import threading
import time
from typing import Any, Deque, Dict, List, Optional

from .. import _core
from ._checks import number, text, whole

__all__ = ["MetricsCollector"]


class MetricsCollector:
    """Samples the system, the app's actions and its events.

    :param sample_interval: seconds from one sample to the next; 1 by default.
    :param history_size: samples that are kept; 300 by default.

    Actions and events are Spanwire's operations too (``action``'s name, and ``event``), and queue
    depths its measurements, so Grafana shows them once ``spanwire.install`` was called. A sample
    costs less than a millisecond.
    """

    def __init__(self, sample_interval: float = 1.0, history_size: int = 300) -> None:
        self.sample_interval = number(sample_interval, "sample_interval", above=True)
        self.history_size = whole(history_size, "history_size", least=1)
        self._history: Deque[Dict[str, Any]] = collections.deque(maxlen=history_size)
        self._lock = threading.Lock()
        self._probe: Optional[_core.SystemProbe] = None
        self._stop = threading.Event()
        self._thread: Optional[threading.Thread] = None
        self._actions = _Totals()
        self._events = _Totals()
        self._events_queued = 0
        self._current: Optional[str] = None
        self._depths = {"actions": 0, "events": 0}
        self._monitors: Dict[str, _core.Monitor] = {}
        # No spans: an event loop has thousands of events a second.
        self._event = _core.Monitor("event", sample_one_in=0)
        self._gauges = {
            name: _core.Measurement(f"{name}.queue_depth", unit="{message}") for name in self._depths
        }

    def start(self) -> None:
        """Samples on a thread of its own from now on; a second call does nothing."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return
            self._stop = threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(self._stop,), name="spanwire-collector", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Ends the sampling; what was sampled stays. A second call does nothing."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._stop.set()
        # The join is outside of the lock, since the thread takes the lock for its sample. A thread
        # cannot join itself.
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def record_action(self, name: str, duration: float, success: bool = True) -> None:
        """Counts an action that the app has measured.

        :param duration: in seconds.
        """
        name = text(name, "name")
        duration = number(duration, "duration")
        with self._lock:
            self._actions.add(duration, bool(success))
            monitor = self._monitors.get(name)
            if monitor is None:
                monitor = _core.Monitor(name)
                # The app may make up names. Beyond the bound a monitor is made for each call, and
                # measures the same.
                if len(self._monitors) < 1000:
                    self._monitors[name] = monitor
        monitor.record(duration, bool(success))

    def record_event(self, processing_time: float, success: bool = True) -> None:
        """Counts an event that was processed.

        :param processing_time: in seconds.
        """
        processing_time = number(processing_time, "processing_time")
        with self._lock:
            self._events.add(processing_time, bool(success))
        self._event.record(processing_time, bool(success))

    def set_current_action(self, name: Optional[str]) -> None:
        """What the app is doing now; None for nothing."""
        self._current = None if name is None else text(name, "name")
        _core.set_current_operation(self._current)

    def set_action_queue_depth(self, depth: int) -> None:
        """How many actions wait."""
        self._set_depth("actions", depth)

    def set_event_queue_depth(self, depth: int) -> None:
        """How many events wait. What it grows by counts as queued."""
        grown = whole(depth, "depth") - self._depths["events"]
        if grown > 0:
            with self._lock:
                self._events_queued += grown
        self._set_depth("events", depth)

    def collect_system_metrics(self) -> Dict[str, Any]:
        """CPU in percent of all cores, memory in MB and percent, threads, processes with children.

        What the system does not tell is None; the first sample has no CPU.
        """
        with self._lock:
            if self._probe is None:
                self._probe = _core.SystemProbe()
            # The probe has a lock of its own, and a sample takes too long to hold this one.
            probe = self._probe
        sample = probe.sample()
        cpu, host = sample["cpu_utilization"], sample["host_memory_bytes"]
        memory = sample["memory_bytes"]
        return {
            "cpu_percent": None if cpu is None else cpu * 100,
            "memory_mb": memory / 1e6,
            "memory_percent": None if not host else memory / host * 100,
            "thread_count": sample["threads"] if sample["threads"] is not None else threading.active_count(),
            "process_count": 1 + sample["webview_processes"],
        }

    def collect_action_metrics(self) -> Dict[str, Any]:
        """Totals since the start, those of the last minute, the average in milliseconds."""
        with self._lock:
            totals = self._actions
            return {
                "total_actions": totals.count,
                "actions_per_minute": totals.last_minute(),
                "avg_duration_ms": totals.average() * 1e3,
                "current_action": self._current,
                "queue_depth": self._depths["actions"],
                "success_rate": totals.success_rate(),
                "error_count": totals.failed,
            }

    def collect_event_metrics(self) -> Dict[str, Any]:
        """Totals since the start, the average in milliseconds."""
        with self._lock:
            totals = self._events
            return {
                # Those that were processed without a depth that was told were queued as well.
                "events_queued": max(self._events_queued, totals.count + self._depths["events"]),
                "events_processed": totals.count,
                "events_failed": totals.failed,
                "avg_processing_ms": totals.average() * 1e3,
                "queue_depth": self._depths["events"],
            }

    def get_latest_metrics(self) -> Dict[str, Any]:
        """The newest sample, taken now when there is none: ``timestamp`` in seconds since 1970,
        ``system``, ``actions`` and ``events``."""
        with self._lock:
            latest = self._history[-1] if self._history else None
        return dict(latest) if latest is not None else self._sample()

    def get_history(self) -> List[Dict[str, Any]]:
        """What is kept, the oldest first."""
        with self._lock:
            return list(self._history)

    @property
    def history(self) -> List[Dict[str, Any]]:
        """The same."""
        return self.get_history()

    def _set_depth(self, queue: str, depth: int) -> None:
        self._depths[queue] = whole(depth, "depth")
        self._gauges[queue].record(depth)

    def _sample(self) -> Dict[str, Any]:
        sample = {
            "timestamp": time.time(),
            "system": self.collect_system_metrics(),
            "actions": self.collect_action_metrics(),
            "events": self.collect_event_metrics(),
        }
        with self._lock:
            self._history.append(sample)
        return dict(sample)

    def _run(self, stop: threading.Event) -> None:
        due = time.monotonic()
        while not stop.is_set():
            try:
                self._sample()
            except OSError:
                # The system did not answer; the next sample asks again.
                pass
            # Intervals do not add up their delays. After a long pause, as in a suspended machine,
            # the samples that were missed are not caught up with.
            due = max(due + self.sample_interval, time.monotonic())
            stop.wait(due - time.monotonic())


class _Totals:
    """Counts since the start, and of the last minute by seconds."""

    def __init__(self) -> None:
        self.count = 0
        self.failed = 0
        self._seconds = 0.0
        # The second that has begun, and sixty before it.
        self._recent: Deque[List[int]] = collections.deque(maxlen=61)

    def add(self, seconds: float, success: bool) -> None:
        self.count += 1
        self.failed += not success
        self._seconds += seconds
        now = int(time.monotonic())
        if not self._recent or self._recent[-1][0] != now:
            self._recent.append([now, 0])
        self._recent[-1][1] += 1

    def average(self) -> float:
        return self._seconds / self.count if self.count else 0.0

    def success_rate(self) -> float:
        """In percent; 100 before the first."""
        return (self.count - self.failed) / self.count * 100 if self.count else 100.0

    def last_minute(self) -> int:
        since = int(time.monotonic()) - 60
        return sum(count for second, count in self._recent if second > since)
