// Code of the page that replaces what it can: it must neither read the nonce nor break the wire.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FakePage, NONCE, outcome } from "./fake_page.mjs";
import { ObservedPage } from "./observed_page.mjs";

// Everything that comes by is kept, to look for the nonce in it.
const TAKE_OVER = `
  window.overheard = [];
  const overhear = (...values) => { for (let n = 0; n < values.length; n++) overheard[overheard.length] = values[n]; };
  const replace = (target, name) => {
    const own = Object.getOwnPropertyDescriptor(target, name);
    if (!own?.configurable || typeof own.value !== "function" || name === "constructor") return;
    defineProperty(target, name, { ...own, value: function (...all) {
      overhear(this, ...all);
      throw new Error("taken over: " + String(name));
    } });
  };
  const { defineProperty } = Object;
  const { ownKeys } = Reflect;
`;
const PROTOTYPES = `
  for (const Class of [Map, Set, WeakSet, Promise, RegExp, String, Number, EventTarget, Event]) {
    for (const name of ownKeys(Class.prototype)) {
      // The test itself awaits.
      if (Class !== Promise || name !== "then") replace(Class.prototype, name);
    }
  }
  JSON.stringify = JSON.parse = () => { throw new Error("taken over"); };
  for (const name of ["queueMicrotask", "setTimeout", "clearTimeout", "reportError", "CustomEvent", "Uint8Array", "Map",
      "Set", "TextEncoder"]) {
    window[name] = () => { throw new Error("taken over: " + name); };
  }
  Math.round = () => "nonsense";
  performance.now = () => "nonsense";
  webkit.messageHandlers.ipc.postMessage = (text) => overhear(text);
  for (const name of ownKeys(Object)) if (name !== "getOwnPropertyDescriptor") replace(Object, name);
`;
const SETTERS = `
  const fields = ["id", "text", "sent", "nonce", "page", "messages", "kind", "event", "data", "span", "at", "timer", "abort",
    "resolve", "reject", "signal", "entry", "waits", "before", "after", "bytes", "error", "detail", "once", "capture",
    "value", "get", "set", "enumerable", "name", "code", "call", "ids", "ran", "failed", "timeoutMs", "traceparent",
    "unit", "category", "cancelable", "invoke", "emit", "trace", "isEvent"];
  for (const name of fields) {
    Object.defineProperty(Object.prototype, name, {
      __proto__: null,
      configurable: true,
      get: () => { overhear("get " + name); return "taken over"; },
      set(value) { overhear(value); },
    });
  }
  for (let n = 0; n < 8; n++) {
    Object.defineProperty(Array.prototype, String(n), {
      __proto__: null,
      configurable: true,
      get: () => "taken over",
      set(value) { overhear(value); },
    });
  }
`;
const ARRAYS = `
  for (const name of ownKeys(Array.prototype)) replace(Array.prototype, name);
`;

const assertNotOverheard = (page) => {
  const overheard = page.run("overheard");
  for (let n = 0; n < overheard.length; n++) {
    let text = "";
    try {
      text = typeof overheard[n] === "object" ? JSON.stringify(overheard[n]) : String(overheard[n]);
    } catch {
      // A thing of the engine's.
    }
    assert.ok(!text?.includes(NONCE), `${text}`);
  }
};

