// The page's life: its beginning, the page cache, its end; and its errors.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FakePage, outcome, turn } from "./fake_page.mjs";

test("events wait for the document's scripts, and replies do not", async () => {
  const page = new FakePage({ readyState: "loading" });
  const seen = [];
  const call = page.spanwire.invoke("call");
  await page.sent();
  page.receive({ kind: "event", id: 1, event: "e", data: 1 }, { kind: "reply", id: 2, call: 1, data: 2 });
  assert.equal(await call, 2);
  assert.deepEqual((await page.sentOf("ack"))[0].ids, [[2, 2]]);
  page.spanwire.on("e", (data) => seen.push(data));
  page.fire("DOMContentLoaded", { isTrusted: false });
  assert.deepEqual(seen, [], "the page's own event of that name");
  page.now = 1_050;
  page.fire("DOMContentLoaded");
  assert.deepEqual(seen, [1]);
  assert.deepEqual(await page.sentOf("ack"), [{ kind: "ack", ids: [[1, 1]], at: 1_050, done: 1_050 }]);
});

test("the page says when its document is parsed, and not when its own code says so", async () => {
  const page = new FakePage({ readyState: "loading" });
  await page.sent();
  page.fire("DOMContentLoaded", { isTrusted: false });
  assert.deepEqual(await page.sent(), []);
  page.now = 1_050;
  page.fire("DOMContentLoaded");
  assert.deepEqual(await page.sent(), [
    { kind: "dom_ready", at: 1_050 },
    // It is not being loaded any more.
    { kind: "state", listens: false, visible: true },
  ]);
});

test("events do not wait for a DOMContentLoaded that the page does not let through", async () => {
  for (const loaded of [(page) => page.fire("readystatechange"), (page) => page.receive({ kind: "ping", id: 1 })]) {
    const page = new FakePage({ readyState: "loading" });
    const seen = [];
    page.spanwire.on("e", (data) => seen.push(data));
    await page.sent();
    page.receive({ kind: "event", id: 1, event: "e", data: 1 });
    page.document.readyState = "interactive";
    loaded(page);
    assert.deepEqual(seen, []);
    page.document.readyState = "complete";
    loaded(page);
    assert.deepEqual(seen, [1]);
    assert.deepEqual((await page.sentOf("ack"))[0].ids, [[1, 1]]);
  }
});

test("events that waited in an earlier life of the page are not run in the next", async () => {
  const page = new FakePage({ readyState: "loading" });
  const seen = [];
  page.spanwire.on("e", (data) => seen.push(data));
  await page.sent();
  page.receive({ kind: "event", id: 1, event: "e", data: 1 });
  page.fire("pagehide");
  page.fire("pageshow", { persisted: true });
  page.fire("DOMContentLoaded");
  assert.deepEqual(seen, []);
  assert.deepEqual(await page.sentOf("ack"), []);
});

test("what is sent while the page goes still goes, and what cannot is told as shed", async () => {
  const page = new FakePage({ config: { credits: 2 } });
  page.run(`addEventListener("pagehide", () => spanwire.emit("bye"))`);
  outcome(page.spanwire.invoke("waits"));
  for (let n = 0; n < 4; n++) page.spanwire.emit("n", n);
  await page.sent();
  page.receive({ kind: "credit", count: 1 });
  await page.sent();
  page.spanwire.record("r", 1);
  page.fire("pagehide");
  const kinds = (await page.sent()).map(({ kind, count }) => (count ? `${kind} ${count}` : kind));
  // Three had credits; two of the page's five and its last one had none.
  assert.deepEqual(kinds, ["record", "shed 3", "leave"]);
  assert.equal(page.spanwire.emit("after"), false);
  assert.equal((await outcome(page.spanwire.invoke("after"))).error.code, "BACKEND_GONE");
  assert.deepEqual(await page.sent(), []);
});

test("the page's own pagehide listeners are heard before it leaves", async () => {
  const page = new FakePage();
  await page.sent();
  page.run(`addEventListener("pagehide", () => spanwire.emit("bye"))`);
  page.fire("pagehide", { isTrusted: false });
  assert.deepEqual((await page.sent()).map(({ kind }) => kind), ["event"], "not the engine's");
  page.fire("pagehide");
  assert.deepEqual((await page.sent()).map(({ kind }) => kind), ["event", "leave"]);
});

test("a page from the page cache is a new one, and its old calls are rejected", async () => {
  const page = new FakePage();
  const open = outcome(page.spanwire.invoke("open"));
  await page.sent();
  const before = page.id;
  page.fire("pagehide");
  page.fire("pageshow", { persisted: true, isTrusted: false });
  page.fire("pageshow", { persisted: false });
  await page.sent();
  page.fire("pageshow", { persisted: true });
  assert.equal((await open).error.code, "CANCELLED");
  page.spanwire.emit("e");
  assert.deepEqual(await page.sent(), [
    { kind: "ready", type: "back_forward" },
    { kind: "event", id: 1, event: "e", at: 1_000 },
  ]);
  assert.notEqual(page.id, before);
});

test("a page says how it came to be loaded", async () => {
  for (const [type, name] of [[0, "navigate"], [1, "reload"], [2, "back_forward"], [255, undefined]]) {
    const performance = { now: () => 0, navigation: { type } };
    const [ready] = await new FakePage({ window: { performance } }).sent();
    assert.equal(ready.type, name, `${type}`);
  }
});

