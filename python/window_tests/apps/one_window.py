"""One window, which does what its first argument says; it prints what was seen."""

import json
import os
import re
import signal
import sys
import threading
import warnings

import spanwire
import webview


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        for child in file.read().split():
            yield int(child)
            yield from children(int(child))


class Api:
    def __init__(self):
        self.release = threading.Event()

    def ping(self, value):
        return value

    def block(self):
        self.release.wait(20)
        return "released"


def wait_for(condition, what):
    for _ in range(400):
        if condition():
            return
        threading.Event().wait(0.025)
    raise AssertionError(f"not within 10 s: {what}")


def metrics():
    one = spanwire.pywebview.observer(window).metrics()
    names = ("messages_sent", "messages_failed", "messages_received", "messages_open")
    return {name: getattr(one, name) for name in names}


def call(script):
    """What a promise of the page's gave."""
    got, value = threading.Event(), []
    window.evaluate_js(script, lambda result: (value.append(result), got.set()))
    assert got.wait(10), script
    return value[0]


def scripts():
    assert window.evaluate_js("6 * 7") == 42
    try:
        window.evaluate_js("throw new TypeError('no')")
    except webview.errors.JavascriptException:
        pass
    window.run_js("document.title = 'run';0")
    result.update(metrics())


def blocked():
    """A function that blocks keeps neither the window nor the other calls."""
    window.evaluate_js("window.blocked = pywebview.api.block(); 0")
    wait_for(lambda: metrics()["messages_received"] == 1, "the call came")
    result["other"] = call("pywebview.api.ping(7)")
    result["open"] = metrics()["messages_received"]
    api.release.set()
    result["blocked"] = call("window.blocked")


def unknown():
    """The page calls what is not there: counted, and pywebview answers as it does."""
    window.evaluate_js("pywebview._jsApiCallback('no.such', [], '1'); 0")
    wait_for(lambda: metrics()["messages_received"] == 1, "the call was seen")
    result["alive"] = call("pywebview.api.ping(1)")


def crash():
    before = spanwire.pywebview.observer(window).page_state
    web = [pid for pid in children(os.getpid()) if b"WebKitWebProcess" in open(f"/proc/{pid}/cmdline", "rb").read()]
    for pid in web:
        os.kill(pid, signal.SIGKILL)
    observer = spanwire.pywebview.observer(window)
    wait_for(lambda: observer.page_state == "gone", "the page is gone")
    result.update(before=before, after=observer.page_state)


def reload():
    observer = spanwire.pywebview.observer(window)
    wait_for(lambda: observer.page_state == "ready", "the first page")
    window.load_html("<h1>another</h1>")
    window.events.loaded.wait(10)
    result["value"] = call("pywebview.api.ping(2)")
    result["state"] = observer.page_state


def removed():
    result["first"] = call("pywebview.api.ping(1)")
    observer = spanwire.pywebview.observer(window)
    spanwire.pywebview.uninstrument()
    assert webview.window.Window.evaluate_js is original["evaluate_js"]
    # The page has our script still, and its calls are answered.
    result["second"] = call("pywebview.api.ping(2)")
    window.evaluate_js("window.spanwire.flush(); 0")
    result["received"] = observer.metrics().messages_received
    assert spanwire.pywebview.observer(window) is None
    removed_now.append(True)


def late():
    """Instrumented while the window is open: calls at once, the page's half from the next page on."""
    assert call("pywebview.api.ping(1)") == 1
    assert spanwire.pywebview.instrument()
    assert call("pywebview.api.ping(2)") == 2
    result["received"] = metrics()["messages_received"]
    window.load_html("<h1>another</h1>")
    window.events.loaded.wait(10)
    wait_for(lambda: spanwire.pywebview.observer(window).page_state == "ready", "our script reports")
    assert call("pywebview.api.ping(3)") == 3


def secret():
    """The page cannot read what its reports prove themselves with, and cannot forge one."""
    script = "[typeof window._spanwirePywebview, String(window._spanwirePywebview), Object.keys(window).filter((key) => /spanwire/i.test(key)).length]"
    result["seen"] = window.evaluate_js(script)
    observer = spanwire.pywebview.observer(window)
    forged = {"spanwire": 1, "nonce": "0" * 32, "page": "x", "messages": [{"kind": "leave"}]}
    result["forged"] = observer.report(json.dumps(forged))
    result["nonce"] = re.search(r'{"nonce":"(\w+)"', observer.page_script()).group(1)


def run():
    try:
        window.events._pywebviewready.wait(10)
        globals()[mode]()
        result["ok"] = True
    finally:
        # pywebview waits without end for a reply whose window closes meanwhile.
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and "_call" in thread.name:
                thread.join(10)
        window.destroy()
        finished.set()


mode = sys.argv[1]
finished = threading.Event()
result, removed_now = {}, []
api = Api()
original = {
    "evaluate_js": webview.window.Window.evaluate_js,
    "load_js_files": webview.util.load_js_files,
    "js_bridge_call": webview.util.js_bridge_call,
}
import spanwire.pywebview  # noqa: E402

telemetry = spanwire.install("one-window", traces="otlp", logs="otlp")
if mode == "late":
    window = webview.create_window("late", html="<h1>one</h1>", js_api=api)
elif mode == "scripts":
    # Before the window is made.
    spanwire.pywebview.instrument()
    window = webview.create_window("one", html="<h1>one</h1>", js_api=api)
else:
    window = webview.create_window("one", html="<h1>one</h1>", js_api=api)
    spanwire.pywebview.instrument()
webview.start(run)
assert finished.wait(10)
if removed_now:
    import webview.platforms.gtk

    # Its page reported until it closed.
    wait_for(lambda: webview.util.js_bridge_call is original["js_bridge_call"], "the bridge is back")
    assert webview.platforms.gtk.js_bridge_call is original["js_bridge_call"]
    assert webview.util.load_js_files is original["load_js_files"]
    result["bridge_is_back"] = True
telemetry.shutdown(10)
print(json.dumps(result))
