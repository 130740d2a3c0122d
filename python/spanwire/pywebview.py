"""Observes a pywebview app: one line before ``webview.start()``, and no change elsewhere.

    import spanwire.pywebview

    spanwire.pywebview.instrument()
    webview.start()

Every call that a page makes to Python becomes one trace: the page's wait, the way to Python, the
start of pywebview's thread, the function, and the reply until the page's promise is settled.
``evaluate_js`` and ``run_js`` are measured too, and so are loads, crashes and the app's start.

``docs/guide/pywebview.md`` is the guide.
"""

from __future__ import annotations

import functools
import inspect
import logging
import sys
import threading
import warnings
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from . import _bridge, _core

__all__ = ["instrument", "uninstrument", "is_instrumented", "observer", "SeamWarning"]

#: The versions of pywebview whose seam was tested.
TESTED = "6.2.1"

# What pywebview's own page script tells Python; none of them is a function of the app's.
_OWN = frozenset(
    {
        "pywebviewMoveWindow",
        "pywebviewEventHandler",
        "pywebviewAsyncCallback",
        "pywebviewStateUpdate",
        "pywebviewStateDelete",
    }
)
# Modules of pywebview whose scripts are no messages of the app's.
_INTERNAL = frozenset({"webview.util", "webview.window", "webview.state"})

_log = logging.getLogger("spanwire.pywebview")
_lock = threading.RLock()
_seam: Optional["_Seam"] = None


class SeamWarning(RuntimeWarning):
    """This version of pywebview cannot be observed, or something in it could not."""


def _default_name(window: Any) -> str:
    return "main" if window.uid == "master" else "child"


def instrument(*, name: Optional[Callable[[Any], str]] = None) -> bool:
    """Observes every window of this process, those made before and those made after.

    ``name`` gives a window the name of its kind, which tells windows apart in metrics: use few,
    fixed names. By default the first window is ``main`` and the others are ``child``.

    Returns whether pywebview is observed. A version that works otherwise than expected is a
    ``SeamWarning``, and the app runs as without this. A second call changes nothing.

    Call it before ``webview.start()``. Later, Python's half of each call is observed at once, and
    the page's half from the next page on.
    """
    global _seam
    if name is not None and not callable(name):
        raise TypeError(f"name: a function of a window, and not {type(name).__name__}")
    with _lock:
        if _seam is not None:
            return True
        try:
            import webview
            import webview.util
            import webview.window
        except ImportError as error:
            raise ImportError("spanwire.pywebview needs pywebview: pip install pywebview") from error
        # The check precedes every replacement: a pywebview that is not known stays as it is.
        problem = _difference(webview)
        if problem:
            version = getattr(webview, "__version__", None) or _version()
            warnings.warn(
                f"pywebview {version} is not observed: {problem} (tested with {TESTED})",
                SeamWarning,
                stacklevel=2,
            )
            return False
        _bridge.install(webview)
        seam = _Seam(webview, name or _default_name)
        seam.install()
        _seam = seam
        return True


def uninstrument() -> None:
    """Observes nothing any more; what is under way ends as it would have.

    pywebview's functions are its own again. Where a page still has our script, what it says is
    taken and dropped until its window closes.
    """
    global _seam
    with _lock:
        seam, _seam = _seam, None
        if seam is not None:
            seam.remove()


def is_instrumented() -> bool:
    """Whether pywebview is observed."""
    return _seam is not None


def observer(window: Any) -> Optional[_core.BridgeObserver]:
    """What observes this window, with its ``metrics()``; None where nothing does."""
    seam = _seam
    return seam.of(window) if seam is not None else None


def _version() -> str:
    try:
        from importlib.metadata import version

        return version("pywebview")
    except Exception:
        return "of an unknown version"


def _parameters(function: Any) -> Optional[List[str]]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return None


def _difference(webview: Any) -> Optional[str]:
    """What about this pywebview is not as expected."""
    util, window = webview.util, webview.window
    expected: Dict[str, Tuple[Any, List[str]]] = {
        "webview.util.js_bridge_call": (
            getattr(util, "js_bridge_call", None),
            ["window", "func_name", "param", "value_id"],
        ),
        "webview.util.load_js_files": (getattr(util, "load_js_files", None), ["window", "platform"]),
    }
    for what, (function, names) in expected.items():
        if _parameters(function) != names:
            return f"{what} is not as expected"
    cls = getattr(window, "Window", None)
    for method in ("evaluate_js", "run_js", "_initialize"):
        found = _parameters(getattr(cls, method, None))
        first = {"evaluate_js": "script", "run_js": "script", "_initialize": "gui"}[method]
        if not found or found[1:2] != [first]:
            return f"Window.{method} is not as expected"
    source = ""
    try:
        # The parameters may stay when the body changes, so the places that `_CallWindow` stands in
        # for are looked for in the source.
        source = inspect.getsource(util.js_bridge_call)
    except (OSError, TypeError):
        # A frozen app has no sources.
        return None
    for text in ("window._functions", "window._js_api", "window.evaluate_js("):
        if text not in source:
            return f"js_bridge_call does not use {text}"
    return None


