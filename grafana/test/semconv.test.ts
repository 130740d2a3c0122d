// What is not in the list of names cannot be asked for.

import assert from "node:assert/strict";
import test from "node:test";
import { aggregate, binary } from "../src/promql.js";
import { errorType, label, metric } from "../src/semconv.js";
import { bucket, is, SeriesOf } from "../src/series.js";

const series = new SeriesOf({ target: "" }, { range: "5m" });

test("an unknown metric, attribute, value or bucket throws", () => {
  assert.throws(() => metric("spanwire.ipc.message"), /no metric spanwire.ipc.message/);
  assert.throws(() => label("ipc.evnt"), /no attribute/);
  assert.throws(() => errorType("queue-full"), /no error type/);
  assert.throws(() => bucket("spanwire.ipc.delivery.duration", 0.2), /no bucket up to 0.2/);
});

test("a label that the metric does not have throws, in a matcher and in a grouping", () => {
  const where = { "spanwire.queue.name": is("main") };
  assert.throws(() => series.rate("spanwire.ipc.messages", where), /has no attribute spanwire.queue.name/);
  const rate = series.rate("spanwire.ipc.retries");
  assert.throws(() => aggregate("sum", ["spanwire_ipc_event"], rate), /no label spanwire_ipc_event/);
  const summed = aggregate("sum", [], rate);
  assert.throws(() => binary(summed, "/", rate, { on: ["job"] }), /no label job/);
});

test("a metric is not taken for another kind", () => {
  assert.throws(() => series.gauge("spanwire.ipc.messages"), /is a counter, not a gauge/);
  assert.throws(() => series.rate("spanwire.queue.size"), /is a gauge, not a counter/);
  assert.throws(() => series.rate("spanwire.ipc.messages", {}, "_count"), /not a histogram/);
});
