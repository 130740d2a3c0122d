"""A `spanwire.WebView`, which does what its first argument says; it prints what was seen."""

import asyncio
import gc
import json
import logging
import sys
import threading
import time
from pathlib import Path

import spanwire

PAGE = "<!doctype html><h1>Paint</h1>"
result = {}


def wait_for(condition, what, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not in time: {what}"
        threading.Event().wait(0.01)


class Inbox:
    """What the page told."""

    def __init__(self, view, event="told"):
        self.got = []
        view.on(event, self.got.append)

    def wait(self, count=1):
        wait_for(lambda: len(self.got) >= count, f"{count} messages, and not {self.got}")
        return self.got


def on_as_call_and_as_decorator():
    @view.on("decorated")
    def decorated(data):
        return {"doubled": data * 2}

    def called(data):
        return data

    assert view.on("called", called) is called
    assert decorated(2) == {"doubled": 4}, "the function is what it was"
    view.eval_js(
        "(async () => spanwire.emit('told',"
        " [await spanwire.invoke('decorated', 21), await spanwire.invoke('called', 'größe')]))()"
    )
    result["told"] = told.wait()[0]


def emit_reaches_the_page():
    view.eval_js("spanwire.on('opened', (data) => spanwire.emit('told', data))")
    view.emit("opened", {"path": "a.png"})
    view.emit_event("opened", [1, None, "</script>\u2028"])
    result["told"] = told.wait(2)


def an_error_rejects_and_is_logged():
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logging.getLogger("spanwire.webview").addHandler(handler)

    @view.on("fails")
    def fails(data):
        raise KeyError("no such asset")

    @view.on("unserialisable")
    def unserialisable(data):
        return {1, 2}

    @view.on("notified")
    def notified(data):
        return {1, 2}  # Nothing waits for it, so nothing is wrong.

    view.eval_js(
        "(async () => { const got = [];"
        "for (const name of ['fails', 'unserialisable', 'missing'])"
        " await spanwire.invoke(name).catch((error) => got.push([error.name, error.message]));"
        "spanwire.emit('notified', 1); spanwire.emit('told', got) })()"
    )
    result["told"] = told.wait()[0]
    result["logged"] = [record.getMessage() for record in records]


def a_coroutine_answers():
    @view.on("slow")
    async def slow(data):
        await asyncio.sleep(0.01)
        with spanwire.monitor("in_coroutine"):
            pass
        if data == "fail":
            raise ValueError("no")
        return data + 1

    view.eval_js(
        "(async () => spanwire.emit('told', [await spanwire.invoke('slow', 1),"
        " await spanwire.invoke('slow', 'fail').catch((error) => error.name)]))()"
    )
    result["told"] = told.wait()[0]


def the_page_gives_calls_up():
    """One whose callback runs and two that wait behind it: the page aborts them, or does not wait."""
    release, started, ran = threading.Event(), threading.Event(), []

    @view.on("blocks")
    def blocks(data):
        started.set()
        assert release.wait(20)
        return "late"

    view.on("waits", ran.append)
    view.on("after", lambda data: "still here")
    view.eval_js(
        "window.ended = []; window.abort = new AbortController(); window.give = (name, options) =>"
        " spanwire.invoke(name, null, options).then((got) => ended.push([name, got]),"
        " (error) => ended.push([name, error.code]));"
        "give('blocks', {signal: abort.signal})"
    )
    assert started.wait(20)
    # What the host refuses at once shows that it has read all that came before.
    view.eval_js(
        "give('waits', {signal: abort.signal}); give('waits', {timeoutMs: 1});"
        "setTimeout(() => { abort.abort(); give('missing') }, 50)"
    )
    ended = lambda: view.window.evaluate_js("window.ended")  # noqa: E731
    wait_for(lambda: len(ended()) == 4, "the page gave up")
    assert not release.is_set()
    release.set()
    view.eval_js("give('after')")
    wait_for(lambda: len(ended()) == 5, "the next call")
    result["ended"], result["ran"] = ended(), ran
    wait_for(lambda: view.get_ipc_metrics().messages_open == 0, "nothing is open")


def coroutines_end_with_their_calls():
    """The page aborts one, does not wait for one, leaves with one open, and is closed with one open."""
    records, began, ended = [], [], []
    handler = logging.Handler()
    handler.emit = records.append
    logging.getLogger("spanwire.webview").addHandler(handler)

    @view.on("sleeps")
    async def sleeps(data):
        began.append(data)
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ended.append(data)
            raise

    def step(name, script, end):
        view.eval_js(script)
        wait_for(lambda: name in began, f"{name} began")
        end()
        wait_for(lambda: name in ended, f"{name} ended")

    give_up = ".catch(() => {})"
    step(
        "abort",
        "window.abort = new AbortController();"
        f"spanwire.invoke('sleeps', 'abort', {{signal: abort.signal}}){give_up}",
        lambda: view.eval_js("abort.abort()"),
    )
    step("timeout", f"spanwire.invoke('sleeps', 'timeout', {{timeoutMs: 20}}){give_up}", lambda: None)
    step(
        "leave",
        f"spanwire.invoke('sleeps', 'leave'){give_up}",
        lambda: view.window.load_html(PAGE, ""),
    )
    wait_for(lambda: view.page_state == "ready", "the next page")
    step("close", f"spanwire.invoke('sleeps', 'close'){give_up}", view.close)
    result["ended"], result["logged"] = ended, [record.getMessage() for record in records]
    result["open"] = view.get_ipc_metrics().messages_open


def a_callback_that_blocks_keeps_no_message_to_the_page():
    release = threading.Event()
    started = threading.Event()

    @view.on("block")
    def block(data):
        started.set()
        assert release.wait(20)

    view.eval_js("spanwire.on('tick', () => {}); spanwire.emit('block')")
    assert started.wait(20)
    before = view.get_ipc_metrics()
    for n in range(100):
        view.emit("tick", n)
    wait_for(lambda: view.get_ipc_metrics().since(before).messages_sent >= 100, "the ticks")
    result["free"] = not release.is_set()
    release.set()


def the_lock_is_free_while_the_page_talks():
    """Messages that no callback takes are handled without the interpreter's lock being kept."""
    ran = []
    view.on("count", lambda data: ran.append(threading.current_thread() is threading.main_thread()))
    view.eval_js("for (let n = 0; n < 200; n++) spanwire.emit('count', n)")
    wait_for(lambda: len(ran) == 200, "200 events")
    result["on_main_thread"] = any(ran)


def metrics_and_reset():
    view.eval_js("spanwire.emit('told', 1)")
    view.eval_js("throw new Error('no')")
    told.wait()
    wait_for(lambda: view.get_ipc_metrics().messages_failed == 1, "the failed script")
    metrics = view.get_ipc_metrics()
    names = (
        "messages_sent messages_failed messages_dropped retry_attempts messages_received"
        " success_rate avg_latency_us peak_queue_length"
    ).split()
    result["metrics"] = {name: getattr(metrics, name) for name in names}
    result["format"] = metrics.format()
    view.reset_ipc_metrics()
    result["reset"] = {name: getattr(view.get_ipc_metrics(), name) for name in names}


def load_test():
    """10,000 `eval_js`: throughput, success rate, latency, peak, failures, drops."""
    before = view.get_ipc_metrics()
    began = time.monotonic()
    for n in range(10_000):
        view.eval_js(f"window.last = {n}")
    queued = time.monotonic() - began
    delta = lambda: view.get_ipc_metrics().since(before)  # noqa: E731
    wait_for(lambda: delta().messages_sent + delta().messages_failed >= 10_000, "all", 60)
    took, after = time.monotonic() - began, view.get_ipc_metrics()
    ended = after.since(before)
    view.eval_js("spanwire.emit('told', window.last)")
    result.update(
        last=told.wait()[0],
        sent=ended.messages_sent,
        failed=after.messages_failed,
        dropped=after.messages_dropped,
        success_rate=after.success_rate,
        avg_latency_us=after.avg_latency_us,
        peak=after.peak_queue_length,
        throughput=10_000 / took,
        queued_us=queued * 100,
    )


def handlers_come_and_go():
    """10,000 callbacks are registered and removed: none of them is kept."""
    import weakref

    class Handler:
        def __call__(self, data):
            return data

    kept = []

    def round_(count):
        for n in range(count):
            handler = Handler()
            kept.append(weakref.ref(handler))
            view.on(f"event {n % 7}", handler)
            assert view.off(f"event {n % 7}", handler) == 1

    def rss():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    # What the allocator takes for as many it keeps.
    round_(10_000)
    kept.clear()
    gc.collect()
    before = rss(), threading.active_count()
    round_(10_000)
    gc.collect()
    result["alive"] = sum(ref() is not None for ref in kept)
    kept.clear()
    result["threads"] = threading.active_count() - before[1]
    result["grown"] = rss() - before[0]


def events_of_the_page_are_messages():
    """`CustomEvent`s of the page, with `{}` where one has no detail."""
    got = Inbox(view, "asset picked")
    view.eval_js(
        "window.dispatchEvent(new CustomEvent('asset picked', {detail: {id: 7}}));"
        "window.dispatchEvent(new CustomEvent('asset picked'));"
        "const bubbling = new CustomEvent('asset picked', {detail: 'element', bubbles: true});"
        "document.querySelector('h1').dispatchEvent(bubbling);"
        "document.dispatchEvent(new CustomEvent('asset picked', {detail: 'document'}));"
        "new EventTarget().dispatchEvent(new CustomEvent('asset picked', {detail: 'target'}));"
        # As a page of the older bridge posts by hand.
        "window.ipc.postMessage(JSON.stringify({type: 'event', event: 'asset picked', detail: 'posted'}))"
    )
    result["told"] = got.wait(6)


def the_window_is_as_it_was_asked_for():
    window = view.window
    result["page"] = window.evaluate_js("document.querySelector('h1').textContent")
    result["window"] = [window.title, window.initial_width, window.initial_height]
    result["size"] = [window.width, window.height]


def a_page_of_an_address():
    """The wire is for the address that the window shows."""
    view.on("double", lambda data: data * 2)
    view.eval_js("(async () => spanwire.emit('told', [location.pathname, await spanwire.invoke('double', 21)]))()")
    result["told"] = told.wait()[0]


def wrong_arguments():
    def raised(run):
        try:
            run()
        except Exception as error:
            return [type(error).__name__, str(error)]
        return None

    result["raised"] = {
        "title": raised(lambda: spanwire.WebView(title=1)),
        "width": raised(lambda: spanwire.WebView(width="800")),
        "both": raised(lambda: spanwire.WebView(html="", url="")),
        "event": raised(lambda: view.on(7, print)),
        "callback": raised(lambda: view.on("x", 7)),
        "name": raised(lambda: view.emit("", 1)),
        "outer space": raised(lambda: view.on(" x", print)),
        "long": raised(lambda: view.emit("x" * 200, 1)),
        "data": raised(lambda: view.emit("x", {1, 2})),
        "nan": raised(lambda: view.emit("x", float("nan"))),
        "script": raised(lambda: view.eval_js(None)),
    }
    # Names beyond ASCII and with spaces are names.
    view.emit("größe geändert", 1)


def after_the_end():
    view.close()
    try:
        view.emit("x", 1)
    except RuntimeError as error:
        result["closed"] = str(error)
    result["state"] = view.page_state


def run():
    try:
        wait_for(lambda: view.page_state == "ready", "the page")
        globals()[mode]()
        result["ok"] = True
    finally:
        view.close()
        finished.set()


mode = sys.argv[1]
finished = threading.Event()
telemetry = spanwire.install("wire", traces="otlp")
if "instrumented" in sys.argv:
    import spanwire.pywebview

    spanwire.pywebview.instrument()
shows = {"html": PAGE}
if mode == "a_page_of_an_address":
    # pywebview serves it on loopback.
    shows = {"url": str(Path(__file__).parent / "page.html")}
view = spanwire.WebView(title="Paint", width=640, height=480, page_events=mode.startswith("events"), **shows)
told = Inbox(view)
view.show(run)
assert finished.wait(10)
telemetry.shutdown(10)
print(json.dumps(result))
