"""Runs an app of pywebview's as it is but for one line, presses its buttons and closes its window.

    drive.py <app.py> <script for its page> ...
"""

import sys
import threading
from pathlib import Path

import spanwire
import webview

path = Path(sys.argv[1])
source = path.read_text()
assert source.count("webview.start(") == 1
before, after = source.split("webview.start(")
indent = before.rpartition("\n")[2]
telemetry = None
if "spanwire.install" not in source:
    telemetry = spanwire.install("example", traces="otlp")
line = "__import__('spanwire.pywebview').pywebview.instrument()"
ours = f"{before}{line}\n{indent}webview.start({after}" if "instrument()" not in source else source


def drive():
    while not webview.windows:
        threading.Event().wait(0.01)
    window = webview.windows[0]
    window.events._pywebviewready.wait(20)
    for script in sys.argv[2:]:
        window.evaluate_js(script)
        threading.Event().wait(0.5)
    print("{" + f'"text": {__import__("json").dumps(window.evaluate_js("document.body.innerText"))}' + "}")
    window.destroy()


threading.Thread(target=drive, daemon=True).start()
exec(compile(ours, str(path), "exec"), {"__name__": "__main__", "__file__": str(path)})
if telemetry:
    telemetry.shutdown(10)
