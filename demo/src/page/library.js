"use strict";

// The list: searched as you type, by mouse or by keyboard.

const SHOWN = 40;

let light = "";
let searching;

const search = async () => {
  // What was typed since makes the answer to the last question worthless.
  searching?.abort();
  searching = new AbortController();
  const { signal } = searching;
  const started = performance.now();
  try {
    const found = await traced("ui.search", () =>
      call("assets.search", { query: $("query").value, light, limit: SHOWN }, { signal, timeoutMs: 5_000 }),
    );
    show(found);
    record("ui.search.shown", performance.now() - started, { unit: "ms", category: "ui" });
  } catch (error) {
    if (error.code !== "CANCELLED") $("found").textContent = friendly(error).text;
  }
};

const show = ({ matches, assets }) => {
  const shown = assets.length < matches ? `, ${assets.length} shown` : "";
  $("found").textContent = matches === 1 ? "1 picture" : `${matches.toLocaleString("en")} pictures${shown}`;
  const chosen = document.querySelector('[aria-selected="true"]')?.dataset.id;
  $("assets").replaceChildren(...assets.map(card));
  const first = $("assets").firstElementChild;
  if (first) first.tabIndex = 0;
  const again = chosen && $("assets").querySelector(`[data-id="${chosen}"]`);
  if (again) mark(again);
};

const card = (asset) => {
  const item = make("li", "asset");
  item.id = `asset-${asset.id}`;
  item.dataset.id = asset.id;
  item.setAttribute("role", "option");
  item.setAttribute("aria-selected", "false");
  item.tabIndex = -1;
  const frame = make("div", "frame");
  const image = make("img", "");
  image.loading = "lazy";
  image.alt = "";
  image.src = `/picture/${asset.id}.svg`;
  frame.append(image);
  if (asset.new) frame.append(make("span", "badge new", "new"));
  else if (asset.locked) frame.append(make("span", "badge", "in use"));
  item.append(frame, make("div", "name", asset.name), make("div", "meta", `${asset.format} · ${asset.light}`));
  return item;
};

const mark = (item) => {
  for (const other of $("assets").querySelectorAll('[tabindex="0"], [aria-selected="true"]')) {
    other.tabIndex = -1;
    other.setAttribute("aria-selected", "false");
  }
  item.tabIndex = 0;
  item.setAttribute("aria-selected", "true");
};

const choose = (item) => {
  mark(item);
  const asset = Number(item.dataset.id);
  tell("ui.selected", { asset });
  return openAsset(asset);
};

$("assets").addEventListener("click", (event) => {
  const item = event.target.closest(".asset");
  if (item) choose(item);
});

$("assets").addEventListener("keydown", (event) => {
  const item = event.target.closest(".asset");
  if (!item) return;
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    choose(item);
    return;
  }
  const items = [...$("assets").children];
  const columns = items.findIndex((other) => other.offsetTop !== items[0].offsetTop);
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };
  const next = items[items.indexOf(item) + (steps[event.key] ?? NaN)];
  if (!next) return;
  event.preventDefault();
  item.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});

$("query").addEventListener("input", search);

for (const name of ["", "dawn", "noon", "dusk", "night", "fog", "storm"]) {
  const chip = make("button", "", name || "all");
  chip.type = "button";
  chip.dataset.light = name;
  chip.setAttribute("aria-pressed", String(name === light));
  chip.addEventListener("click", () => {
    light = name;
    for (const other of $("lights").children) other.setAttribute("aria-pressed", String(other === chip));
    search();
  });
  $("lights").append(chip);
}
