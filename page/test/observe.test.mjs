// The script that measures a page whose messages another layer carries.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { NONCE, turn } from "./fake_page.mjs";
import { ObservedPage } from "./observed_page.mjs";

/** A page that the host knows. */
const ready = async (options) => {
  const page = new ObservedPage(options);
  await page.told();
  return page;
};

test("a page says at once that it is there, and what comes later once for each interval", async () => {
  const page = new ObservedPage();
  assert.equal(page.batches.length, 0, "not before the adapter has its functions");
  await turn();
  assert.deepEqual(page.batches.map(({ messages }) => messages), [[{ kind: "ready" }]]);
  const [{ nonce, page: id, sent }] = page.batches;
  assert.deepEqual([nonce, id.length, sent], [NONCE, 24, 1_000]);
  for (let n = 0; n < 5; n++) {
    page.observed.record("fps", n);
    await turn();
  }
  assert.equal(page.batches.length, 1, "the interval runs");
  page.expire();
  assert.equal(page.batches.length, 2);
  assert.equal(page.batches[1].messages.length, 5);
  await turn();
  assert.equal(page.timers.size, 0, "an idle page has no timer");
});

test("a call says when it began, left and was settled, and what its code did then", async () => {
  const page = await ready();
  page.now = 2_000;
  const call = page.observed.beginCall();
  page.now = 2_002;
  assert.equal(call.posted(), "1;2000;2002");
  page.now = 2_010;
  call.settled();
  call.settled("failed");
  Promise.resolve().then(() => (page.now = 2_013));
  assert.deepEqual(await page.told(), [{ kind: "settled", ran: [[1, 2_010, 2_013]] }]);
  page.observed.beginCall().settled("failed");
  page.observed.beginCall().settled("timeout");
  page.observed.beginCall().settled("cancelled");
  assert.deepEqual(await page.told(), [
    { kind: "cancel", id: 3, at: 2_013, code: "TIMEOUT" },
    { kind: "cancel", id: 4, at: 2_013, code: "CANCELLED" },
    { kind: "settled", ran: [[2, 2_013, 2_013]], failed: [2] },
  ]);
});

test("a wrapped call ends as what it returns does, and is that to its caller", async () => {
  const page = await ready();
  const { call } = page.observed;
  const error = new Error("no");
  assert.equal(call((one) => one.posted()), "1;1000;1000");
  assert.equal(await call(() => page.run("Promise.resolve('fine')")), "fine");
  await assert.rejects(call(() => page.run("Promise").reject(error)), error);
  assert.throws(() => call(() => { throw error; }), error);
  // A library's promise.
  let thens = 0;
  const thenable = { then: (done) => { thens++; done("theirs"); return thenable; } };
  assert.equal(call(() => thenable), thenable);
  assert.equal(thens, 1);
  const settled = await page.toldOf("settled");
  const ids = settled.flatMap(({ ran }) => ran.map(([id]) => id));
  const failures = settled.flatMap(({ failed }) => failed ?? []);
  assert.deepEqual([ids.sort(), failures.sort()], [[1, 2, 3, 4, 5], [3, 4]]);
});

test("a call within a span names it, also behind an await", async () => {
  const page = await ready();
  const { trace, beginCall } = page.observed;
  let later;
  const done = trace("import", async (span) => {
    assert.equal(beginCall().posted(), "1;1000;1000;1");
    await null;
    assert.equal(beginCall().posted(), "2;1000;1000", "nobody can know");
    later = span.run(() => beginCall().posted());
    span.trace("inner", () => assert.equal(beginCall().posted(), "4;1000;1000;2"));
  });
  await done;
  assert.equal(later, "3;1000;1000;1");
  const told = await page.told();
  assert.deepEqual(told.map(({ kind, span, parent, name }) => [kind, span, parent, name]), [
    ["open", 1, undefined, "import"],
    ["open", 2, 1, "inner"],
    ["close", 2, undefined, undefined],
    ["close", 1, undefined, undefined],
  ]);
});

test("a listener's time counts, and what it does is its own", async () => {
  const page = await ready();
  const { listener } = page.observed;
  const self = {};
  const add = listener("progress", function (a, b) {
    assert.equal(this, self);
    page.now += 4;
    return a + b;
  });
  assert.equal(add.call(self, 1, 2), 3);
  assert.equal(add.call(self, 2, 2), 4);
  const error = new Error("broken");
  const broken = listener("größe", () => { throw error; });
  assert.throws(() => broken(), error);
  // The engine would tell of it, too: it counts once.
  page.fire("error", { error });
  page.fire("error", { error: new Error("another") });
  assert.deepEqual(await page.told(), [
    { kind: "error", type: "listener_error", event: "größe" },
    { kind: "error", type: "uncaught" },
    { kind: "ran", event: "progress", took: [4, 4] },
    { kind: "ran", event: "größe", took: [0] },
  ]);
  // What is no listener, or has no name, is left alone.
  assert.equal(listener("progress", 7), 7);
  const plain = () => {};
  assert.equal(listener("\u200b", plain), plain);
});

