// What crosses the wire: batches, ids, credits, acknowledgements, the end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FakePage, NONCE, outcome, refusalsOf, turn } from "./fake_page.mjs";

test("a page says that it is there, in an envelope as the wire has it", async () => {
  const page = new FakePage();
  await turn();
  assert.equal(page.texts.length, 1);
  assert.ok(page.texts[0].startsWith('{"spanwire":1,'));
  const { nonce, page: id, sent, messages } = page.batches[0];
  assert.deepEqual([nonce, sent, messages], [NONCE, 1_000, [{ kind: "ready" }]]);
  assert.match(id, /^[0-9a-z]{24}$/);
  const other = new FakePage();
  await turn();
  assert.notEqual(other.id, id);
});

test("ids rise over calls and events, which go in the order of the page's code", async () => {
  const page = new FakePage();
  page.spanwire.emit("a", 1);
  page.now = 1_002.34567;
  outcome(page.spanwire.invoke("b", [2]));
  page.spanwire.emit("c");
  assert.deepEqual(await page.sent(), [
    { kind: "ready" },
    { kind: "event", id: 1, event: "a", at: 1_000, data: 1 },
    { kind: "call", id: 2, event: "b", at: 1_002.346, data: [2] },
    { kind: "event", id: 3, event: "c", at: 1_002.346 },
  ]);
  assert.equal(page.texts.length, 1, "one batch for one turn");
});

test("a batch has at most 250 calls and events, and at most the host's bytes", async () => {
  const page = new FakePage({ config: { bytes: 10_000 } });
  await page.sent();
  for (let n = 0; n < 120; n++) page.spanwire.emit("n", n);
  for (let n = 0; n < 3; n++) page.spanwire.emit("large", "ä".repeat(2_000));
  await turn();
  const counts = page.batches.slice(1).map(({ messages }) => messages.length);
  assert.ok(counts.every((count) => count <= 250), `${counts}`);
  assert.equal(counts.reduce((sum, count) => sum + count), 123);
  assert.ok(page.texts.every((text) => Buffer.byteLength(text) <= 10_000));
  await assert.rejects(page.spanwire.invoke("large", "x".repeat(10_000)), { code: "TOO_LARGE" });
});

test("a batch has at most the host's messages, whatever they are", async () => {
  const page = new FakePage({ config: { messages: 10, credits: 17 } });
  await page.sent();
  const began = page.batches.length;
  for (let n = 0; n < 4; n++) {
    page.spanwire.trace(`span.${n}`, () => {
      for (let at = 0; at < 8; at++) page.spanwire.emit("n", at);
      page.spanwire.record("depth", n);
    });
  }
  // Run and acknowledged in the same turn, and answered to.
  page.receive(...Array.from({ length: 30 }, (_, at) => ({ kind: "event", id: 2 * at + 1, event: "x", data: 0 })));
  page.receive({ kind: "ping", id: 1 });
  page.receive({ kind: "credit", count: 100 });
  await turn();
  const batches = page.batches.slice(began);
  const counts = batches.map(({ messages }) => messages.length);
  assert.ok(counts.every((count) => count >= 1 && count <= 10), `${counts}`);
  const kinds = batches.flatMap(({ messages }) => messages.map(({ kind }) => kind));
  const count = (wanted) => kinds.filter((kind) => kind === wanted).length;
  assert.deepEqual([count("event"), count("open"), count("close"), count("pong")], [32, 4, 4, 1]);
});

test("a full outbox says what it shed within the host's messages", async () => {
  const page = new FakePage({ config: { messages: 3, credits: 3 } });
  await page.sent();
  const began = page.batches.length;
  for (let n = 0; n < 10_020; n++) page.spanwire.emit("n", n);
  await turn();
  const batches = page.batches.slice(began);
  assert.ok(batches.every(({ messages }) => messages.length <= 3));
  const shed = batches.flatMap(({ messages }) => messages).filter(({ kind }) => kind === "shed");
  assert.equal(shed.reduce((sum, { count }) => sum + count, 0), 17);
});

