"use strict";

// The start, and the hand that uses the page when nobody else does.

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const until = async (holds) => {
  for (let turns = 0; driving && !holds() && turns < 400; turns++) await pause(10);
};

const press = async (element) => {
  if (!driving || !element) return;
  const { left, top, width, height } = element.getBoundingClientRect();
  const pointer = $("pointer");
  pointer.style.transform = `translate(${left + width / 2}px, ${top + height / 2}px)`;
  await pause(160);
  pointer.classList.add("down");
  element.click();
  await pause(70);
  pointer.classList.remove("down");
};

const type = async (text) => {
  const query = $("query");
  query.focus();
  query.value = "";
  for (const letter of text) {
    query.value += letter;
    query.dispatchEvent(new InputEvent("input", { bubbles: true }));
    await pause(40);
  }
  if (!text) query.dispatchEvent(new InputEvent("input", { bubbles: true }));
  await until(() => open === 0 || $("assets").childElementCount > 0);
};

const cards = (kind = "") => [...$("assets").querySelectorAll(`.asset${kind}`)];
const isFree = () => !$("render").disabled;
const chip = (name) => $("lights").querySelector(`[data-light="${name}"]`);

let driving = false;

// Once around: look, choose, import, publish, stop what takes too long, render.
const rounds = [
  { light: "", query: "", pick: 11, long: "render", stop: true },
  { light: "night", query: "down", pick: 3, long: "preview", stop: false },
  { light: "", query: "harb", pick: 4, long: "preview", stop: true },
  { light: "dusk", query: "", pick: 7, long: "render", stop: false },
  { light: "", query: "ridge", pick: 1, long: "preview", stop: true },
];

// As above, but with nothing in it that takes its time or fails.
const driveCalmly = async () => {
  $("pointer").hidden = false;
  for (let round = 0; driving; round++) {
    const { query } = rounds[round % rounds.length];
    await type(query);
    await pause(500);
    await press(cards()[(round * 5 + 2) % 12]);
    await until(isFree);
    await pause(500);
    await press($("preview"));
    await until(isFree);
    await pause(1_000);
  }
  while (open) await pause(10);
  spanwire.emit("session.idle");
};

const drive = async () => {
  $("pointer").hidden = false;
  for (let round = 0; driving; round++) {
    const { light: wanted, query, pick, long, stop } = rounds[round % rounds.length];
    if (wanted !== light) await press(chip(wanted));
    await type(query);
    await pause(120);
    await press(cards()[pick]);
    await until(isFree);
    await press($("import"));
    await press($("preview"));
    await until(isFree);
    await press($(long));
    await until(isFree);
    // One that somebody else works on cannot be published.
    const inUse = cards().find((card) => card.querySelector(".badge")?.textContent === "in use");
    await press(inUse);
    await pause(60);
    await until(isFree);
    await press($("publish"));
    await until(isFree);
    await pause(250);
    if (stop) await press($("imports").querySelector("button"));
    await press(cards()[(round * 5 + 2) % 12]);
    await until(isFree);
    if (cards().length && round % 2) await press($("publish"));
    await until(isFree);
  }
  while (open) await pause(10);
  spanwire.emit("session.idle");
};

// The app is about to close: what is under way may end.
spanwire.on("session.stop", () => {
  for (const { item, button } of imports.values()) if (!item.className) button.click();
  if (driving) driving = false;
  else spanwire.emit("session.idle");
  $("state").className = "state gone";
  $("state").textContent = "closing";
});

const start = async () => {
  await spanwire.whenReady();
  const session = await call("session.start");
  $("state").textContent = session.drive ? "live, driving itself" : "live";
  $("state").classList.add("live");
  $("where").textContent = [session.metrics, session.traces && `traces to ${session.traces}`].filter(Boolean).join("  ·  ");
  await search();
  driving = session.drive;
  if (driving) session.calm ? driveCalmly() : drive();
};

start();
