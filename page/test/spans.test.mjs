// Spans of the page.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FakePage, outcome, turn } from "./fake_page.mjs";

const spansOf = (messages) => messages.filter(({ kind }) => kind === "open" || kind === "close");

test("what is sent inside a span belongs to it, and stands between its begin and end", async () => {
  const page = new FakePage();
  await page.sent();
  const result = page.spanwire.trace("outer", () => {
    outcome(page.spanwire.invoke("call"));
    page.now = 1_004;
    page.spanwire.trace("inner", () => page.spanwire.emit("event"));
    return 7;
  });
  page.spanwire.emit("outside");
  assert.equal(result, 7);
  assert.deepEqual(await page.sent(), [
    { kind: "open", span: 1, name: "outer", at: 1_000 },
    { kind: "open", span: 2, parent: 1, name: "inner", at: 1_004 },
    { kind: "call", id: 1, event: "call", at: 1_000, span: 1 },
    { kind: "event", id: 2, event: "event", at: 1_004, span: 2 },
    { kind: "event", id: 3, event: "outside", at: 1_004 },
    { kind: "close", span: 2, at: 1_004 },
    { kind: "close", span: 1, at: 1_004 },
  ]);
});

test("a span that sent what still waits for credits ends all the same", async () => {
  const page = new FakePage({ config: { credits: 1 } });
  await page.sent();
  page.spanwire.trace("span", () => [1, 2].map((n) => page.spanwire.emit("event", n)));
  assert.deepEqual((await page.sent()).map(({ kind, data }) => data ?? kind), ["open", 1, "close"]);
  page.receive({ kind: "credit", count: 1 });
  assert.deepEqual((await page.sent()).map(({ span }) => span), [1]);
});

test("behind an await the span's own functions go on with it", async () => {
  const page = new FakePage();
  await page.sent();
  const promise = page.spanwire.trace("async", async (span) => {
    await turn();
    page.spanwire.emit("lost");
    span.emit("kept");
    outcome(span.invoke("asked", 1));
    span.trace("child", () => page.spanwire.emit("grandchild"));
    page.now = 1_020;
    return "done";
  });
  assert.equal(page.spanwire.trace("other", () => page.spanwire.emit("apart")), true);
  assert.equal(await promise, "done");
  const messages = await page.sent();
  const within = Object.fromEntries(messages.filter(({ event }) => event).map(({ event, span }) => [event, span]));
  assert.deepEqual(within, { apart: 2, lost: undefined, kept: 1, asked: 1, grandchild: 3 });
  assert.deepEqual(messages.find(({ name }) => name === "child").parent, 1);
  assert.deepEqual(messages.at(-1), { kind: "close", span: 1, at: 1_020 });
});

test("a span fails with what it runs, which is the page's as before", async () => {
  const page = new FakePage();
  await page.sent();
  const error = new Error("on purpose");
  const thrown = () =>
    page.spanwire.trace("throws", () => {
      throw error;
    });
  assert.throws(thrown, (seen) => seen === error);
  const rejected = page.run("Promise.reject(7)");
  const follows = page.spanwire.trace("rejects", () => rejected);
  // Not the promise itself, or a rejection that nobody handles would go unseen.
  assert.notEqual(follows, rejected);
  assert.equal((await outcome(follows)).error, 7);
  assert.equal((await outcome(rejected)).error, 7);
  assert.deepEqual(
    (await page.sent()).filter(({ kind }) => kind === "close").map(({ span, outcome }) => [span, outcome]),
    [[1, "failed"], [2, "failed"]],
  );
});

test("a promise that is not the engine's is awaited, and what follows from it is its kind's", async () => {
  class Other {
    #promise;
    constructor(promise) {
      this.#promise = promise;
    }
    then(done, failed) {
      return new Other(this.#promise.then(done, failed));
    }
  }
  const page = new FakePage();
  await page.sent();
  const slow = page.spanwire.trace("slow", () => new Other(turn().then(() => (page.now = 1_020) && "done")));
  assert.ok(slow instanceof Other);
  const broken = page.spanwire.trace("broken", () => new Other(turn().then(() => Promise.reject(new Error("no")))));
  assert.equal(await slow, "done");
  assert.equal((await outcome(broken)).error.message, "no");
  const ends = (await page.sent()).filter(({ kind }) => kind === "close");
  assert.deepEqual(ends, [
    { kind: "close", span: 1, at: 1_020 },
    { kind: "close", span: 2, at: 1_020, outcome: "failed" },
  ]);
});

test("a thenable is asked once, and one that is none or cannot be asked comes back as it was", async () => {
  const page = new FakePage();
  await page.sent();
  let asked = 0;
  const query = { then: (done) => (asked++, done(1), done(2)) };
  assert.equal(page.spanwire.trace("query", () => query), query);
  assert.equal(asked, 1);
  const plain = { then: 7 };
  assert.equal(page.spanwire.trace("plain", () => plain), plain);
  const trap = { get then() { throw new Error("trap"); } };
  assert.equal(page.spanwire.trace("trap", () => trap), trap);
  const ends = (await page.sent()).filter(({ kind }) => kind === "close");
  assert.deepEqual(ends.map(({ span, outcome }) => [span, outcome]), [[1, undefined], [2, undefined], [3, "failed"]]);
});

test("no more than 1,000 spans are open at once, or begun in a turn; what they trace runs", async () => {
  const page = new FakePage();
  await page.sent();
  let runs = 0;
  for (let n = 0; n < 3_000; n++) page.spanwire.trace("quick", () => runs++);
  assert.equal(runs, 3_000);
  const first = await page.sent();
  assert.equal(first.filter(({ kind }) => kind === "open").length, 1_000);
  const beyond = (count) => ({ kind: "refused", of: "span", type: "too_many_spans", count });
  assert.deepEqual(first.filter(({ kind }) => kind === "refused"), [beyond(2_000)]);
  const finish = [];
  for (let n = 0; n < 1_000; n++) page.spanwire.trace("long", () => new Promise((resolve) => finish.push(resolve)));
  // One too many: what is within belongs to the span around.
  assert.equal((await page.sentOf("open")).length, 1_000, "there is room again");
  page.spanwire.trace("beyond", (span) => span.emit("event"));
  const [refused, event] = await page.sent();
  assert.deepEqual(refused, beyond(1));
  assert.deepEqual([event.kind, event.span], ["event", undefined]);
  finish.forEach((resolve) => resolve());
  await page.sent();
  page.spanwire.trace("again", () => {});
  assert.equal(spansOf(await page.sent()).length, 2);
});

test("a span of a page that went is over", async () => {
  const page = new FakePage();
  let span;
  let finish;
  page.spanwire.trace("before", (own) => {
    span = own;
    return new page.window.Promise((resolve) => (finish = resolve));
  });
  await page.sent();
  page.fire("pagehide");
  page.fire("pageshow", { persisted: true });
  await page.sent();
  span.emit("event");
  finish();
  page.spanwire.trace("after", () => {});
  const [open, event, close] = await page.sent();
  assert.equal(event.span, undefined);
  assert.deepEqual([open.span, close.span], [2, 2], "numbers go on rising");
});

test("a span has a name as an event has, and something to run", () => {
  const page = new FakePage();
  assert.throws(() => page.spanwire.trace("padded ", () => {}), { code: "INVALID_NAME" });
  assert.throws(() => page.spanwire.trace("name", 7), { name: "TypeError" });
});
