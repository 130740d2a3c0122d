// The performance client of the package.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { FakePage, outcome } from "./fake_page.mjs";
import { createPerformanceClient } from "spanwire";

afterEach(() => delete globalThis.window);

const FPS = { id: "fps", name: "canvas.fps", category: "Rendering", value: 60, unit: "Hz" };

const inPage = async () => {
  const page = new FakePage();
  globalThis.window = page.window;
  await page.sent();
  return page;
};

test("a recorded metric reaches the host without its id, time and metadata", async () => {
  const page = await inPage();
  const client = createPerformanceClient();
  const recorded = client.record_metric({ ...FPS, timestamp: 5, metadata: { user: "secret" } });
  assert.ok(recorded instanceof Promise);
  assert.equal(await recorded, undefined);
  await client.record_metric({ id: "ux", name: "delay", category: "UserExperience", value: 0.5 });
  assert.deepEqual(await page.sent(), [
    { kind: "record", name: "canvas.fps", category: "rendering", unit: "Hz", value: 60 },
    { kind: "record", name: "delay", category: "user_experience", value: 0.5 },
  ]);
  const [first] = await client.get_metrics();
  assert.deepEqual(first, { ...FPS, category: "rendering", timestamp: 5, metadata: { user: "secret" } });
});

test("a metric that is not valid rejects, and is neither sent nor kept", async () => {
  const page = await inPage();
  const client = createPerformanceClient();
  for (const [change, code] of [
    [{ id: "" }, "MALFORMED"],
    [{ value: NaN }, "MALFORMED"],
    [{ value: "60" }, "MALFORMED"],
    [{ category: undefined }, "MALFORMED"],
    [{ category: " " }, "INVALID_NAME"],
    [{ name: "" }, "INVALID_NAME"],
    [{ unit: "per cent" }, "INVALID_NAME"],
  ]) {
    const { error } = await outcome(client.record_metric({ ...FPS, ...change }));
    assert.equal(error?.code, code, JSON.stringify(change));
  }
  assert.deepEqual(await client.get_metrics(), []);
  // The host is told how many names were refused, and nothing of what they name.
  const refused = { kind: "refused", of: "record", type: "invalid_name", count: 1 };
  assert.deepEqual(await page.sent(), [refused, refused, refused]);
});

test("a snapshot has the last metric of each id", async () => {
  await inPage();
  const client = createPerformanceClient();
  await client.record_metric(FPS);
  await client.record_metric({ ...FPS, id: "other", value: 1 });
  await client.record_metric({ ...FPS, value: 30 });
  const snapshot = await client.create_snapshot();
  assert.deepEqual(snapshot.metrics.map(({ id, value }) => [id, value]), [["other", 1], ["fps", 30]]);
  assert.equal(snapshot.metric_count(), 2);
  assert.match(snapshot.id, /^[0-9a-f]{32}$/);
  assert.ok(Math.abs(snapshot.timestamp - Date.now()) < 60_000);
  // Neither is known here, and neither is told as zero.
  assert.equal(snapshot.memory_usage, null);
  assert.equal(snapshot.cpu_usage, null);
  assert.equal((await client.get_metrics()).length, 3);
  assert.equal((await client.get_metric("fps")).value, 30);
  assert.equal(await client.get_metric("none"), undefined);
  assert.notEqual((await client.create_snapshot()).id, snapshot.id);
});

test("memory is told where the engine tells it", async (t) => {
  await inPage();
  Object.defineProperty(performance, "memory", { value: { usedJSHeapSize: 4_096 }, configurable: true });
  t.after(() => delete performance.memory);
  assert.equal((await createPerformanceClient().create_snapshot()).memory_usage, 4_096);
});

test("beyond the bound the oldest metric goes", async () => {
  await inPage();
  const client = createPerformanceClient();
  for (let n = 0; n < 1_005; n++) await client.record_metric({ ...FPS, value: n });
  const metrics = await client.get_metrics();
  assert.equal(metrics.length, 1_000);
  assert.equal(metrics[0].value, 5);
});

test("outside of a webview, and where the host listens no more, recording rejects", async () => {
  const client = createPerformanceClient();
  assert.equal((await outcome(client.record_metric(FPS))).error.code, "BACKEND_GONE");
  assert.equal((await client.create_snapshot()).metric_count(), 0);
  const page = await inPage();
  page.receive({ kind: "bye", code: "CLOSED" });
  assert.equal((await outcome(client.record_metric(FPS))).error.code, "BACKEND_GONE");
});
