// How busy the page's thread is.

import assert from "node:assert/strict";
import test from "node:test";
import { FakePage } from "./fake_page.mjs";

const tick = (page, after) => {
  page.now += after;
  for (const run of page.tickers.values()) run();
};

test("long tasks are told as the engine tells them, and no timer runs", async () => {
  const page = new FakePage({ entryTypes: ["longtask"] });
  page.entries({ entryType: "longtask", startTime: 900, duration: 72.5 }, { entryType: "longtask", startTime: 990, duration: 300 });
  assert.deepEqual(await page.sentOf("long_task"), [
    { kind: "long_task", value: 72.5 },
    { kind: "long_task", value: 300 },
  ]);
  assert.equal(page.tickers.size, 0);
});

test("where the engine tells of none, a timer that comes late does", async () => {
  const page = new FakePage();
  await page.sent();
  tick(page, 100);
  tick(page, 149);
  assert.deepEqual(await page.sentOf("long_task"), [], "a timer is never on the dot");
  tick(page, 750);
  tick(page, 20);
  tick(page, 100);
  // Whatever kept it began between two looks: in the middle on average.
  assert.deepEqual(await page.sentOf("long_task"), [{ kind: "long_task", value: 700 }]);
});

test("a machine that slept is no busy page", async () => {
  const page = new FakePage();
  await page.sent();
  tick(page, 3_600_000);
  tick(page, 100);
  assert.deepEqual(await page.sentOf("long_task"), []);
});

test("a hidden page is not looked at, and the time until it is seen again is no task", async () => {
  const page = new FakePage();
  await page.sent();
  page.document.visibilityState = "hidden";
  page.fire("visibilitychange");
  assert.equal(page.tickers.size, 0);
  page.now += 5_000;
  page.document.visibilityState = "visible";
  page.fire("visibilitychange");
  assert.equal(page.tickers.size, 1);
  tick(page, 100);
  assert.deepEqual(await page.sentOf("long_task"), []);
});

test("an idle page has no timer, and one that is used has it again", async () => {
  const page = new FakePage();
  await page.sent();
  assert.equal(page.tickers.size, 1);
  // One that is late each time, as on a busy machine.
  for (let at = 0; at < 34; at++) {
    tick(page, 150);
    await page.sent();
  }
  assert.equal(page.tickers.size, 0);
  page.now += 60_000;
  page.spanwire.emit("clicked");
  await page.sent();
  assert.equal(page.tickers.size, 1);
  tick(page, 100);
  assert.deepEqual(await page.sentOf("long_task"), []);
});
