// Intervals and variables as Grafana has them.

import assert from "node:assert/strict";
import test from "node:test";
import { filledIn, gridOf, rangeOf, stepOf } from "../src/interval.js";

test("a step is no shorter than a scrape, and is rounded to what people read", () => {
  assert.equal(stepOf(60, 700, 1), 1);
  assert.equal(stepOf(3600, 700, 1), 5);
  assert.equal(stepOf(3600, 700, 15), 15);
  assert.equal(stepOf(86_400, 700, 1), 120);
});

test("a grid begins and ends on multiples of its step", () => {
  assert.deepEqual(gridOf(7, 21, 5), [5, 10, 15, 20]);
  assert.deepEqual(gridOf(10, 12, 1), [10, 11, 12]);
});

test("a rate is over four scrapes, or a step and a scrape when that is more", () => {
  assert.equal(filledIn("rate(x[$__rate_interval])", 60, 1, 1), "rate(x[4s])");
  assert.equal(filledIn("rate(x[${__rate_interval}])", 3600, 5, 1), "rate(x[6s])");
  assert.equal(filledIn("x / ($__rate_interval_ms / 1000)", 60, 1, 1), "x / (4000 / 1000)");
});

test("a regular expression's groups are no variables, and an unknown variable is an error", () => {
  const expr = 'label_replace(x{job=~"$job"}, "a", "$1", "b", "(.*)")';
  assert.equal(filledIn(expr, 60, 1, 1), 'label_replace(x{job=~".+"}, "a", "$1", "b", "(.*)")');
  assert.throws(() => filledIn("x[$window]", 60, 1, 1), /no value of \$window/);
});

test("a dashboard's time is read, and what is not understood is an error", () => {
  assert.deepEqual(["now-60s", "now-15m", "now-1h"].map(rangeOf), [60, 900, 3600]);
  assert.throws(() => rangeOf("yesterday"), /yesterday is not understood/);
});