class _CallWindow:
    """The window as one call's thread sees it: with that call's function, and its way back."""

    __slots__ = ("_window", "_functions", "_call")

    def __init__(self, window: Any, name: str, call: Any) -> None:
        self._window = window
        # pywebview looks a function up here first, so it finds the call's object. The real window
        # is not changed: other calls run at the same time.
        self._functions = {name: call}
        self._call = call

    def __getattr__(self, name: str) -> Any:
        # pywebview uses more of the window than the two above.
        return getattr(self._window, name)

    def evaluate_js(self, script: str) -> Any:
        return self._call.reply(script)


class _Observed:
    """One window."""

    def __init__(self, seam: "_Seam", window: Any, name: str) -> None:
        self.core = _core.BridgeObserver(name)
        self.window = window
        self.evaluate = functools.partial(seam.evaluate_js, window)
        self.has_document_start = False
        self.handlers: List[Tuple[Any, Any]] = []
        # One script for all documents of the window: its secret stays the same.
        self.script = self.core.page_script()


    def detach(self) -> None:
        """Leaves the window as it was."""
        for event, handler in self.handlers:
            event -= handler
        self.handlers = []
        if id(self.window) in _bridge.reporters():
            # Its page reports until it closes; then the bridge may be given back.
            import webview

            self.window.events.closed += lambda: _bridge.uninstall(webview)


