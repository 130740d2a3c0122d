"use strict";

// The chosen picture, and what can be done with it.

let asset = null;
let opening;

const status = (text, state = "", code) => {
  const line = $("status");
  line.className = `status ${state}`;
  line.setAttribute("role", state === "bad" ? "alert" : "status");
  line.replaceChildren(text, ...(code ? [make("small", "", code)] : []));
};

const busy = (is) => {
  $("detail").classList.toggle("busy", is);
  $("detail").setAttribute("aria-busy", String(is));
  for (const id of ["preview", "render", "publish"]) $(id).disabled = is || !asset;
};

const openAsset = async (id) => {
  opening?.abort();
  opening = new AbortController();
  const { signal } = opening;
  try {
    const details = await traced("ui.open_asset", () => call("assets.open", { asset: id }, { signal, timeoutMs: 5_000 }));
    asset = details;
    showAsset();
    status("Preview shows it at once, Render takes its time, Publish needs nobody else at work on it.");
  } catch (error) {
    if (error.code === "CANCELLED") return;
    const { text, code } = friendly(error);
    status(text, "bad", code);
  }
};

const showAsset = () => {
  const { id, name, place, locked, pixels, format, megabytes, taken } = asset;
  spanUntilLoaded("picture.show", $("picture"));
  $("picture").src = `/picture/${id}.svg`;
  $("picture").alt = `${place}, ${asset.light}`;
  $("picture").hidden = false;
  $("hint").hidden = true;
  $("name").textContent = name;
  $("lock").hidden = !locked;
  const facts = { Size: pixels, Format: format, File: `${megabytes.toFixed(1)} MB`, Taken: taken };
  $("facts").replaceChildren(
    ...Object.entries(facts).flatMap(([term, fact]) => [make("dt", "", term), make("dd", "", fact)]),
  );
  histogram(asset.histogram);
  busy(false);
};

const histogram = (shares) => {
  const canvas = $("histogram");
  const { width, height } = canvas;
  const brush = canvas.getContext("2d");
  const most = Math.max(...shares);
  brush.clearRect(0, 0, width, height);
  brush.fillStyle = "#dfe6f2";
  shares.forEach((share, at) => {
    const tall = Math.round((share / most) * height);
    brush.fillRect(at, height - tall, 1, tall);
  });
  canvas.hidden = false;
};

// One job at a time: a spinner, how long it has been, and how it ended.
const job = async (name, doing, event, ended) => {
  if (!asset) return;
  const { id } = asset;
  busy(true);
  const started = performance.now();
  const seconds = () => `${((performance.now() - started) / 1_000).toFixed(1)} s`;
  status(`${doing}…`);
  const clock = setInterval(() => status(`${doing}… ${seconds()}`, "slow"), 100);
  try {
    const result = await traced(name, () => call(event, { asset: id }, { timeoutMs: 20_000 }));
    const took = Math.round(performance.now() - started);
    status(ended(result, took < 1_000 ? `${took} ms` : seconds()), "good");
  } catch (error) {
    const { text, code } = friendly(error);
    status(text, "bad", code);
  } finally {
    clearInterval(clock);
    busy(false);
  }
};

const rendered = ({ samples, tiles }, took) => `Rendered in ${took}: ${samples} samples, ${tiles} ${tiles === 1 ? "tile" : "tiles"}.`;

$("preview").addEventListener("click", () => job("ui.preview", "Rendering a preview", "render.preview", rendered));
$("render").addEventListener("click", () => job("ui.render", "Rendering with 768 samples", "render.final", rendered));
$("publish").addEventListener("click", () =>
  job("ui.publish", "Publishing", "assets.publish", (result, took) => `Published in ${took}.`),
);
