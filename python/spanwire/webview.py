"""``WebView``: a window of pywebview's whose messages Spanwire carries.

    view = spanwire.WebView(title="Paint", html="<h1>Paint</h1>")

    @view.on("save")
    def save(asset):
        return {"saved": asset["name"]}

    view.emit("opened", {"path": "a.png"})
    view.show()

The page has ``window.spanwire`` with ``invoke``, ``emit`` and ``on``. Messages are bounded, batched,
acknowledged and counted, as in an app in Rust. It needs the package's extra ``window``.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import inspect
import json
import logging
import threading
import time
import weakref
from typing import Any, Callable, Dict, List, Optional, Sequence, TypeVar, Union, overload
from urllib.parse import urlsplit

from . import _bridge, _core
from ._errors import text_of

__all__ = ["WebView"]

_log = logging.getLogger("spanwire.webview")
_Callback = TypeVar("_Callback", bound=Callable[[Any], Any])

#: How long the end of the process waits for callbacks that run.
_END_SECONDS = 2.0
_open: "weakref.WeakSet[WebView]" = weakref.WeakSet()


class WebView:
    """A window, its page, and the wire between the page and Python.

    ``html`` or ``url`` says what it shows. ``name`` is that of the window's kind, which tells windows
    apart in metrics: use few, fixed names. ``workers`` is how many callbacks may run at once; one
    after another by default, in the order of the messages. ``origins`` names whose pages may use
    the wire; by default those of the first page. With ``page_events`` each ``CustomEvent`` that code
    of the page dispatches, on whatever target, is a message too. What else pywebview's ``create_window``
    takes goes to it.

    :raises TypeError: for an argument of another type.
    :raises ImportError: when pywebview is not there.
    """

    def __init__(
        self,
        title: str = "Spanwire",
        width: int = 800,
        height: int = 600,
        html: Optional[str] = None,
        url: Optional[str] = None,
        *,
        name: str = "main",
        workers: int = 1,
        origins: Optional[Sequence[str]] = None,
        page_events: bool = False,
        queue_capacity: int = 10_000,
        **options: Any,
    ) -> None:
        for what, value, types in (
            ("title", title, str),
            ("width", width, int),
            ("height", height, int),
            ("html", html, (str, type(None))),
            ("url", url, (str, type(None))),
            ("name", name, str),
        ):
            # A bool is an int in Python, so `width=True` would pass.
            if not isinstance(value, types) or isinstance(value, bool):
                raise TypeError(f"{what}: not {type(value).__name__}")
        if width <= 0 or height <= 0:
            raise ValueError(f"width, height: {width} by {height} is no window's size")
        if html is not None and url is not None:
            raise ValueError("html, url: give one of them")
        try:
            import webview
            import webview.util
            import webview.window
        except ImportError as error:
            raise ImportError("WebView needs pywebview: pip install pywebview") from error
        self._webview = webview
        self._ipc = _core.Ipc(
            name,
            workers=workers,
            origins=list(origins) if origins is not None else None,
            page_events=page_events,
            queue_capacity=queue_capacity,
        )
        self._callbacks: Dict[str, List[Any]] = {}
        self._lock = threading.Lock()
        self._is_closed = False
        self._pump_thread: Optional[threading.Thread] = None
        self._window: Any = None
        # The bridge is in place before the window is made, since the window's first page may post
        # at once.
        _bridge.install(webview)
        # A window that is made while others are open may be shown before `create_window` returns.
        _bridge.making.made = self._attach
        try:
            window = webview.create_window(title, url=url, html=html, width=width, height=height, **options)
        finally:
            _bridge.making.made = None
        if window is None:
            raise RuntimeError("pywebview made no window: a handler of `initialized` refused it")
        self._attach(window)
        _open.add(self)

    # -- messages

    @overload
    def on(self, event: str) -> Callable[[_Callback], _Callback]: ...

    @overload
    def on(self, event: str, callback: _Callback) -> _Callback: ...

    def on(self, event: str, callback: Any = None) -> Any:
        """Calls ``callback(data)`` for each message of ``event``; a decorator without one.

        What it returns is what ``spanwire.invoke`` gives the page, as JSON. What it raises is logged
        with the event's name, counted, and rejects the page's promise. It runs on a thread of its
        window's; a coroutine function runs on an event loop of ours, and is cancelled when the page
        gives its call up or goes away. A call that is given up before its turn does not run.

        :raises TypeError: when it cannot be called.
        :raises ValueError: when no event can have that name.
        """
        if not isinstance(event, str):
            raise TypeError(f"event: a str, and not {type(event).__name__}")
        if callback is None:
            return functools.partial(self.on, event)
        if not callable(callback):
            raise TypeError(f"callback: a function, and not {type(callback).__name__}")
        # This call is outside of the lock, since it may start threads.
        listener = self._ipc.on(event, functools.partial(_run, callback, event))
        with self._lock:
            self._callbacks.setdefault(event, []).append((callback, listener))
        return callback

    def off(self, event: str, callback: Optional[Callable[[Any], Any]] = None) -> int:
        """Calls ``callback`` no more for ``event``, or none at all; returns how many were there."""
        with self._lock:
            registered = self._callbacks.get(event, [])
            going = [one for one in registered if callback is None or one[0] == callback]
            staying = [one for one in registered if one not in going]
            if staying:
                self._callbacks[event] = staying
            else:
                self._callbacks.pop(event, None)
        return sum(self._ipc.off(listener) for _, listener in going)

    def emit(self, name: str, data: Any = None) -> None:
        """Sends an event to the page's ``spanwire.on`` listeners. It never waits for the page.

        :raises ValueError: when no event can have that name, or the data are too large.
        :raises TypeError: when JSON cannot carry ``data``.
        :raises RuntimeError: when the queue is full, or the window is closed.
        """
        if not isinstance(name, str):
            raise TypeError(f"name: a str, and not {type(name).__name__}")
        self._ipc.emit(name, _to_json(data, "data"))

    def emit_event(self, name: str, data: Any = None) -> None:
        """The same as :meth:`emit`."""
        self.emit(name, data)

    def eval_js(self, script: str) -> None:
        """Runs a script in the page. It waits for nothing; one that throws counts as failed.

        :raises RuntimeError: when the queue is full, or the window is closed.
        """
        if not isinstance(script, str):
            raise TypeError(f"script: a str, and not {type(script).__name__}")
        self._ipc.eval(script)

    def get_ipc_metrics(self) -> _core.IpcMetrics:
        """Counts of this window's messages so far."""
        return self._ipc.metrics()

    def reset_ipc_metrics(self) -> None:
        """Zeroes the counts; what is exported keeps its values."""
        self._ipc.reset_metrics()

    @property
    def page_state(self) -> str:
        """``loading``, ``ready``, ``unresponsive``, ``gone`` or ``closed``."""
        return self._ipc.page_state

    # -- the window

    @property
    def window(self) -> Any:
        """pywebview's window."""
        return self._window

    def show(self, func: Optional[Callable[[], Any]] = None, **options: Any) -> None:
        """Shows the window. The first call runs pywebview's event loop, on the main thread, until
        the last window is closed; ``func`` runs on a thread of its own meanwhile.
        """
        if self._is_closed:
            raise RuntimeError("the window is closed")
        # pywebview sets it once its event loop has begun.
        if self._window.gui is not None:
            self._window.show()
        else:
            self._webview.start(func, **options)

    def close(self) -> None:
        """Closes the window and the wire; what is open is counted as dropped."""
        if self._window.gui is not None and not self._is_closed:
            if threading.current_thread() is not threading.main_thread():
                # pywebview puts its object into a page that has loaded, and a thread of its own waits
                # for that without end when the window closes meanwhile.
                self._window.events.loaded.wait(_END_SECONDS)
            self._window.destroy()
        self._end()

    def _attach(self, window: Any) -> None:
        if self._window is not None:
            return
        self._window = window
        # Weak, or the window would keep us.
        weak = weakref.ref(self)

        def receive(text: str) -> None:
            view = weak()
            if view is not None:
                view._ipc.receive(text, _origin(window))

        def before_show() -> None:
            view = weak()
            if view is not None:
                view._shown()

        def closed() -> None:
            view = weak()
            if view is not None:
                view._end()

        _bridge.connect(window, receive)
        window.events.before_show += before_show
        window.events.closed += closed

    def _shown(self) -> None:
        """The webview is made, and no page is loaded yet; this is its thread."""
        _core.startup_reached("window")
        _core.startup_reached("webview")
        window, ipc = self._window, self._ipc
        view = _bridge.gtk_view(window)
        if view is not None:
            _bridge.add_document_script(view, ipc.page_script(_bridge.WEBKIT_POST))
            view.webview.connect("web-process-terminated", lambda *_: ipc.page_gone())
            evaluate = functools.partial(_evaluate_gtk, view)
        else:
            _bridge.load_script(window, ipc.page_script(_bridge.PYWEBVIEW_POST))
            evaluate = functools.partial(_evaluate, window)
        self._pump_thread = threading.Thread(
            target=_pump, args=(ipc, evaluate), name="spanwire-pump", daemon=True
        )
        self._pump_thread.start()

    def _end(self) -> None:
        # Before anything else: whoever returns from here finds the wire closed.
        self._ipc.close()
        # The thread that pumps may be gone by now, and would not do it.
        _cancel_given_up(self._ipc)
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            callbacks, self._callbacks = self._callbacks, {}
        for registered in callbacks.values():
            for _, listener in registered:
                self._ipc.off(listener)
        _bridge.disconnect(self._window)
        _open.discard(self)

    def __enter__(self) -> "WebView":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<spanwire.WebView {self._window.title!r} {self.page_state}>"


