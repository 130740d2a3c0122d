"""What the Rust half has. ``spanwire`` gives the public names."""

import os
from pathlib import Path
from types import TracebackType
from typing import Any, Awaitable, Callable, Generic, Literal, Optional, TypeVar, Union, final

from typing_extensions import Unpack

__version__: str

T = TypeVar("T")
#: What a block hands over at its end.
_Error = tuple[Optional[type[BaseException]], Optional[BaseException], Optional[TracebackType]]

class SpanwireError(Exception): ...
class FlushTimeout(SpanwireError): ...
class QueueFull(Exception): ...
class QueueClosed(Exception): ...

class IpcCounts:
    """What both a snapshot and the difference of two have."""

    @property
    def messages_sent(self) -> int:
        """Messages that the page acknowledged."""
    @property
    def messages_failed(self) -> int:
        """Messages that the page could not run, or that ended with it."""
    @property
    def messages_dropped(self) -> int:
        """Messages that never left, or were open when their window was closed."""
    @property
    def retry_attempts(self) -> int:
        """How often a message was sent once more."""
    @property
    def messages_received(self) -> int:
        """Messages from the page."""
    @property
    def avg_latency_us(self) -> int:
        """Mean time to the page's acknowledgement, in microseconds."""

@final
class IpcMetrics(IpcCounts):
    """Counts of one window's messages, at one moment."""

    @property
    def messages_open(self) -> int:
        """Messages that did not end yet."""
    @property
    def success_rate(self) -> float:
        """Share of ended messages that were sent, 0 to 100; 100 while none ended."""
    @property
    def p50_latency_us(self) -> int:
        """Median time to the page's acknowledgement, in microseconds."""
    @property
    def p95_latency_us(self) -> int: ...
    @property
    def p99_latency_us(self) -> int: ...
    @property
    def peak_queue_length(self) -> int:
        """Most messages that waited at once."""
    def format(self) -> str:
        """The eight counts as a block of text."""
    def since(self, earlier: IpcMetrics) -> IpcMetricsDelta:
        """What happened since an earlier snapshot."""

@final
class IpcMetricsDelta(IpcCounts):
    """What happened between two snapshots."""

    @property
    def elapsed_seconds(self) -> float:
        """Seconds between the snapshots."""
    @property
    def throughput(self) -> float:
        """Messages in both directions for each second."""

@final
class BridgeCall:
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def reply(self, script: str) -> Any: ...

@final
class BridgeSend:
    def ran(self) -> None: ...
    def threw(self) -> None: ...
    def lost(self) -> None: ...

@final
class BridgeObserver:
    """Observes the messages between one page and Python."""

    def __new__(cls, name: str) -> BridgeObserver: ...
    def page_script(self) -> str: ...
    def call(
        self, name: str, params: Any, value_id: str, function: Callable[..., Any], evaluate: Callable[[str], Any]
    ) -> BridgeCall: ...
    def unknown(self, name: str, params: Any, value_id: str) -> None: ...
    def report(self, report: str) -> bool: ...
    def send(self, name: str, size: int) -> BridgeSend: ...
    def set_page_state(self, state: str) -> None: ...
    @property
    def page_state(self) -> str: ...
    def page_crashed(self) -> None: ...
    def set_main_thread(self) -> None: ...
    def metrics(self) -> IpcMetrics: ...

@final
class IpcReply:
    def respond(self, json: str) -> bool: ...
    def reject(self, name: str, message: str) -> bool: ...
    @property
    def wants_reply(self) -> bool: ...
    @property
    def is_cancelled(self) -> bool: ...
    def on_cancelled(self, callback: Callable[[], Any]) -> None: ...

@final
class IpcScript:
    @property
    def text(self) -> str: ...
    def failed(self) -> None: ...