test("a page tells when something listens, and when it is hidden", async () => {
  const page = new FakePage();
  assert.deepEqual(await page.sentOf("state"), [], "the host knows");
  const off = page.spanwire.on("a", () => {});
  page.spanwire.on("b", () => {})();
  assert.deepEqual(await page.sentOf("state"), [{ kind: "state", listens: true, visible: true }]);
  page.document.visibilityState = "hidden";
  page.fire("visibilitychange");
  assert.deepEqual(await page.sentOf("state"), [{ kind: "state", listens: true, visible: false }]);
  off();
  page.spanwire.on("c", () => {});
  assert.deepEqual(await page.sentOf("state"), [], "it is as it was");
  page.fire("pagehide");
  page.fire("pageshow", { persisted: true });
  const kinds = (await page.sent()).map(({ kind, listens, visible }) => [kind, listens, visible]);
  assert.deepEqual(kinds.slice(-2), [["ready", undefined, undefined], ["state", true, false]]);
});

test("a page tells that it is being loaded, and when it is", async () => {
  const page = new FakePage({ readyState: "loading" });
  assert.deepEqual(await page.sent(), [{ kind: "ready", loading: true }]);
  page.spanwire.on("a", () => {});
  assert.deepEqual(await page.sentOf("state"), [{ kind: "state", listens: true, visible: true, loading: true }]);
  page.fire("DOMContentLoaded");
  assert.deepEqual(await page.sentOf("state"), [{ kind: "state", listens: true, visible: true }]);
});

test("a goodbye does not outlive its page", async () => {
  const page = new FakePage();
  await page.sent();
  page.receive({ kind: "bye", code: "BACKEND_GONE" });
  page.fire("pagehide");
  page.fire("pageshow", { persisted: true });
  assert.deepEqual((await page.sent()).map(({ kind }) => kind), ["ready"]);
});

test("errors are counted, each once, and reported", async () => {
  const page = new FakePage();
  let other = 0;
  page.spanwire.on("e", () => {
    throw new Error("on purpose");
  });
  page.spanwire.on("e", () => other++);
  await page.sent();
  page.receive({ kind: "event", id: 1, event: "e", data: 1 });
  page.fire("error");
  page.fire("error", { isTrusted: false });
  page.fire("unhandledrejection", { promise: {}, isTrusted: false });
  page.fire("unhandledrejection");
  assert.deepEqual(await page.sentOf("error"), [
    { kind: "error", type: "listener_error", event: "e" },
    { kind: "error", type: "uncaught" },
    { kind: "error", type: "unhandled_rejection" },
  ]);
  assert.deepEqual([page.reported.length, other], [1, 1]);
});

test("the event of a listener that throws is named, whatever its letters", async () => {
  const page = new FakePage({ config: { bytes: 10_000 } });
  const name = 'größe "\\';
  const wide = "\u4e16".repeat(42);
  const broken = () => {
    throw new Error("on purpose");
  };
  for (const event of [name, wide]) page.spanwire.on(event, broken);
  await page.sent();
  const before = page.texts.length;
  page.receive({ kind: "event", id: 1, event: name, data: 1 });
  for (let id = 2; id <= 301; id++) page.receive({ kind: "event", id, event: wide, data: 1 });
  const events = (await page.sentOf("error")).map(({ event }) => event);
  assert.deepEqual(events, [name, ...Array(300).fill(wide)]);
  // The host refuses a batch that is larger.
  const sizes = page.texts.slice(before).map((text) => Buffer.byteLength(text));
  assert.ok(sizes.length > 1 && sizes.every((bytes) => bytes <= 10_000), `${sizes}`);
});

test("a document that is opened anew is listened to as before", async () => {
  // `write` opens it, too, and is seen at the end of the turn.
  for (const open of ["document.open()", "Document.prototype.open.call(document)", "document.write()"]) {
    const page = new FakePage();
    assert.equal(page.run("document.open()"), page.document);
    await page.sent();
    page.run(open);
    if (open.endsWith("write()")) await turn();
    page.fire("error");
    page.fire("unhandledrejection", { promise: {} });
    page.run(`addEventListener("pagehide", () => spanwire.emit("bye"))`);
    page.fire("pagehide");
    const kinds = (await page.sent()).map(({ kind }) => kind);
    assert.deepEqual(kinds, ["error", "error", "event", "leave"], open);
  }
});

test("listeners are called once each, in order, without the script's own things", async () => {
  const page = new FakePage();
  const seen = [];
  const first = function (data) {
    seen.push(["first", data, this]);
  };
  page.spanwire.on("e", first);
  page.spanwire.on("e", first);
  const off = page.spanwire.on("e", (data) => seen.push(["second", data]));
  page.run(`addEventListener("e", ({ detail }) => (window.heard = detail))`);
  await page.sent();
  page.receive({ kind: "event", id: 1, event: "e", data: 1 });
  off();
  page.spanwire.off("e", first);
  page.receive({ kind: "event", id: 2, event: "e", data: 2 });
  assert.deepEqual(seen, [["first", 1, undefined], ["second", 1]]);
  assert.equal(page.window.heard, 2);
  assert.throws(() => page.spanwire.on("padded ", first), { code: "INVALID_NAME" });
  assert.throws(() => page.spanwire.on("e", 7), { name: "TypeError" });
});
