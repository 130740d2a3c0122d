// Records, performance marks and web vitals.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FakePage } from "./fake_page.mjs";

const EVERY_TYPE = ["mark", "measure", "navigation", "paint", "largest-contentful-paint", "event", "first-input"];

test("the last value of a turn holds, for each name, category and unit", async () => {
  const page = new FakePage();
  await page.sent();
  for (let n = 0; n < 100; n++) page.spanwire.record("fps", n);
  page.spanwire.record("fps", 5, { category: "canvas" });
  page.spanwire.record("heap", 2.5e300, { unit: "By", category: "canvas" });
  assert.deepEqual(await page.sent(), [
    { kind: "record", name: "fps", value: 99 },
    { kind: "record", name: "fps", category: "canvas", value: 5 },
    { kind: "record", name: "heap", category: "canvas", unit: "By", value: 2.5e300 },
  ]);
  page.spanwire.record("fps", 1);
  assert.equal((await page.sent()).length, 1);
});

test("more than a turn may hold go early, and none is lost", async () => {
  const page = new FakePage();
  await page.sent();
  for (let n = 0; n < 875; n++) page.spanwire.record(`r${n}`, n);
  const records = await page.sent();
  assert.deepEqual(records.map(({ value }) => value), Array.from({ length: 875 }, (_, n) => n));
  assert.ok(page.batches.every(({ messages }) => messages.length <= 251));
});

test("what is no finite number is not taken, and what is no name is refused", async () => {
  const page = new FakePage();
  await page.sent();
  for (const value of [NaN, Infinity, -Infinity, "5", 5n, undefined, null, {}]) {
    assert.equal(page.spanwire.record("r", value), false);
  }
  assert.throws(() => page.spanwire.record("padded ", 1), { code: "INVALID_NAME" });
  for (const unit of ["per cent", "", "a\"b", "a\\b", "µs", "s\n", "s".repeat(65), 5]) {
    assert.throws(() => page.spanwire.record("r", 1, { unit }), { code: "INVALID_NAME" }, `${unit}`);
  }
  assert.throws(() => page.spanwire.record("r", 1, { category: "" }), { code: "INVALID_NAME" });
  assert.deepEqual(await page.sent(), [{ kind: "refused", of: "record", type: "invalid_name", count: 10 }]);
});

test("a unit may be any of UCUM's", async () => {
  const page = new FakePage();
  await page.sent();
  for (const unit of ["%", "{frame}/s", "[degF]", "m*s-2", "~!#^_`|"]) page.spanwire.record("r", 1, { unit });
  const records = await page.sent();
  assert.deepEqual(records.map(({ unit }) => unit), ["%", "{frame}/s", "[degF]", "m*s-2", "~!#^_`|"]);
});

test("marks and measures are recorded when the host asks for it", async () => {
  const marks = [
    { entryType: "mark", name: "app.ready", startTime: 1_250, duration: 0 },
    { entryType: "measure", name: "app.load", startTime: 250, duration: 500 },
    { entryType: "mark", name: "of no name\n", startTime: 1, duration: 0 },
  ];
  const quiet = new FakePage({ entryTypes: EVERY_TYPE });
  await quiet.sent();
  quiet.entries(...marks);
  assert.deepEqual(await quiet.sent(), []);
  const page = new FakePage({ entryTypes: EVERY_TYPE, config: { marks: true } });
  await page.sent();
  page.entries(...marks);
  assert.deepEqual(await page.sent(), [
    { kind: "record", name: "app.ready", category: "mark", unit: "s", value: 1.25 },
    { kind: "record", name: "app.load", category: "measure", unit: "s", value: 0.5 },
  ]);
});

test("an engine without entries has no vitals, and nothing breaks", async () => {
  for (const entryTypes of [[], undefined, ["navigation"]]) {
    const page = new FakePage({ entryTypes, config: { marks: true } });
    page.fire("visibilitychange");
    page.fire("pagehide");
    assert.deepEqual((await page.sent()).map(({ kind }) => kind), ["ready", "leave"]);
  }
  const page = new FakePage({ window: { PerformanceObserver: undefined } });
  assert.deepEqual((await page.sent()).map(({ kind }) => kind), ["ready"]);
});