@final
class Ipc:
    """The wire between one page and Python."""

    def __new__(
        cls,
        name: str,
        *,
        workers: int = 1,
        origins: Optional[list[str]] = None,
        any_origin: bool = False,
        page_events: bool = False,
        queue_capacity: int = 10_000,
    ) -> Ipc: ...
    def page_script(self, post: str) -> str: ...
    def receive(self, text: str, origin: Optional[str] = None) -> bool: ...
    def wait(self, seconds: float) -> bool: ...
    def next_script(self) -> Optional[IpcScript]: ...
    def given_up(self) -> list[Callable[[], Any]]: ...
    def on(self, event: str, callback: Callable[[str, IpcReply], Any]) -> int: ...
    def off(self, id: int) -> bool: ...
    def emit(self, event: str, json: str) -> None: ...
    def eval(self, script: str) -> None: ...
    def page_loading(self) -> None: ...
    def page_gone(self) -> None: ...
    @property
    def page_state(self) -> str: ...
    def close(self) -> None: ...
    @property
    def running(self) -> int: ...
    def metrics(self) -> IpcMetrics: ...
    def reset_metrics(self) -> None: ...

def startup_reached(phase: str) -> None: ...

@final
class SignalReport:
    """What became of one signal's items."""

    @property
    def state(self) -> str: ...
    @property
    def exported(self) -> int: ...
    @property
    def spooled(self) -> int: ...
    @property
    def dropped(self) -> int: ...
    @property
    def discarded(self) -> int: ...
    @property
    def lost(self) -> int: ...
    @property
    def last_error(self) -> Optional[str]: ...

@final
class ShutdownReport:
    """What telemetry sent, what waits on disk and what it did not send."""

    @property
    def spans(self) -> SignalReport: ...
    @property
    def logs(self) -> SignalReport: ...
    @property
    def metrics(self) -> SignalReport: ...
    @property
    def history(self) -> Optional[str]: ...