class _Seam:
    """What of pywebview is replaced, and by what."""

    def __init__(self, webview: Any, name: Callable[[Any], str]) -> None:
        self.webview = webview
        self.name = name
        self.is_active = True
        self.warned: Set[str] = set()
        # By identity: a window of pywebview's is not hashable by what it is.
        self.windows: Dict[int, "_Observed"] = {}
        util, cls = webview.util, webview.window.Window
        self.load_js_files = util.load_js_files
        self.evaluate_js = cls.evaluate_js
        self.run_js = cls.run_js
        self.initialize = cls._initialize
        self.patches = [
            (util, "load_js_files", self.load_js_files, self._make_load_js_files()),
            (cls, "evaluate_js", self.evaluate_js, self._make_script("evaluate_js")),
            (cls, "run_js", self.run_js, self._make_script("run_js")),
            (cls, "_initialize", self.initialize, self._make_initialize()),
        ]

    # -- in and out

    def install(self) -> None:
        _bridge.hook = self._call
        for owner, name, _, ours in self.patches:
            setattr(owner, name, ours)
        # A window that exists has passed `create_window`, and may have passed `_initialize`.
        for window in list(self.webview.windows):
            self._guard("window", self.attach, window)

    def remove(self) -> None:
        self.is_active = False
        _bridge.hook = None
        for owner, name, original, ours in reversed(self.patches):
            # Another library may have wrapped ours meanwhile.
            if vars(owner).get(name) is ours:
                setattr(owner, name, original)
        for one in list(self.windows.values()):
            one.detach()
        self.windows.clear()
        _bridge.uninstall(self.webview)

    def _guard(self, what: str, run: Callable[..., Any], *args: Any) -> Any:
        """Runs what is ours alone: the app must not notice when it fails."""
        try:
            return run(*args)
        except Exception as error:
            self._warn(what, error)
            return None

    def _warn(self, what: str, error: Exception) -> None:
        # The observer warns once for each kind, since a call that fails does so each time.
        if what not in self.warned:
            self.warned.add(what)
            _log.warning("%s is not observed: %s: %s", what, type(error).__name__, error)

    # -- windows

    def of(self, window: Any) -> Optional[_core.BridgeObserver]:
        one = self.windows.get(id(window))
        return one.core if one is not None else None

    def attach(self, window: Any) -> _Observed:
        with _lock:
            one = self.windows.get(id(window))
            if one is not None:
                return one
            name = self.name(window)
            if not isinstance(name, str):
                raise TypeError(f"name: a str, and not {type(name).__name__}")
            one = self.windows[id(window)] = _Observed(self, window, name)
        events = window.events

        def before_show() -> None:
            self._guard("window", self._shown, one)

        def closed() -> None:
            self._guard("window", self._closed, one)

        events.before_show += before_show
        events.closed += closed
        one.handlers = [(events.before_show, before_show), (events.closed, closed)]
        # `before_show` has fired already.
        if window.native is not None:
            self._guard("window", self._shown_before, one)
        return one

    def _shown(self, one: _Observed) -> None:
        """The webview is made, and no page is loaded yet; this is its thread."""
        if not self.is_active or _bridge.has(one.window):
            return
        # pywebview makes both in one step.
        _core.startup_reached("window")
        _core.startup_reached("webview")
        one.core.set_main_thread()
        view = _bridge.gtk_view(one.window)
        if view is not None:
            _bridge.reports(one.window)
            _bridge.add_document_script(view, one.script)
            one.has_document_start = True
            core = one.core
            view.webview.connect("web-process-terminated", lambda *_: core.page_crashed())

    def _shown_before(self, one: _Observed) -> None:
        """The window was open before us: its next page has our script."""
        if _bridge.gtk_view(one.window) is None:
            return
        from gi.repository import GLib

        # GTK may be used on its own thread alone. `False` keeps GLib from calling it again.
        GLib.idle_add(lambda: self._guard("window", self._shown, one) and False)

    def _closed(self, one: _Observed) -> None:
        one.core.set_page_state("closed")
        with _lock:
            self.windows.pop(id(one.window), None)

    # -- what replaces pywebview's functions

    def _call(self, window: Any, name: str, param: Any, value_id: str) -> Any:
        """Wraps one call of the page; returns the window that pywebview calls the function on."""
        if name == _bridge.REPORT:
            one = self.windows.get(id(window))
            if one is not None:
                self._guard("report", one.core.report, param)
            return None
        if name in _OWN:
            return window
        try:
            seen = self._begin(window, name, param, value_id)
        except Exception as error:
            # Spanwire cannot observe the call: pywebview gets its own window and runs the call
            # without a span.
            self._warn("call", error)
            return window
        return window if seen is None else seen

    def _begin(self, window: Any, name: str, param: Any, value_id: str) -> Optional[_CallWindow]:
        one = self.windows.get(id(window)) or self.attach(window)
        function = window._functions.get(name) or _attribute(window._js_api, name)
        if function is None:
            # pywebview logs it and never answers, so the call ends here.
            one.core.unknown(name, param, value_id)
            return None
        call = one.core.call(name, param, value_id, function, one.evaluate)
        return _CallWindow(window, name, call)

    def _make_load_js_files(self) -> Callable[..., Any]:
        original = self.load_js_files

        @functools.wraps(original)
        def load_js_files(window: Any, platform: str) -> Any:
            files = original(window, platform)
            if not self.is_active or _bridge.has(window):
                return files
            ours = self._guard("page", self._page_script, window)
            if ours is None or not isinstance(files, tuple) or not files:
                return files
            return (files[0] + ours, *files[1:])

        return load_js_files

    def _page_script(self, window: Any) -> str:
        one = self.windows.get(id(window)) or self.attach(window)
        _bridge.reports(window)
        hook = "window._spanwirePywebview&&window._spanwirePywebview(window.pywebview);void 0;"
        # The script runs at the document's start. What is left is to hook pywebview's object, which
        # is there only now.
        if one.has_document_start:
            return f"\n;{hook}"
        return f"\n;if(!window._spanwirePywebview){{{one.script}}}\n{hook}"

    def _make_script(self, name: str) -> Callable[..., Any]:
        original = getattr(self, name)

        @functools.wraps(original)
        def run(window: Any, script: str, *args: Any, **kwargs: Any) -> Any:
            # pywebview uses the same methods for its own scripts. The caller's module tells them
            # apart.
            caller = sys._getframe(1).f_globals.get("__name__")
            one = None if caller in _INTERNAL or _bridge.has(window) else self.windows.get(id(window))
            sent = one and self._guard(name, one.core.send, name, len(script))
            if not sent:
                return original(window, script, *args, **kwargs)
            try:
                result = original(window, script, *args, **kwargs)
            except BaseException as error:
                threw = type(error).__name__ == "JavascriptException"
                self._guard(name, sent.threw if threw else sent.lost)
                raise
            self._guard(name, sent.ran)
            return result

        return run

    def _make_initialize(self) -> Callable[..., Any]:
        original = self.initialize

        @functools.wraps(original)
        def _initialize(window: Any, *args: Any, **kwargs: Any) -> Any:
            # A platform's module is imported by now, and may have been before us.
            self._guard("window", self.attach, window)
            return original(window, *args, **kwargs)

        return _initialize


def _attribute(thing: Any, path: str) -> Any:
    """As pywebview finds a function of ``js_api``."""
    for name in path.split("."):
        thing = getattr(thing, name, None)
        if thing is None:
            return None
    return thing