test("what was measured before the script looked is told at once", async () => {
  const early = [
    { entryType: "navigation", name: "app://localhost/", startTime: 0, responseStart: 90 },
    { entryType: "paint", name: "first-contentful-paint", startTime: 95 },
  ];
  const page = new FakePage({ entryTypes: EVERY_TYPE, early });
  const vitals = (await page.sent()).filter(({ kind }) => kind === "vital");
  assert.deepEqual(vitals.map(({ name, value }) => [name, value]), [["ttfb", 90], ["fcp", 95]]);
});

test("loading has ttfb, fcp and lcp, each once and with its rating", async () => {
  const page = new FakePage({ entryTypes: EVERY_TYPE });
  await page.sent();
  page.entries({ entryType: "navigation", responseStart: 900 });
  page.entries({ entryType: "paint", name: "first-paint", startTime: 10 });
  page.entries({ entryType: "paint", name: "first-contentful-paint", startTime: 950.1234 });
  page.entries({ entryType: "largest-contentful-paint", startTime: 960 });
  page.entries({ entryType: "largest-contentful-paint", startTime: 4_001 });
  assert.deepEqual(await page.sent(), [
    { kind: "vital", name: "ttfb", value: 900, rating: "needs_improvement" },
    { kind: "vital", name: "fcp", value: 950.123, rating: "good" },
  ]);
  page.fire("keydown", { isTrusted: false });
  assert.deepEqual(await page.sent(), [], "the page's own event");
  page.fire("keydown");
  page.entries({ entryType: "largest-contentful-paint", startTime: 9_000 });
  page.fire("click");
  assert.deepEqual(await page.sent(), [{ kind: "vital", name: "lcp", value: 4_001, rating: "poor" }]);
});

test("a time that the engine does not know is no vital", async () => {
  const page = new FakePage({ entryTypes: EVERY_TYPE });
  await page.sent();
  page.entries({ entryType: "navigation", responseStart: 0 });
  page.document.visibilityState = "hidden";
  page.fire("visibilitychange");
  page.entries({ entryType: "paint", name: "first-contentful-paint", startTime: 5_000 });
  assert.deepEqual(await page.sentOf("vital"), [], "painted after it was hidden");
});

test("inp is the longest interaction while the page was shown, of its longest event", async () => {
  const page = new FakePage({ entryTypes: EVERY_TYPE });
  await page.sent();
  const event = (interactionId, duration) => page.entries({ entryType: "event", interactionId, duration });
  event(0, 5_000); // no interaction: a scroll, for example
  event(7, 80);
  event(14, 240);
  event(14, 200);
  page.pending.push({ entryType: "event", interactionId: 21, duration: 96 });
  page.document.visibilityState = "hidden";
  page.fire("visibilitychange");
  page.fire("visibilitychange");
  assert.deepEqual(await page.sentOf("vital"), [{ kind: "vital", name: "inp", value: 240, rating: "needs_improvement" }]);
  event(28, 48);
  page.fire("pagehide");
  const [vital, leave] = await page.sent();
  assert.deepEqual([vital.value, vital.rating, leave.kind], [48, "good", "leave"]);
});

test("one interaction in fifty may be worse than inp", async () => {
  const page = new FakePage({ entryTypes: EVERY_TYPE });
  await page.sent();
  for (let n = 1; n <= 120; n++) {
    const duration = n === 10 ? 900 : n === 20 ? 800 : n === 30 ? 700 : 40 + (n % 50);
    page.entries({ entryType: "event", interactionId: 7 * n, duration });
  }
  page.document.visibilityState = "hidden";
  page.fire("visibilitychange");
  assert.deepEqual((await page.sentOf("vital")).map(({ value }) => value), [700]);
});