@final
class Advice:
    """One thing that is wrong, with its evidence."""

    @property
    def id(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def stage(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def evidence(self) -> str: ...
    @property
    def remedy(self) -> str: ...
    @property
    def runbook(self) -> Optional[str]: ...
    @property
    def trace_id(self) -> Optional[str]: ...

@final
class Report:
    """A report that was written."""

    @property
    def path(self) -> Path: ...
    @property
    def size(self) -> int: ...
    @property
    def verdict(self) -> str: ...
    @property
    def advice(self) -> list[Advice]: ...
    @property
    def missing(self) -> list[str]: ...

class Telemetry:
    @property
    def warnings(self) -> list[str]: ...
    @property
    def is_paused(self) -> bool: ...
    @property
    def prometheus_addr(self) -> Optional[str]: ...
    @property
    def metrics_url(self) -> Optional[str]: ...
    def flush(self, timeout: float = 5.0) -> None: ...
    def report(self, path: Union[str, os.PathLike[str]]) -> Report: ...
    def shutdown(self, timeout: Optional[float] = None) -> ShutdownReport: ...
    def pause(self, *, keep_pending: bool = False) -> str: ...
    def resume(self) -> None: ...

def _install(service_name: str, options: dict[str, Any]) -> Telemetry: ...
def _after_fork_in_child() -> None: ...

@final
class Measurement:
    """A gauge of the app's own; the last value recorded is what is exported.

    Make one for each name and keep it: its series is found once.

    :param name: as event names: printable, without white space around it, 1 to 128 bytes.
    :param category: what it is grouped by, as names.
    :param unit: best as UCUM writes it: ``ms``, ``By``, ``{frame}/s``.
    """

    def __init__(self, name: str, *, category: Optional[str] = None, unit: Optional[str] = None) -> None: ...
    @property
    def name(self) -> str: ...
    def record(self, value: float) -> None:
        """Records a value. One that is not finite is left out."""

@final
class MessageQueue(Generic[T]):
    """A bounded queue whose messages, losses and waits are counted.

    :param name: 1 to 128 bytes; it becomes a label.
    :param capacity: messages that can wait at once.
    :param overflow: what a full queue does: ``"drop_newest"``, ``"drop_oldest"``, ``"block"``.
    """

    def __init__(self, name: str, capacity: int = 1000, *, overflow: str = "drop_newest") -> None: ...
    def push(self, message: T, timeout: Optional[float] = None) -> Optional[T]:
        """Queues a message, waiting for room at most ``timeout`` seconds.

        :raises QueueFull: :raises QueueClosed:
        """
    def pop(self, timeout: Optional[float] = None) -> T:
        """Takes the oldest message, waiting for one; the interpreter's lock is free meanwhile.

        :raises TimeoutError: :raises QueueClosed:
        """
    def try_pop(self) -> Optional[T]: ...
    def drain(self, max: Optional[int] = None) -> list[T]: ...
    def close(self) -> None: ...
    @property
    def closed(self) -> bool: ...
    @property
    def name(self) -> str: ...
    @property
    def capacity(self) -> int: ...
    @property
    def peak(self) -> int: ...
    def __len__(self) -> int: ...

F = TypeVar("F", bound=Callable[..., Any])
Field = Union[str, int, float, bool]

@final
class Run:
    """One run of an operation; ``with monitor(...) as run`` gives it."""

    def field(self, key: str, value: Field) -> None:
        """Notes something about this run, for its span and log records, never for metrics.

        16 fields and 256 bytes of text each are kept.
        """
    def end(self, error: Optional[BaseException] = None) -> None:
        """Ends it: well, or as the exception says. Only the first call counts."""
    @property
    def trace_id(self) -> Optional[str]:
        """32 hexadecimal digits; None without a span."""
    @property
    def span_id(self) -> Optional[str]:
        """16 hexadecimal digits; None without a span."""
    @property
    def _ids(self) -> Optional[tuple[int, int, int]]: ...
    def _attach(self) -> None: ...
    def _detach(self) -> None: ...
    def __enter__(self) -> Run: ...
    def __exit__(self, *error: Unpack[_Error]) -> Literal[False]: ...

@final
class Monitor:
    """Measures what is done as the operation of that name.

    It is for ``with``, ``async with`` and as a decorator of functions, coroutine functions and
    generators, as often as needed and on several threads at a time. An exception is recorded and
    raised on; a cancelled task is recorded as ``cancelled``. ``make python-bench`` says what it costs;
    before ``install`` no clock is read.

    :param name: 1 to 128 bytes; 200 names in a process have series of their own.
    :param slow_after: from how many seconds on a run counts as slow.
    :param sample_one_in: a span for one run in so many; 0 for none. Metrics count all.
    :param fields: for the span and log records of each run.
    """

    def __init__(
        self,
        name: str,
        *,
        slow_after: Optional[float] = None,
        sample_one_in: int = 1,
        fields: Optional[dict[str, Field]] = None,
    ) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def active(self) -> int: ...
    def start(self) -> Run:
        """Starts a run that ends by its ``end``. It is no parent of others before it is entered."""
    def record(self, duration: float, ok: bool = True, *, error_type: Optional[str] = None) -> None:
        """Counts a run that was measured elsewhere: ``duration`` in seconds, until now."""
    def set_slow_threshold(self, seconds: Optional[float]) -> None: ...
    def __call__(self, function: F) -> F: ...
    def __enter__(self) -> Run: ...
    def __exit__(self, *error: Unpack[_Error]) -> Literal[False]: ...
    def __aenter__(self) -> Awaitable[Run]: ...
    def __aexit__(self, *error: Unpack[_Error]) -> Awaitable[Literal[False]]: ...

def current_run() -> Optional[Run]:
    """The innermost run of this context, or None."""

def slow_threshold() -> float:
    """From how many seconds on an operation counts as slow, unless it has its own threshold."""

def set_slow_threshold(seconds: float) -> None: ...
def set_current_operation(name: Optional[str]) -> None:
    """Says which operation is running now, for work without a block; None for none.

    There is one for the process; it is shown among the operations that run.
    """

def _bridge(
    current: Callable[[], Any], attach: Callable[[Run], Any], detach: Callable[[Any], None]
) -> None: ...

HISTORY_SCHEMA: str

def _sketch_with(sketch: Optional[bytes], durations: list[int]) -> bytes: ...

@final
class SystemProbe:
    def sample(self) -> dict[str, Any]: ...

def _sdk_span_started(trace: int, span: int, name: str, parent: int, remote: bool, flags: int) -> bool: ...
def _sdk_span_ended(trace: int, span: int, describe: Callable[[], dict[str, Any]]) -> None: ...
def _log(record: dict[str, Any]) -> None: ...
