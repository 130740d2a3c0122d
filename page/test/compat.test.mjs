// Events that the page dispatches, on whatever target, forwarded when the host asks for it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FakePage } from "./fake_page.mjs";

const forwarded = async (page) => (await page.sentOf("event")).map(({ event, data }) => [event, data]);

test("nothing is forwarded unless the host asks for it", async () => {
  const page = new FakePage();
  page.run(`dispatchEvent(new CustomEvent("save", { detail: 1 }))`);
  assert.deepEqual(await forwarded(page), []);
});

test("the page's custom events are forwarded with their detail", async () => {
  const page = new FakePage({ config: { compat: true } });
  page.run(`
    window.heard = [];
    for (const name of ["save", "none", "no name "]) addEventListener(name, (e) => heard.push(e.type));
    dispatchEvent(new CustomEvent("save", { detail: { a: [1] } }));
    window.dispatchEvent(new CustomEvent("none"));
    dispatchEvent(new CustomEvent("no name ", { detail: 1 }));
    dispatchEvent(new Event("plain"));
    const store = new EventTarget();
    store.addEventListener("elsewhere", (e) => heard.push(e.type));
    store.dispatchEvent(new CustomEvent("elsewhere", { detail: 2 }));
  `);
  assert.deepEqual(await forwarded(page), [["save", { a: [1] }], ["none", {}], ["elsewhere", 2]]);
  assert.deepEqual([...page.window.heard], ["save", "none", "no name ", "elsewhere"]);
});

test("what came from Rust is never sent back", async () => {
  const page = new FakePage({ config: { compat: true } });
  page.run(`addEventListener("progress", (event) => (window.last = event))`);
  await page.sent();
  page.receive({ kind: "event", id: 1, event: "progress", data: 40 });
  assert.equal(page.window.last.detail, 40);
  page.run("dispatchEvent(last)");
  assert.deepEqual(await forwarded(page), []);
});

test("a detail that is not JSON is the console's and not the page's trouble", async () => {
  const page = new FakePage({ config: { compat: true } });
  await page.sent();
  page.run(`
    const cycle = {};
    cycle.cycle = cycle;
    addEventListener("save", () => (window.heard = true));
    window.returned = dispatchEvent(new CustomEvent("save", { detail: cycle }));
  `);
  assert.deepEqual([page.window.heard, page.window.returned], [true, true]);
  assert.deepEqual(await page.sent(), [
    { kind: "error", type: "uncaught" },
    { kind: "refused", of: "event", type: "malformed", event: "save", count: 1 },
  ]);
  assert.equal(page.reported.length, 1);
});

test("dispatchEvent behaves as the engine's", () => {
  const page = new FakePage({ config: { compat: true } });
  assert.throws(() => page.run("dispatchEvent({})"), { name: "TypeError" });
  assert.throws(() => page.run("dispatchEvent()"), { name: "TypeError" });
  assert.equal(page.run(`dispatchEvent(Object.assign(new CustomEvent("save"), { canceled: true }))`), false);
});
