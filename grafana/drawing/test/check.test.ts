// What a person would mind at a glance is found, and nothing else.

import assert from "node:assert/strict";
import test from "node:test";
import { complaintsOf } from "../src/check.js";
import type { Panel, Seen, Sheet } from "../src/model.js";

const PANEL: Panel = {
  id: 1,
  type: "table",
  title: "Events",
  gridPos: { x: 0, y: 0, w: 24, h: 8 },
  transformations: [{ id: "organize", options: { renameByName: { event: "Event", "Value #A": "p95" } } }],
  fieldConfig: { defaults: {}, overrides: [] },
  options: {},
};
const SHEET: Sheet = {
  title: "IPC",
  variables: [],
  panels: [{ panel: PANEL, answers: [], stepS: 1 }],
  fromS: 0,
  toS: 60,
  width: 1600,
};
const SEEN: Seen = {
  title: "Events",
  type: "table",
  cut: [],
  columns: ["Event", "p95"],
  rows: ["slow", "quick"],
  sorted: ["slow", "quick", "quicker"],
};

const complaints = (seen: Partial<Seen>, quiet = {}): string[] =>
  complaintsOf("spanwire-ipc", SHEET, [{ ...SEEN, ...seen }], quiet);

test("a table whose rows that fit are the first of the order is well", () => {
  assert.deepEqual(complaints({}), []);
});

test("rows in another order, and none at all, are found", () => {
  assert.deepEqual(complaints({ rows: ["quick", "slow"] }), ["IPC, Events: its rows are not sorted: quick, slow"]);
  assert.deepEqual(complaints({ rows: [] }), ["IPC, Events: it shows no row"]);
});

test("a column without its head is found", () => {
  assert.deepEqual(complaints({ columns: ["Event"] }), ["IPC, Events: it has no column p95, but Event"]);
});

test("an empty panel is found, unless the story gives it nothing", () => {
  const empty = { empty: "no messages", columns: [], rows: [], sorted: [] };
  assert.deepEqual(complaints(empty), ['IPC, Events: it says "no messages"']);
  assert.deepEqual(complaints(empty, { "spanwire-ipc": { Events: "nothing is sent" } }), []);
});

test("what is cut is found", () => {
  assert.deepEqual(complaints({ cut: ["its legend is cut"] }), ["IPC, Events: its legend is cut"]);
});