test("no more than the credits is sent, and what waits goes when some come", async () => {
  const page = new FakePage({ config: { credits: 3 } });
  for (let n = 1; n <= 5; n++) page.spanwire.emit("n", n);
  assert.deepEqual((await page.sentOf("event")).map(({ data }) => data), [1, 2, 3]);
  page.receive({ kind: "credit", count: 1 });
  assert.deepEqual((await page.sentOf("event")).map(({ data }) => data), [4]);
  page.receive({ kind: "credit", count: 10 });
  page.spanwire.emit("n", 6);
  assert.deepEqual((await page.sentOf("event")).map(({ data }) => data), [5, 6]);
});

test("what waits is bounded in bytes as well", async () => {
  const page = new FakePage({ config: { credits: 1 } });
  const large = "x".repeat(1 << 19);
  let taken = 0;
  while (page.spanwire.emit("e", large)) taken++;
  assert.equal(taken, 128);
  assert.equal((await outcome(page.spanwire.invoke("c"))).error.code, "OVER_CREDIT");
  const aborts = page.run("new AbortController()");
  page.receive({ kind: "credit", count: 1_000 });
  await page.sent();
  for (let n = 0; n < 300; n++) {
    const call = outcome(page.spanwire.invoke("c", large, { signal: aborts.signal }));
    aborts.abort();
    aborts.signal.aborted = false;
    assert.equal((await call).error.code, "CANCELLED", "what is taken back makes room");
  }
});

test("a full outbox drops events, tells how many, and rejects calls", async () => {
  const page = new FakePage({ config: { credits: 0 } });
  let taken = 0;
  for (let n = 0; n < 10_007; n++) taken += page.spanwire.emit("n", n);
  assert.equal(taken, 10_000);
  await assert.rejects(page.spanwire.invoke("call"), { code: "OVER_CREDIT" });
  const sent = await page.sent();
  assert.deepEqual(sent.filter(({ kind }) => kind === "shed"), [{ kind: "shed", count: 7 }]);
  assert.deepEqual(sent.filter(({ kind }) => kind === "refused"), [
    { kind: "refused", of: "call", type: "page_shed", event: "call", count: 1 },
  ]);
  page.receive({ kind: "credit", count: 20_000 });
  assert.equal((await page.sentOf("event")).length, 10_000);
});

test("what the page script refuses is counted, by the event and why", async () => {
  const page = new FakePage({ config: { bytes: 10_000, credits: 0 } });
  await page.sent();
  const { spanwire } = page;
  const large = "x".repeat(10_000);
  for (let n = 0; n < 3; n++) assert.throws(() => spanwire.emit("save", large), { code: "TOO_LARGE" });
  await assert.rejects(spanwire.invoke("save", large), { code: "TOO_LARGE" });
  assert.throws(() => spanwire.emit("save", page.run("new Uint8Array(8000)")), { code: "TOO_LARGE" });
  let deep = [];
  for (let n = 0; n < 70; n++) deep = [deep];
  assert.throws(() => spanwire.emit("tree", deep), { code: "MALFORMED" });
  assert.throws(() => spanwire.emit("tree", page.run("({ toJSON() { throw new Error('TOO_LARGE'); } })")), /TOO_LARGE/);
  const refused = (of, type, event, count) => ({ kind: "refused", of, type, event, count });
  assert.deepEqual(refusalsOf(await page.sent()), [
    refused("event", "too_large", "save", 4),
    refused("call", "too_large", "save", 1),
    refused("event", "too_deep", "tree", 1),
    refused("event", "malformed", "tree", 1),
  ]);
  assert.deepEqual(await page.sent(), [], "each is told once");
});

test("many names that are refused go early, and none is lost", async () => {
  const page = new FakePage({ config: { bytes: 10_000 } });
  await page.sent();
  const large = "x".repeat(10_000);
  for (let n = 0; n < 160; n++) assert.throws(() => page.spanwire.emit(`e${n}`, large), { code: "TOO_LARGE" });
  assert.equal((await page.sentOf("refused")).length, 160);
});

