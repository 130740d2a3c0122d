"use strict";

// The page's dealings with Rust, each shown in the log and the footer.

const $ = (id) => document.getElementById(id);

const make = (tag, name, text) => {
  const element = document.createElement(tag);
  element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
};

// What one click sets off is one trace, from here through Rust and back.
const { trace: traced, record } = spanwire;

let open = 0;

const call = async (event, data, options) => {
  const started = performance.now();
  let state = "";
  let took;
  open++;
  try {
    return await spanwire.invoke(event, data, options);
  } catch (error) {
    state = error.code === "CANCELLED" ? "late" : "bad";
    took = error.code === "HANDLER_ERROR" ? error.name : error.code ?? error.name;
    throw error;
  } finally {
    open--;
    const ms = performance.now() - started;
    plot(ms);
    log("out", event, took ?? `${Math.round(ms)} ms`, state || (ms > 100 ? "late" : ""));
  }
};

const tell = (event, data) => log("out", event, spanwire.emit(event, data) ? "sent" : "dropped");

// What a person can do about an error, and what a developer would look for.
const friendly = (error) => {
  const says = {
    HANDLER_ERROR: `${error.message[0]?.toUpperCase()}${error.message.slice(1)}.`,
    TIMEOUT: "That took too long. Try again.",
    CANCELLED: "Stopped.",
    OVER_CREDIT: "There is too much to do already. Try again in a moment.",
    BACKEND_GONE: "The app is being closed.",
  };
  return { text: says[error.code] ?? "Something went wrong.", code: `${error.name} · ${error.code ?? "page"}` };
};

const LOG_LINES = 18;

const log = (way, event, took, state = "") => {
  const wire = $("wire");
  const newest = wire.firstElementChild;
  // A run of progress is one line that counts.
  const again = way === "in" && newest?.dataset.event === event;
  const row = again ? newest : make("li", `${way} ${state}`);
  row.dataset.event = event;
  row.replaceChildren(make("span", "way", way === "in" ? "←" : "→"), make("span", "what", event), make("span", "took", took));
  if (!again) wire.prepend(row);
  if (wire.childElementCount > LOG_LINES) wire.lastChild.remove();
};

const trips = [];

const plot = (ms) => {
  trips.push(ms);
  if (trips.length > 120) trips.shift();
  // A slow call must not make all others a flat line.
  const height = (trip) => 38 - 36 * Math.min(1, Math.sqrt(trip / 1_000));
  const points = trips.map((trip, at) => `${(at * 240) / (trips.length - 1 || 1)},${height(trip).toFixed(1)}`);
  $("spark").firstElementChild.setAttribute("points", points.join(" "));
};

spanwire.on("wire.stats", (stats) => {
  for (const element of document.querySelectorAll("[data-stat]")) {
    element.textContent = stats[element.dataset.stat];
  }
});