for (const [what, code] of Object.entries({ prototypes: PROTOTYPES, setters: SETTERS, arrays: ARRAYS })) {
  test(`a page that takes over ${what} neither sees the nonce nor breaks the wire`, async () => {
    const page = new FakePage({ config: { compat: true } });
    const { spanwire } = page;
    const seen = [];
    spanwire.on("before", (data) => seen.push(data));
    let dispatched;
    page.target.addEventListener("after", (event) => (dispatched = event));
    const abort = new page.window.AbortController();
    await page.sent();
    page.run(`{ ${TAKE_OVER} ${code} }`);
    // Values from outside of the context have prototypes that nobody changed.
    spanwire.on("after", (data) => seen.push(data));
    assert.equal(spanwire.emit("event", [1, 2]), true);
    const good = outcome(spanwire.invoke("good", { a: 1 }));
    const bad = outcome(spanwire.invoke("bad", undefined, { timeoutMs: 1_000 }));
    spanwire.record("record", 1.5, { unit: "By", category: "c" });
    spanwire.trace("span", (span) => span.emit("inside"));
    spanwire.emit("large", "ä".repeat(100_000));
    const sent = await page.sent();
    assert.deepEqual(
      sent.filter(({ event }) => event).map(({ id, event, span }) => [id, event, span]),
      [[1, "event", undefined], [2, "good", undefined], [3, "bad", undefined], [4, "inside", 1], [5, "large", undefined]],
    );
    assert.deepEqual(sent.filter(({ kind }) => kind === "record").map(({ value }) => value), [1.5]);
    assert.equal(sent.filter(({ kind }) => kind === "close").length, 1);
    page.receive(
      { kind: "event", id: 1, event: "before", data: 1 },
      { kind: "event", id: 2, event: "after", data: 2 },
      { kind: "event", id: 3, event: "nobody", data: 3 },
      { kind: "reply", id: 4, call: 2, data: "fine" },
      { kind: "reply", id: 5, call: 3, error: { name: "E", message: "m", code: "HANDLER_ERROR" } },
    );
    page.receive({ kind: "event", id: 7, event: "after", data: 4 }, { kind: "ping", id: 8 });
    assert.deepEqual(await good, { value: "fine" });
    const { error } = await bad;
    assert.deepEqual([error.name, error.message, error.code], ["E", "m", "HANDLER_ERROR"]);
    assert.deepEqual(seen, [1, 2, 4]);
    const acks = await page.sentOf("ack");
    assert.deepEqual(acks.map(({ ids }) => ids), [[[1, 5], [7, 7]]]);
    assert.equal(page.reported.length, 0);
    assert.deepEqual([dispatched.detail, dispatched.cancelable], [4, false]);
    const aborted = outcome(spanwire.invoke("aborted", 1, { signal: abort.signal, timeoutMs: undefined, traceparent: undefined }));
    await page.sent();
    abort.abort();
    assert.equal((await aborted).error.code, "CANCELLED");
    page.fire("pagehide");
    assert.deepEqual((await page.sent()).map(({ kind }) => kind), ["cancel", "leave"]);
    assertNotOverheard(page);
  });
}

for (const [what, code] of Object.entries({ prototypes: PROTOTYPES, setters: SETTERS, arrays: ARRAYS })) {
  test(`a page that takes over ${what} neither sees the nonce nor keeps the observing script from measuring`, async () => {
    const page = new ObservedPage({ config: { send: "((post) => (report) => post(report))(webkit.messageHandlers.ipc.postMessage.bind(webkit.messageHandlers.ipc))" } });
    const { observed } = page;
    await page.told();
    const early = observed.listener("early", (data) => data);
    page.run(`{ ${TAKE_OVER} ${code} }`);
    const call = observed.beginCall();
    assert.equal(call.posted(), "1;1000;1000");
    call.settled("failed");
    assert.equal(await observed.call(async () => "fine"), "fine");
    assert.equal(early(7), 7);
    const late = observed.listener("late", function (...all) { return [this, ...all]; });
    const self = {};
    assert.deepEqual(late.call(self, 1, 2), [self, 1, 2]);
    assert.equal(observed.delivered(3, () => "seen"), "seen");
    assert.equal(observed.trace("span", (span) => span.run(() => observed.beginCall().posted())), "3;1000;1000;1");
    assert.equal(observed.record("record", 1.5, { unit: "By", category: "c" }), true);
    const told = await page.told();
    assert.deepEqual(told.filter(({ kind }) => kind === "settled").flatMap(({ ran }) => ran.map(([id]) => id)), [1, 2]);
    assert.deepEqual(told.filter(({ kind }) => kind === "ran").map(({ event, took }) => [event, took]), [["early", [0]], ["late", [0]]]);
    assert.deepEqual(told.filter(({ kind }) => kind === "ack").map(({ ids }) => ids), [[[3, 3]]]);
    assert.deepEqual(told.filter(({ kind }) => kind === "record").map(({ value }) => value), [1.5]);
    assert.equal(told.filter(({ kind }) => kind === "close").length, 1);
    page.fire("pagehide");
    assert.deepEqual((await page.sent()).map(({ kind }) => kind), ["leave"]);
    assert.equal(page.reported.length, 0);
    assertNotOverheard(page);
  });
}