test("an event without a listener is told, and one that the window's listener reads is not", async () => {
  const page = new FakePage();
  page.spanwire.on("heard", () => {});
  const read = [];
  page.run("addEventListener").call(page.window, "window.heard", ({ detail }) => read.push(detail));
  page.run("addEventListener").call(page.window, "deaf", () => {});
  await page.sent();
  const event = (id, event, data = { a: 1 }) => ({ kind: "event", id, event, data });
  page.receive(event(1, "heard"), event(2, "window.heard"), event(3, "lost"), event(4, "größe", 0), event(5, "lost"));
  page.receive(event(6, "deaf"), event(7, "nothing.to.read", null));
  const sent = await page.sent();
  assert.deepEqual(sent.filter(({ kind }) => kind === "unheard"), [
    { kind: "unheard", event: "lost", count: 2 },
    { kind: "unheard", event: "größe", count: 1 },
    { kind: "unheard", event: "deaf", count: 1 },
  ]);
  assert.deepEqual(sent.filter(({ kind }) => kind === "ack").map(({ ids }) => ids), [[[1, 7]]]);
  assert.deepEqual(read.map(({ a }) => a), [1]);
});

test("what is withdrawn unsent makes room and is never sent", async () => {
  const page = new FakePage({ config: { credits: 0 } });
  for (let n = 0; n < 9_999; n++) page.spanwire.emit("n", n);
  for (let n = 0; n < 100; n++) {
    const abort = new page.window.AbortController();
    const call = outcome(page.spanwire.invoke("call", n, { signal: abort.signal }));
    abort.abort();
    assert.equal((await call).error.code, "CANCELLED");
  }
  assert.deepEqual((await page.sent()).map(({ kind }) => kind), ["ready"], "the host knows nothing of them");
  page.receive({ kind: "credit", count: 20_000 });
  const sent = await page.sent();
  assert.deepEqual([...new Set(sent.map(({ kind }) => kind))], ["event"]);
  assert.equal(sent.length, 9_999);
});

test("a call is settled once by its reply, with the host's error as it is", async () => {
  const page = new FakePage();
  const good = page.spanwire.invoke("good");
  const bad = outcome(page.spanwire.invoke("bad"));
  await page.sent();
  const error = { name: "DiskFull", message: "disk full", code: "HANDLER_ERROR" };
  page.receive(
    { kind: "reply", id: 1, call: 1, data: { a: 1 } },
    { kind: "reply", id: 2, call: 2, error },
    { kind: "reply", id: 3, call: 1, data: "again" },
    { kind: "reply", id: 4, call: 99, data: "nobody" },
  );
  assert.equal((await good).a, 1);
  const { error: seen } = await bad;
  assert.ok(seen instanceof page.run("Error"));
  assert.deepEqual([seen.name, seen.message, seen.code], [error.name, error.message, error.code]);
  assert.equal(`${seen}`, "disk full", "what an app shows its user");
  assert.deepEqual(await page.sentOf("ack"), [{ kind: "ack", ids: [[1, 4]], at: 1_000, done: 1_000 }]);
});

test("a call that is late or aborted is withdrawn at the host, with why and when", async () => {
  const page = new FakePage();
  const abort = new page.window.AbortController();
  const late = outcome(page.spanwire.invoke("late", 1, { timeoutMs: 30 }));
  const cancelled = outcome(page.spanwire.invoke("cancelled", 1, { signal: abort.signal }));
  await page.sent();
  page.now = 1_030;
  page.expire();
  abort.abort();
  assert.equal((await late).error.code, "TIMEOUT");
  assert.equal((await cancelled).error.code, "CANCELLED");
  assert.deepEqual(await page.sent(), [
    { kind: "cancel", id: 1, at: 1_030, code: "TIMEOUT" },
    { kind: "cancel", id: 2, at: 1_030, code: "CANCELLED" },
  ]);
  page.receive({ kind: "reply", id: 1, call: 1, data: "too late" });
  assert.equal((await page.sentOf("ack")).length, 1);
});