test("numbered messages are acknowledged with when they ran", async () => {
  const page = await ready();
  const { delivered, acknowledge } = page.observed;
  page.now = 3_000;
  assert.equal(delivered(7, () => { page.now += 5; return "seen"; }), "seen");
  acknowledge(8);
  const error = new Error("broken");
  assert.throws(() => delivered(10, () => { throw error; }), error);
  for (const none of [0, -1, 1.5, NaN, Infinity, 2 ** 53, "7", undefined]) assert.equal(delivered(none, () => 1), 1);
  const told = await page.told();
  assert.deepEqual(told, [
    { kind: "error", type: "listener_error" },
    { kind: "ack", ids: [[7, 8], [10, 10]], at: 3_000, done: 3_005, ran: [[7, 3_000, 3_005], [8, 3_005, 3_005], [10, 3_005, 3_005]] },
  ]);
});

test("an error is counted once, with its event, on its way through a numbered message", async () => {
  const page = await ready();
  const { delivered, listener } = page.observed;
  const broken = listener("progress", () => { throw "again"; });
  for (const number of [1, 2]) assert.throws(() => delivered(number, broken), (error) => error === "again");
  // One of another kind, whose listener's error was caught.
  const other = () => {
    try {
      broken();
    } catch {
      throw new Error("another");
    }
  };
  assert.throws(() => delivered(3, other), /another/);
  const named = { kind: "error", type: "listener_error", event: "progress" };
  const told = (await page.told()).filter(({ kind }) => kind === "error");
  assert.deepEqual(told, [named, named, named, { kind: "error", type: "listener_error" }]);
});

test("an error that the engine hides is the listener's, once", async () => {
  const page = await ready();
  const broken = page.observed.listener("progress", () => { throw new Error("broken"); });
  assert.throws(broken, /broken/);
  page.fire("error", { error: null });
  page.fire("error", { error: null });
  const told = (await page.told()).filter(({ kind }) => kind === "error");
  assert.deepEqual(told, [
    { kind: "error", type: "listener_error", event: "progress" },
    { kind: "error", type: "uncaught" },
  ]);
});

test("vitals, errors and rejections are told without a call", async () => {
  const page = await ready({ entryTypes: ["paint"] });
  page.entries({ entryType: "paint", name: "first-contentful-paint", startTime: 900 });
  page.fire("DOMContentLoaded");
  page.fire("error", { error: new Error("x") });
  page.fire("unhandledrejection", { promise: {} });
  assert.deepEqual(await page.told(), [
    { kind: "vital", name: "fcp", value: 900, rating: "good" },
    { kind: "dom_ready", at: 1_000 },
    { kind: "error", type: "uncaught" },
    { kind: "error", type: "unhandled_rejection" },
  ]);
});

test("a page tells how long its thread did one thing, by the engine or by a timer", async () => {
  const told = await ready({ entryTypes: ["longtask"] });
  told.entries({ entryType: "longtask", startTime: 900, duration: 72.5 });
  assert.deepEqual(await told.told(), [{ kind: "long_task", value: 72.5 }]);
  assert.equal(told.tickers.size, 0);
  const page = await ready();
  for (const ms of [100, 750]) {
    page.now += ms;
    for (const run of page.tickers.values()) run();
  }
  assert.deepEqual(await page.told(), [{ kind: "long_task", value: 700 }]);
});

test("a page that is observed counts the names of spans and measurements that it refuses", async () => {
  const page = await ready();
  const { observed } = page;
  assert.throws(() => observed.trace("padded ", () => {}), { code: "INVALID_NAME" });
  for (const name of ["", "a\n"]) assert.throws(() => observed.record(name, 1), { code: "INVALID_NAME" });
  assert.deepEqual(await page.told(), [
    { kind: "refused", of: "span", type: "invalid_name", count: 1 },
    { kind: "refused", of: "record", type: "invalid_name", count: 2 },
  ]);
});

test("a hidden page says what it has, and one that goes says that", async () => {
  const page = await ready();
  page.observed.record("fps", 1);
  page.document.visibilityState = "hidden";
  page.fire("visibilitychange");
  assert.deepEqual(await page.sent(), [{ kind: "record", name: "fps", value: 1 }]);
  page.observed.record("fps", 2);
  page.fire("pagehide");
  assert.deepEqual(await page.sent(), [{ kind: "record", name: "fps", value: 2 }, { kind: "leave" }]);
  const call = page.observed.beginCall();
  assert.equal(call.posted(), "");
  assert.equal(page.observed.record("fps", 3), false);
  assert.deepEqual(await page.told(), []);
  const { id } = page;
  page.fire("pageshow", { persisted: true });
  assert.deepEqual(await page.told(), [{ kind: "ready" }]);
  assert.notEqual(page.id, id);
});