test("a page that runs out of stack while it is observed measures afterwards", async () => {
  let deep = false;
  const page = new ObservedPage({
    window: {
      queueMicrotask: (run) => {
        if (deep) throw page.run("new RangeError('Maximum call stack size exceeded.')");
        return queueMicrotask(run);
      },
    },
  });
  await page.told();
  const { observed } = page;
  deep = true;
  assert.equal(observed.listener("deep", () => 1)(), 1);
  assert.equal(observed.delivered(1, () => 2), 2);
  assert.equal(observed.call(() => 3), 3);
  deep = false;
  observed.acknowledge(2);
  const told = await page.told();
  assert.deepEqual(told.filter(({ kind }) => kind === "ack").map(({ ids }) => ids), [[[1, 2]]]);
});

test("a promise that lies about itself is the app's all the same", async () => {
  const page = new ObservedPage();
  await page.told();
  const { call } = page.observed;
  const error = new Error("lies");
  const liars = [
    { get then() { throw error; } },
    { then: () => { throw error; } },
    { then: (done, failed) => (done(1), failed(2), done(3)) },
    { then: 7 },
    page.run("Object.defineProperty(Promise.resolve(1), 'constructor', { get() { throw new Error('lies'); } })"),
    page.run("Object.assign(Promise.resolve(1), { constructor: { [Symbol.species]: function () { throw new Error('lies'); } } })"),
  ];
  for (const liar of liars) assert.doesNotThrow(() => call(() => liar));
  const ids = (await page.toldOf("settled")).flatMap(({ ran }) => ran.map(([id]) => id));
  assert.deepEqual(ids.sort(), [1, 2, 3, 4, 5, 6]);
});

test("nothing of the page's end can be replaced", () => {
  const page = new FakePage();
  assert.throws(() => page.run(`"use strict"; spanwire.emit = 1`), { name: "TypeError" });
  for (const name of ["spanwire", "__spanwire__"]) {
    const own = page.run(`Object.getOwnPropertyDescriptor(window, "${name}")`);
    assert.deepEqual([own.writable, own.configurable], [false, false]);
  }
});

test("a page that runs out of stack while it sends is heard afterwards", async () => {
  for (const where of ["queueMicrotask", "post"]) {
    let deep = false;
    const strained = (run) => (argument) => {
      if (deep) throw page.run("new RangeError('Maximum call stack size exceeded.')");
      return run(argument);
    };
    const postMessage = (text) => page.batches.push(JSON.parse(text));
    const page = new FakePage({
      window: {
        queueMicrotask: strained(queueMicrotask),
        webkit: { messageHandlers: { ipc: { postMessage: where === "post" ? strained(postMessage) : postMessage } } },
      },
    });
    await page.sent();
    // One more makes a batch, which is posted at once.
    const early = where === "post" ? 249 : 0;
    for (let n = 0; n < early; n++) page.spanwire.emit("early", n);
    deep = true;
    assert.throws(() => page.spanwire.emit("deep"), /Maximum call stack/);
    deep = false;
    const call = outcome(page.spanwire.invoke("call"));
    const sent = await page.sent();
    assert.equal(sent.filter(({ event }) => event === "early").length, early, where);
    assert.deepEqual(sent.map(({ id }) => id), sent.map((_, n) => sent[0].id + n), "each once, in order");
    page.receive({ kind: "reply", id: 1, call: sent.at(-1).id, data: "fine" });
    assert.deepEqual(await call, { value: "fine" });
    assert.equal((await page.sentOf("ack")).length, 1);
  }
});