def _to_json(value: Any, what: str) -> str:
    try:
        # Not as ASCII: an escape has six bytes for a character that has two or three in UTF-8. NaN
        # and infinity are no JSON, and the page could not parse them.
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                # Half of a surrogate pair, as in a file's name: the page takes it as an escape.
                text = json.dumps(value, allow_nan=False, separators=(",", ":"))
        return text
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"{what}: JSON cannot carry it: {error}") from error


def _run(callback: Callable[[Any], Any], event: str, text: str, reply: _core.IpcReply) -> None:
    """Runs the app's callback on one message."""
    try:
        value = callback(json.loads(text))
        if inspect.isawaitable(value):
            task = asyncio.run_coroutine_threadsafe(_await(value, event, reply), _event_loop())
            # This thread is free for the next message: the loop answers.
            reply.on_cancelled(task.cancel)
            return
        _answer(value, reply)
    except BaseException as error:
        _fail(event, reply, error)


async def _await(value: Any, event: str, reply: _core.IpcReply) -> None:
    try:
        _answer(await value, reply)
    except BaseException as error:
        # The page cancelled the call, so no reply is sent. When the app itself cancels the
        # coroutine, the call fails and its promise is rejected.
        if isinstance(error, asyncio.CancelledError) and reply.is_cancelled:
            raise
        _fail(event, reply, error)