test("a call of the page before is not settled on this one", async () => {
  const page = await ready();
  const call = page.observed.beginCall();
  page.fire("pagehide");
  page.fire("pageshow", { persisted: true });
  call.settled();
  assert.deepEqual((await page.told()).map(({ kind }) => kind), ["leave", "ready"]);
});

test("what the transport does while it sends is not observed", async () => {
  const page = await ready({
    config: {
      send: `(report) => {
        window.inner = window.observed?.beginCall().posted();
        window.observed?.listener("inner", () => {})();
        webkit.messageHandlers.ipc.postMessage(report);
      }`,
    },
  });
  page.window.observed = page.observed;
  page.observed.record("fps", 1);
  assert.deepEqual(await page.told(), [{ kind: "record", name: "fps", value: 1 }]);
  assert.equal(page.window.inner, "");
  assert.deepEqual(await page.told(), []);
});

test("what a transport loses is counted, and the page says again that it is there", async () => {
  for (const failure of ["throw", "reject"]) {
    const page = new ObservedPage({
      config: {
        send: `(report) => {
          if (window.fails === "throw") throw new Error("away");
          if (window.fails === "reject") return Promise.reject(new Error("away"));
          webkit.messageHandlers.ipc.postMessage(report);
        }`,
      },
      window: { fails: failure },
    });
    const rejections = [];
    const keep = (reason) => rejections.push(reason);
    process.on("unhandledRejection", keep);
    page.observed.record("fps", 1);
    page.observed.listener("progress", () => {})();
    assert.deepEqual(await page.told(), []);
    page.window.fails = "";
    page.observed.record("fps", 2);
    const told = await page.told();
    assert.deepEqual(told, [
      { kind: "ready" },
      { kind: "record", name: "fps", value: 2 },
      { kind: "shed", count: 2 },
    ], failure);
    process.off("unhandledRejection", keep);
    assert.deepEqual([rejections, page.reported], [[], []]);
  }
});

test("a flood is bounded, in messages and in reports, and what is dropped is counted", async () => {
  const page = await ready();
  const listen = page.observed.listener("flood", () => {});
  for (let n = 0; n < 100_000; n++) listen();
  const runs = await page.toldOf("ran");
  assert.equal(runs.reduce((all, { took }) => all + took.length, 0), 100_000);
  for (let n = 0; n < 5_000; n++) {
    page.observed.record(`r${n}`, n);
    if (n % 10 === 0) await turn();
  }
  const before = page.batches.length;
  const told = await page.told();
  const kept = told.filter(({ kind }) => kind === "record").length;
  assert.ok(page.batches.length - before <= 2);
  assert.equal(kept, 2_000);
  const shed = [...told, ...(await page.told())].filter(({ kind }) => kind === "shed");
  assert.equal(shed.reduce((all, { count }) => all + count, 0), 3_000);
  for (const { messages } of page.batches) assert.ok(messages.length <= 250);
  for (const text of page.texts) assert.ok(text.length <= 262_144);
});

test("in a frame everything runs and nothing is said", async () => {
  class Frame extends ObservedPage {
    inject() {
      this.run("globalThis.top = {}");
      super.inject();
    }
  }
  const page = new Frame();
  const { observed } = page;
  assert.equal(observed.beginCall().posted(), "");
  assert.equal(observed.call(() => 1), 1);
  assert.equal(observed.listener("a", () => 2)(), 2);
  assert.equal(observed.delivered(1, () => 3), 3);
  assert.equal(observed.trace("a", () => 4), 4);
  assert.equal(observed.record("a", 1), false);
  observed.flush();
  assert.deepEqual([await page.told(), page.texts], [[], []]);
});

test("the reports are those that the host is tested with", async () => {
  const page = new ObservedPage({ entryTypes: ["paint"] });
  page.now = 0;
  const { observed } = page;
  await page.told();
  page.now = 100;
  page.entries({ entryType: "paint", name: "first-contentful-paint", startTime: 90 });
  const calls = [];
  const settle = observed.trace("ui.save", () => {
    const call = observed.beginCall();
    page.now = 102;
    calls.push(call.posted());
    return call.settled;
  });
  observed.record("observed.fps", 59.5, { unit: "{frame}/s", category: "größe" });
  observed.listener("progress", () => (page.now = 104))();
  await page.told();
  page.now = 130;
  settle("failed");
  observed.delivered(1, () => (page.now = 133));
  page.fire("error", { error: new Error("x") });
  await page.told();
  page.fire("pagehide");
  const told = { calls, reports: page.texts.map((text) => text.replace(NONCE, "NONCE").replace(page.id, "p1")) };
  const file = new URL("../../tests/observed_page.json", import.meta.url);
  if (process.env.UPDATE_EXPECT) writeFileSync(file, `${JSON.stringify(told, null, 2)}\n`);
  assert.deepEqual(told, JSON.parse(readFileSync(file, "utf8")));
});
