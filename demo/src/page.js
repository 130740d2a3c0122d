"use strict";

// The demo's page: an ordinary app that talks to Rust through `window.spanwire`.

const $ = (id) => document.getElementById(id);

const make = (tag, name, text) => {
  const element = document.createElement(tag);
  element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
};

// What the footer and the log of the wire show.

const trips = [];

const log = (way, event, took, state) => {
  const wire = $("wire");
  const newest = wire.firstElementChild;
  // A run of progress is one line that counts.
  const again = way === "in" && newest?.dataset.event === event;
  const row = again ? newest : make("li", `${way} ${state ?? ""}`);
  row.dataset.event = event;
  row.replaceChildren(
    make("span", "way", way === "in" ? "←" : "→"),
    make("span", "what", event),
    make("span", "took", took),
  );
  if (!again) wire.prepend(row);
  if (wire.childElementCount > 24) wire.lastChild.remove();
};

const plot = (ms) => {
  trips.push(ms);
  if (trips.length > 120) trips.shift();
  const most = Math.max(...trips, 1);
  const points = trips.map((trip, at) => `${(at * 240) / (trips.length - 1 || 1)},${38 - (36 * trip) / most}`);
  $("spark").firstElementChild.setAttribute("points", points.join(" "));
};

let open = 0;

const call = async (event, data, options) => {
  const started = performance.now();
  let state;
  let took;
  open++;
  try {
    return await spanwire.invoke(event, data, options);
  } catch (error) {
    state = "error";
    took = error.code === "HANDLER_ERROR" ? error.name : (error.code ?? error.name);
    throw error;
  } finally {
    open--;
    const ms = performance.now() - started;
    plot(ms);
    log("out", event, took ?? `${Math.round(ms)} ms`, state ?? (ms > 100 ? "slow" : ""));
  }
};

const tell = (event, data) => {
  spanwire.emit(event, data);
  log("out", event, "sent");
};

// The library.

let selected = null;

const select = (card, asset) => {
  selected?.card.classList.remove("selected");
  selected = { card, asset };
  card.classList.add("selected");
  tell("ui.selected", { asset: asset.name });
};

const show = (result) => {
  $("found").textContent = `${result.assets.length} of ${result.matches} shown`;
  selected = null;
  $("assets").replaceChildren(
    ...result.assets.map((asset) => {
      const card = make("div", "asset");
      const thumb = make("div", "thumb");
      const { hue, light, sun } = asset;
      thumb.style.background =
        `radial-gradient(circle at ${sun}% 32px, hsl(${hue + 20} 75% ${72 + light / 4}%) 0 11px, transparent 12px),` +
        `linear-gradient(${168 + (sun % 23)}deg, transparent 56%, hsl(${hue} 22% ${light / 3}%) 57%),` +
        `linear-gradient(${195 - (sun % 29)}deg, transparent 48%, hsl(${hue} 26% ${light / 2}%) 49%),` +
        `linear-gradient(hsl(${hue} 45% ${light}%), hsl(${hue + 25} 62% ${light + 18}%))`;
      card.append(thumb, make("div", "name", asset.name), make("div", "meta", asset.kind));
      card.addEventListener("click", () => select(card, asset));
      return card;
    }),
  );
};

const search = async () => {
  show(await call("assets.search", { query: $("query").value, limit: 30 }));
};

// The jobs.

const jobs = new Map();

const job = (id, label) => {
  let row = jobs.get(id);
  if (row) return row;
  $("jobs").querySelector(".empty")?.remove();
  row = make("div", "job");
  const track = make("div", "track");
  track.append(make("div", "fill"));
  row.append(make("div", "label", label), make("div", "note", "waiting"), track);
  $("jobs").prepend(row);
  jobs.set(id, row);
  for (const old of [...jobs.keys()].slice(0, -5)) {
    jobs.get(old).remove();
    jobs.delete(old);
  }
  return row;
};

const progress = (row, percent, note, state) => {
  row.querySelector(".fill").style.width = `${percent}%`;
  row.querySelector(".note").textContent = note;
  if (state) row.classList.add(state);
};

let locals = 0;

// A job that is one call: it is done when the promise is.
const oneCall = async (label, event, data) => {
  const row = job(`local-${++locals}`, label);
  progress(row, 30, "running");
  try {
    const result = await call(event, data);
    progress(row, 100, `${result.millis} ms`, "done");
  } catch (error) {
    progress(row, 100, error.message, "failed");
  }
};

const target = () => selected?.asset.name ?? "harbour_dawn_001";

const actions = {
  import: async () => {
    const { id, files } = await call("assets.import", { files: 12 });
    job(id, `Import ${files} files`);
  },
  preview: () => oneCall(`Preview ${target()}`, "render.preview", { asset: target() }),
  final: () => oneCall(`Render ${target()}`, "render.final", { asset: target() }),
  publish: () => oneCall(`Publish ${target()}`, "assets.publish", { asset: target() }),
};

for (const [id, run] of Object.entries(actions)) $(id).addEventListener("click", run);
$("query").addEventListener("input", search);

spanwire.on("import.progress", ({ id, done, files }) => {
  progress(job(id, `Import ${files} files`), (done * 100) / files, `${done}/${files}`);
  log("in", "import.progress", `${done}/${files}`);
});

// The same thing the way of the platform.
window.addEventListener("import.done", ({ detail: { id, files } }) => {
  progress(job(id, `Import ${files} files`), 100, "done", "done");
  log("in", "import.done", `${files} files`);
});

spanwire.on("wire.stats", (stats) => {
  for (const element of document.querySelectorAll("[data-stat]")) {
    element.textContent = stats[element.dataset.stat];
  }
});

// Unattended: the page uses itself, as a person would, only faster.

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const press = async (id) => {
  $(id).classList.add("pressed");
  $(id).click();
  await pause(90);
  $(id).classList.remove("pressed");
};

let driving = false;

const drive = async () => {
  const queries = ["harbour", "fog", "stu", "", "ridge", "night"];
  for (let round = 0; driving; round++) {
    const query = queries[round % queries.length];
    $("query").value = "";
    for (const letter of query) {
      $("query").value += letter;
      await search();
      await pause(25);
    }
    if (!query) await search();
    const cards = $("assets").children;
    if (cards.length) cards[(round * 7) % cards.length].click();
    if (!driving) break;
    await press("import");
    await press("preview");
    if (round % 3 === 1) await press("publish");
    if (round % 4 === 2) await press("final");
    await pause(250);
  }
  while (open) await pause(10);
  spanwire.emit("session.idle");
};

spanwire.on("session.stop", () => {
  if (driving) driving = false;
  else spanwire.emit("session.idle");
});

const start = async () => {
  const session = await call("session.start");
  $("state").textContent = session.drive ? "live, driving itself" : "live";
  $("state").classList.add("live");
  await search();
  driving = session.drive;
  if (driving) drive();
};

start();
