"""Our messages over pywebview's bridge, beside those of the app."""

from __future__ import annotations

import functools
import sys
import threading
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

#: What takes a text that the page posted for a window, by the window's identity.
_receivers: Dict[int, Callable[[str], None]] = {}
#: The script of a window's pages, by the same, where nothing runs it at a document's start.
_scripts: Dict[int, str] = {}
#: Windows whose pages have the observing script, by the same.
_reporters: Set[int] = set()
#: What was replaced: the owner, the name, the original and ours.
_patches: List[Tuple[Any, str, Any, Any]] = []
_lock = threading.Lock()
#: Sees what pages call: ``hook(window, name, param, id)`` gives the window for pywebview to go on
#: with, or None when nothing is left to do.
hook: Optional[Callable[[Any, str, Any, str], Any]] = None
#: What is done with the window that this thread makes, before it is shown.
# Per thread: two threads may make windows at the same time.
making = threading.local()

NAME = "_spanwire_ipc"
#: What the observing script reports as; `src/pywebview.js` has the same.
REPORT = "_spanwire_report"
#: Functions of the page that hand a text to us. What they use is taken before code of the page runs.
WEBKIT_POST = (
    # `post` is bound now: code of the page may replace `postMessage` on the object later.
    "(({stringify},port)=>{const post=port.postMessage.bind(port);"
    f'return (text)=>post(\'{{"funcName":"{NAME}","id":"","params":\'+stringify(text)+"}}")}})'
    "(JSON,window.webkit.messageHandlers.jsBridge)"
)
PYWEBVIEW_POST = f'((send)=>(text)=>send("{NAME}",text,""))(window.pywebview._jsApiCallback)'


def gtk_view(window: Any) -> Any:
    """pywebview's view of the window, where GTK draws it."""
    # Not imported: an import would load GTK into an app that draws with something else.
    module = sys.modules.get("webview.platforms.gtk")
    view = getattr(module, "BrowserView", None)
    return view.instances.get(window.uid) if view is not None else None


def swap(before: Any, after: Any) -> None:
    """The modules of platforms have names of their own for pywebview's bridge."""
    for name, module in list(sys.modules.items()):
        if name.startswith("webview.platforms.") and module is not None:
            if getattr(module, "js_bridge_call", None) is before:
                setattr(module, "js_bridge_call", after)


def add_document_script(view: Any, script: str) -> None:
    """Runs ``script`` in GTK's view at the start of each document, in its main frame."""
    from gi.repository import WebKit2

    # WebKit's own scripts come before any code of the page. pywebview's come once the page has
    # loaded.
    view.manager.add_script(
        WebKit2.UserScript.new(
            script,
            WebKit2.UserContentInjectedFrames.TOP_FRAME,
            WebKit2.UserScriptInjectionTime.START,
            None,
            None,
        )
    )


def install(webview: Any) -> None:
    """Makes the bridge know our messages; what is there already stays."""
    with _lock:
        if not _patches:
            _install(webview)


def uninstall(webview: Any) -> None:
    """Gives pywebview its functions back, once nothing of ours needs them."""
    with _lock:
        # A page with our script still posts its reports. pywebview itself would log each as a
        # function that does not exist.
        reports = any(id(window) in _reporters for window in webview.windows)
        if hook is not None or _receivers or reports or not _patches:
            return
        # All or nothing: another library that has wrapped one of ours calls it, and needs the
        # others too.
        if all(vars(owner).get(name) is ours for owner, name, _, ours in _patches):
            for owner, name, original, _ in _patches:
                setattr(owner, name, original)
            _, _, original, ours = _patches[0]
            swap(ours, original)
            _patches.clear()
            _reporters.clear()


def _install(webview: Any) -> None:
    util, cls = webview.util, webview.window.Window
    call, load, initialize = util.js_bridge_call, util.load_js_files, cls._initialize

    @functools.wraps(call)
    def js_bridge_call(window: Any, func_name: str, param: Any, value_id: str) -> None:
        if func_name == NAME:
            receive = _receivers.get(id(window))
            # The page chooses `param`: it may be anything that JSON can say.
            if receive is not None and isinstance(param, str):
                receive(param)
            return
        observed = window
        # This code reads `hook` once, since `uninstrument` on another thread may set it to None in
        # between.
        seen = hook
        if seen is not None and not has(window):
            window = seen(window, func_name, param, value_id)
            if window is None:
                return
        # Nothing observes any more, and the page does not know it.
        elif func_name == REPORT:
            return
        if id(observed) in _reporters:
            # What the observing script put behind the id is not pywebview's.
            value_id = value_id.partition("|")[0]
        call(window, func_name, param, value_id)

    @functools.wraps(load)
    def load_js_files(window: Any, platform: str) -> Tuple[str, str]:
        code, finish = load(window, platform)
        script = _scripts.get(id(window))
        # The value of a script is that of its last expression, and ours is of no use to pywebview.
        return (f"{code}\n;{script};void 0;" if script else code), finish

    @functools.wraps(initialize)
    def _initialize(window: Any, *args: Any, **kwargs: Any) -> Any:
        # `_initialize` is where a window gets its platform, and no page is loaded before it.
        made: Optional[Callable[[Any], None]] = getattr(making, "made", None)
        if made is not None:
            made(window)
        return initialize(window, *args, **kwargs)

    _patches.extend(
        [
            (util, "js_bridge_call", call, js_bridge_call),
            (util, "load_js_files", load, load_js_files),
            (cls, "_initialize", initialize, _initialize),
        ]
    )
    for owner, name, _, ours in _patches:
        setattr(owner, name, ours)
    # A platform's module that was imported before has pywebview's function under a name of its own.
    swap(call, js_bridge_call)


def reporters() -> Set[int]:
    """The windows whose pages have the observing script, by identity."""
    return _reporters


def reports(window: Any) -> None:
    """Pages of this window have the observing script."""
    _reporters.add(id(window))


def connect(window: Any, receive: Callable[[str], None]) -> None:
    """Hands what this window's pages post to ``receive``."""
    _receivers[id(window)] = receive


def has(window: Any) -> bool:
    """Whether Spanwire carries this window's messages itself."""
    return id(window) in _receivers


def load_script(window: Any, script: str) -> None:
    """Runs ``script`` in each page of the window once it has loaded."""
    _scripts[id(window)] = script


def disconnect(window: Any) -> None:
    """Forgets the window."""
    _receivers.pop(id(window), None)
    _scripts.pop(id(window), None)