test("a timeout that is no number is refused, and one without end sets no timer", async () => {
  const page = new FakePage();
  for (const timeoutMs of [NaN, -1, "5", null]) {
    await assert.rejects(page.spanwire.invoke("call", 0, { timeoutMs }), { name: "TypeError" });
  }
  outcome(page.spanwire.invoke("call", 0, { timeoutMs: Infinity }));
  outcome(page.spanwire.invoke("call", 0, { timeoutMs: 1e12 }));
  assert.equal(page.timersEver, 0);
});

test("no timer runs unless a call asked for one, and its reply ends it", async () => {
  const page = new FakePage();
  page.spanwire.emit("a");
  page.spanwire.record("r", 1);
  page.spanwire.trace("t", () => 1);
  const call = page.spanwire.invoke("b", 1, { timeoutMs: 1_000 });
  await page.sent();
  assert.equal(page.timers.size, 1);
  page.receive({ kind: "reply", id: 1, call: 2, data: 1 });
  await call;
  await page.sent();
  assert.deepEqual([page.timers.size, page.timersEver], [0, 1]);
  const posted = page.texts.length;
  await turn();
  assert.equal(page.texts.length, posted, "an idle page says nothing");
});

test("an ack names what ran late or long, and is posted behind the first continuations", async () => {
  const page = new FakePage();
  const order = [];
  page.spanwire.on("quick", () => {});
  page.spanwire.on("slow", () => (page.now += 5));
  const call = page.spanwire.invoke("call").then(() => {
    page.now += 7;
    page.spanwire.emit("from.continuation");
    order.push(page.batches.length);
  });
  await page.sent();
  page.receive(
    { kind: "event", id: 1, event: "quick", data: null },
    { kind: "event", id: 2, event: "slow", data: null },
    { kind: "event", id: 3, event: "quick", data: null },
    { kind: "reply", id: 5, call: 1, data: null },
  );
  await call;
  const [ack, event] = await page.sent();
  assert.deepEqual(ack, {
    kind: "ack",
    ids: [[1, 3], [5, 5]],
    at: 1_000,
    done: 1_012,
    ran: [[2, 1_000, 1_005], [3, 1_005, 1_005], [5, 1_005, 1_012]],
  });
  assert.equal(event.event, "from.continuation", "in the same batch");
  assert.deepEqual(order, [1], "nothing was posted before");
});

test("what a listener says goes with the ack, behind the continuations", async () => {
  const page = new FakePage();
  page.spanwire.on("e", () => page.spanwire.emit("from.listener"));
  const call = page.spanwire.invoke("call").then(() => page.spanwire.emit("from.continuation"));
  await page.sent();
  page.receive({ kind: "event", id: 1, event: "e", data: 1 }, { kind: "reply", id: 2, call: 1, data: 1 });
  await call;
  assert.deepEqual((await page.sent()).map(({ kind, event }) => event ?? kind), ["ack", "from.listener", "from.continuation"]);
  assert.equal(page.batches.length, 2, "in one batch");
});

test("a message runs once, and what ran is told again", async () => {
  const page = new FakePage();
  let runs = 0;
  page.spanwire.on("e", () => runs++);
  await page.sent();
  const event = { kind: "event", id: 7, event: "e", data: null };
  page.receive(event, event);
  page.receive(event);
  page.run(`__spanwire__({ page: ${JSON.stringify(page.id)}, floor: 9, messages: [] })`);
  page.receive(event);
  assert.equal(runs, 1);
  const acks = await page.sentOf("ack");
  assert.ok(acks.flatMap(({ ids }) => ids).every(([from, to]) => from === 7 && to === 7));
  page.run(`__spanwire__({ page: "another", floor: 0, messages: [${JSON.stringify({ ...event, id: 10 })}] })`);
  assert.equal(runs, 1, "a batch for another page");
});

test("a batch may come as its text", async () => {
  const page = new FakePage();
  let seen;
  page.spanwire.on("e", (data) => (seen = data));
  await page.sent();
  const text = `{"page":"${page.id}","floor":0,"messages":[{"kind":"event","id":1,"event":"e","data":{"__proto__":{"a":1}}}]}`;
  page.run(`JSON.parse = () => { throw new Error("taken over"); }; __spanwire__(${JSON.stringify(text)})`);
  assert.deepEqual(Object.keys(seen), ["__proto__"]);
});

