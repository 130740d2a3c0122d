"""An app of pywebview's, traced by one line.

    pip install "./python[window]"
    OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 python pywebview_one_line.py

Each press of a button is one trace; the metrics are at http://127.0.0.1:9464/metrics.
"""

import random
import time

import spanwire
import spanwire.pywebview
import webview

PAGE = """
<!doctype html>
<h1>Assets</h1>
<button id="thumbnail">Make a thumbnail</button>
<button id="missing">Open a missing asset</button>
<p id="answer"></p>
<script>
  const show = (answer) => (document.querySelector("#answer").innerText = answer);
  const press = (id, run) => (document.querySelector(id).onclick = () => run().then(show, (error) => show(error.message)));
  press("#thumbnail", () => pywebview.api.thumbnail("sky.exr"));
  press("#missing", () => pywebview.api.open("moon.exr"));
</script>
"""


class Api:
    def thumbnail(self, name):
        time.sleep(random.uniform(0.005, 0.05))
        return f"made a thumbnail of {name}"

    def open(self, name):
        raise FileNotFoundError(f"there is no {name}")


if __name__ == "__main__":
    with spanwire.install("one-line"):
        spanwire.pywebview.instrument()  # This one.
        webview.create_window("Assets", html=PAGE, js_api=Api())
        webview.start()
