"""What observing costs a call of pywebview's: `cost.py [rounds]`. ``make python-window-bench`` runs it
in the release profile.

Each round starts an app without and one with `instrument()`, both exporters on, and compares what
1,000 calls took, one after another: the time that the page saw, and the processor's time of Python and
the page's process, which a busy machine changes less.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from statistics import median

CALLS = 1_000


def app(observed: bool) -> None:
    import webview

    if observed:
        import spanwire
        import spanwire.pywebview

        telemetry = spanwire.install("cost", traces="otlp", prometheus_port=0)
        spanwire.pywebview.instrument()
    done = threading.Event()
    took = []

    class Api:
        def ping(self, value):
            return value

        def begin(self):
            took.append(processor_us())

        def end(self, ms):
            took.append(processor_us())
            took.append(ms)
            done.set()

    def run():
        window.events._pywebviewready.wait(20)
        window.run_js(
            "(async () => { const ping = pywebview.api.ping;"
            "for (let n = 0; n < 200; n++) await ping(n);"
            "await pywebview.api.begin();"
            f"const began = performance.now(); for (let n = 0; n < {CALLS}; n++) await ping(n);"
            "pywebview.api.end(performance.now() - began) })();0"
        )
        assert done.wait(120), "the page did not end"
        # pywebview waits without end for a reply whose window closes meanwhile.
        for thread in threading.enumerate():
            if "_call" in thread.name:
                thread.join(10)
        window.destroy()

    window = webview.create_window("cost", html="<h1>cost</h1>", js_api=Api())
    webview.start(run)
    if observed:
        telemetry.shutdown(5)
    began, ended, ms = took
    print(json.dumps([ms * 1000 / CALLS, (ended - began) / CALLS]))


def processor_us() -> float:
    """The time of this process and of those that it started."""
    tick, total, todo = 1e6 / os.sysconf("SC_CLK_TCK"), 0.0, [os.getpid()]
    while todo:
        pid = todo.pop()
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) * tick
        for task in os.listdir(f"/proc/{pid}/task"):
            try:
                with open(f"/proc/{pid}/task/{task}/children") as file:
                    todo += map(int, file.read().split())
            except FileNotFoundError:
                # Threads end all the time.
                continue
    return total


def main() -> None:
    from otlp_receiver import Receiver

    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    receiver = Receiver()
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint}
    found: dict[str, list[list[float]]] = {"plain": [], "observed": []}
    for n in range(rounds):
        for mode in ("plain", "observed") if n % 2 else ("observed", "plain"):
            ended = subprocess.run(
                [sys.executable, __file__, mode], capture_output=True, text=True, env=environment, timeout=180
            )
            found[mode].append(json.loads(ended.stdout.splitlines()[-1]))
    for at, what in enumerate(("as the page saw it", "of the processor")):
        plain, observed = ([round_[at] for round_ in found[mode]] for mode in ("plain", "observed"))
        print(f"microseconds {what}, plain:    {' '.join(f'{us:.0f}' for us in plain)}")
        print(f"microseconds {what}, observed: {' '.join(f'{us:.0f}' for us in observed)}")
        before, after = median(plain), median(observed)
        print(f"  {after - before:+.0f} a call, {100 * (after / before - 1):+.1f} % at the median")
    print(f"{sum(span.name == 'ping' and span.kind == 2 for span in receiver.spans)} calls were traced")


if __name__ == "__main__":
    if sys.argv[1:] in (["plain"], ["observed"]):
        app(sys.argv[1] == "observed")
    else:
        main()