test("a raw script that does not end, or not begin, has failed", async () => {
  const page = new FakePage();
  await page.sent();
  page.receive({ kind: "begin", id: 1 });
  page.receive({ kind: "end", id: 1 });
  page.receive({ kind: "settle", id: 1 });
  page.receive({ kind: "begin", id: 2 });
  page.receive({ kind: "settle", id: 2 });
  page.receive({ kind: "settle", id: 3 });
  const [ack] = await page.sentOf("ack");
  assert.deepEqual([ack.ids, ack.failed], [[[1, 3]], [2, 3]]);
});

test("an ack that is larger than a batch goes in pieces, each with its own runs", async () => {
  const page = new FakePage({ config: { bytes: 2_048 } });
  page.spanwire.on("e", () => (page.now += 2));
  await page.sent();
  const messages = Array.from({ length: 300 }, (_, n) => ({ kind: "event", id: 2 * n + 1, event: "e", data: 0 }));
  page.receive(...messages);
  const acks = await page.sentOf("ack");
  assert.ok(acks.length > 5);
  assert.ok(page.texts.every((text) => text.length <= 2_048));
  for (const { ids, ran } of acks) assert.deepEqual(ids.map(([from]) => from), ran.map(([id]) => id));
  assert.equal(acks.flatMap(({ ids }) => ids).length, 300);
});

test("a ping is answered in the same turn", async () => {
  const page = new FakePage();
  await page.sent();
  page.receive({ kind: "ping", id: 4 });
  assert.deepEqual(page.batches.at(-1).messages, [{ kind: "pong", id: 4, at: 1_000 }]);
});

test("a goodbye rejects what is open and what comes, and nothing is sent any more", async () => {
  for (const code of ["BACKEND_GONE", "FORBIDDEN"]) {
    const page = new FakePage();
    const open = outcome(page.spanwire.invoke("open"));
    await page.sent();
    page.receive({ kind: "bye", code });
    assert.equal((await open).error.code, code);
    assert.equal((await outcome(page.spanwire.invoke("later"))).error.code, code);
    assert.equal((await outcome(page.spanwire.whenReady())).error.code, code);
    assert.equal(page.spanwire.isAvailable(), false);
    assert.equal(page.spanwire.emit("later"), false);
    assert.equal(page.spanwire.record("later", 1), false);
    assert.equal(page.spanwire.trace("later", () => 7), 7);
    assert.deepEqual(await page.sent(), []);
  }
});

test("a transport that breaks ends the wire for the page", async () => {
  const page = new FakePage();
  const open = outcome(page.spanwire.invoke("open"));
  await page.sent();
  page.broken = true;
  const later = outcome(page.spanwire.invoke("later"));
  assert.equal((await open).error.code, "BACKEND_GONE");
  assert.equal((await later).error.code, "BACKEND_GONE");
  assert.equal(page.spanwire.emit("e"), false);
});

test("a page that cannot be heard says so once, and what to do", async () => {
  for (const protocol of ["file:", "data:"]) {
    const page = new FakePage({ protocol });
    const { error } = await outcome(page.spanwire.invoke("call"));
    assert.equal(error.code, "BACKEND_GONE");
    assert.match(error.message, /custom protocol, with_html, or http/);
    assert.equal(page.spanwire.emit("e"), false);
    assert.equal((await outcome(page.spanwire.whenReady())).error.code, "BACKEND_GONE");
    assert.equal(page.complaints.length, 1);
    assert.match(page.complaints[0], /custom protocol/);
    assert.deepEqual(page.texts, []);
  }
});

test("a frame, a page without a host and a second script get no wire", () => {
  const frame = new FakePage({ port: false });
  assert.equal(frame.run("typeof spanwire"), "undefined");
  const twice = new FakePage();
  const first = twice.spanwire;
  twice.inject();
  assert.equal(twice.spanwire, first);
  const inner = new FakePage({ port: false });
  inner.context.webkit = { messageHandlers: { ipc: { postMessage() {} } } };
  inner.run("window.top = {}");
  inner.inject();
  assert.equal(inner.run("typeof spanwire"), "undefined");
});
