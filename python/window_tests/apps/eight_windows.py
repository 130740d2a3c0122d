"""Eight windows call eight functions, 1,000 calls in all; the page and Python count each call."""

import json
import sys
import threading
from collections import Counter

import spanwire
import spanwire.pywebview
import webview

WINDOWS = 8
CALLS = int(sys.argv[1]) if len(sys.argv) > 1 else 1000

telemetry = spanwire.install("eight-windows", traces="otlp", metrics="prometheus")
assert spanwire.pywebview.instrument()
assert spanwire.pywebview.instrument(), "a second time changes nothing"

lock = threading.Lock()
python = Counter()
page = Counter()
times = []
done = threading.Semaphore(0)


class Nested:
    def multiply(self, a, b):
        return seen("deep.multiply", a * b)


def seen(name, value):
    with lock:
        python[name] += 1
    return value


class Api:
    deep = Nested()

    def add(self, a, b):
        return seen("add", a + b)

    def text(self, text):
        return seen("text", text.upper())

    def nothing(self):
        return seen("nothing", None)

    def fails(self):
        seen("fails", None)
        raise ValueError("no such asset")

    def unserialisable(self):
        return seen("unserialisable", {1, 2})

    def slow(self):
        seen("slow", None)
        threading.Event().wait(0.005)


def exposed(value):
    return seen("exposed", value)


def report(counts, took):
    with lock:
        page.update(counts)
        times.extend(took)
    done.release()


PAGE = """
<!doctype html><script>
window.addEventListener("pywebviewready", async () => {
  const api = window.pywebview.api;
  const calls = [
    ["add", () => api.add(1, 2), 3], ["text", () => api.text("größe"), "GRÖßE".toUpperCase()],
    ["nothing", () => api.nothing(), null], ["fails", () => api.fails(), "ValueError"],
    ["unserialisable", () => api.unserialisable(), "TypeError"], ["slow", () => api.slow(), null],
    ["deep.multiply", () => api.deep.multiply(6, 7), 42], ["exposed", () => api.exposed("x"), "x"],
  ];
  const counts = {}, took = [];
  const [from, to] = document.title.split(",").map(Number);
  for (let n = from; n < to; n++) {
    const [name, run, expected] = calls[n % calls.length];
    const began = performance.now();
    const got = await run().catch((error) => error.name);
    took.push([name, performance.now() - began]);
    if (got !== expected) console.error(name, got);
    counts[name] = (counts[name] ?? 0) + (got === expected ? 1 : 1e6);
  }
  api.report(counts, took);
});
</script>
"""


def run():
    for _ in windows:
        assert done.acquire(timeout=80), "a window did not answer"
    # What the pages measured comes half a second later; each window says when it has none left.
    for window in windows:
        window.run_js("window.spanwire.flush();0")
        assert window.evaluate_js("1 + 1") == 2
    observers = [spanwire.pywebview.observer(window) for window in windows]
    for _ in range(400):
        if all(observer.metrics().messages_open == 0 for observer in observers):
            break
        threading.Event().wait(0.025)
    result["metrics"] = [
        {"received": one.messages_received, "sent": one.messages_sent, "open": one.messages_open}
        for one in (observer.metrics() for observer in observers)
    ]
    for window in list(windows):
        window.destroy()


result = {}
windows = []
per = CALLS // WINDOWS
for n in range(WINDOWS):
    title = f"<title>{n * per},{(n + 1) * per}</title>"
    window = webview.create_window(f"window {n}", html=title + PAGE, js_api=Api())
    window.expose(exposed, report)
    windows.append(window)
webview.start(run)
report_ = telemetry.shutdown(10)
print(json.dumps({**result, "python": python, "page": page, "times": times, "report": str(report_)}))