def _answer(value: Any, reply: _core.IpcReply) -> None:
    reply.respond(_to_json(value, "the result") if reply.wants_reply else "null")


def _fail(event: str, reply: _core.IpcReply, error: BaseException) -> None:
    # The traceback stays here: the page gets the class and the text.
    _log.error("the callback of %r failed", event, exc_info=error)
    reply.reject(type(error).__name__, text_of(error))


_loop: Optional[asyncio.AbstractEventLoop] = None
_loop_lock = threading.Lock()


def _event_loop() -> asyncio.AbstractEventLoop:
    """The loop that coroutines run on, which is started for the first of them."""
    global _loop
    with _loop_lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            # One loop for all windows, on a daemon thread: nothing ends it, and it must not hold up
            # the end of the process.
            threading.Thread(target=_loop.run_forever, name="spanwire-asyncio", daemon=True).start()
        return _loop


def _cancel_given_up(ipc: _core.Ipc) -> None:
    """Ends the coroutines whose calls the page gave up."""
    for cancel in ipc.given_up():
        cancel()


def _pump(ipc: _core.Ipc, evaluate: Callable[[Any], None]) -> None:
    """Hands to the page what waits for it, whenever something does."""
    while True:
        ipc.wait(1.0)
        _cancel_given_up(ipc)
        while True:
            script = ipc.next_script()
            if script is None:
                break
            try:
                evaluate(script)
            except Exception:
                _log.exception("a script did not reach the page")
                script.failed()
        if ipc.page_state == "closed":
            return


def _evaluate(window: Any, script: _core.IpcScript) -> None:
    # Not the window's method, which waits until pywebview's object is in the page. Events of an
    # early page would wait with it.
    window.gui.evaluate_js(script.text, window.uid, False)


def _evaluate_gtk(view: Any, script: _core.IpcScript) -> None:
    """Without waiting for the page: what it acknowledges is enough."""
    from gi.repository import GLib

    def run() -> bool:
        try:
            view.webview.evaluate_javascript(script.text, -1, None, None, None, None)
        except Exception:
            script.failed()
        return False

    # GTK may be used on its own thread alone. GLib's default priority for idle sources comes after
    # GTK's drawing, so messages would wait for that.
    GLib.idle_add(run, priority=GLib.PRIORITY_DEFAULT)


def _origin(window: Any) -> Optional[str]:
    """Where the page is that sends; None where pywebview cannot tell without waiting."""
    view = _bridge.gtk_view(window)
    address: Union[str, None] = view.webview.get_uri() if view is not None else None
    # A page given as HTML has no address of its own.
    if not address or address.startswith("about:"):
        return None
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _at_end() -> None:
    """No thread of ours may be in the interpreter when it ends."""
    views = list(_open)
    for view in views:
        view._end()
    deadline = time.monotonic() + _END_SECONDS
    for view in views:
        if view._pump_thread is not None:
            view._pump_thread.join(max(0.0, deadline - time.monotonic()))
        while view._ipc.running and time.monotonic() < deadline:
            time.sleep(0.01)


atexit.register(_at_end)
