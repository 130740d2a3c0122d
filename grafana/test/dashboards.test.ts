// The dashboards as they are: what each must have, and what none may have. `lint.ts` has more.

import assert from "node:assert/strict";
import test from "node:test";
import { dashboards, panelsOf } from "./committed.js";

test("there are the seven dashboards, each once", () => {
  assert.deepEqual(
    dashboards.map(({ uid }) => uid).sort(),
    ["fleet", "ipc", "laggy", "live", "operations", "process", "telemetry"].map((name) => `spanwire-${name}`),
  );
  assert.equal(new Set(dashboards.map(({ title }) => title)).size, dashboards.length);
});

/** Of the width's 24: so "Operation queue" fits into 3 of them, and "Memory of the machine" into 4. */
const CHARACTERS_PER_COLUMN = 5.3;

for (const dashboard of dashboards) {
  const panels = panelsOf(dashboard);
  const { title } = dashboard;

  test(`${title}: ids and titles are unique, and no two panels overlap`, () => {
    const ids = dashboard.panels.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    const titles = panels.map((panel) => `${panel.type} ${panel.title}`);
    assert.deepEqual(
      titles.filter((name, place) => titles.indexOf(name) !== place),
      [],
    );
    for (const [place, { gridPos: a }] of dashboard.panels.entries()) {
      assert.ok(a.x + a.w <= 24);
      for (const { gridPos: b } of dashboard.panels.slice(place + 1)) {
        const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
        assert.ok(apart, `${JSON.stringify(a)} ${JSON.stringify(b)}`);
      }
    }
  });

  test(`${title}: it leads to the others`, () => {
    assert.deepEqual(dashboard.links[0]?.tags, ["spanwire"]);
  });

  test(`${title}: the titles of cards fit, in a window of 1600 pixels`, () => {
    for (const { type, title: name = "", gridPos } of panels.filter(({ type }) => type === "stat")) {
      assert.ok(name.length <= gridPos.w * CHARACTERS_PER_COLUMN, `${type} ${name}`);
    }
  });

  test(`${title}: no chart takes its colours from the hash of a name`, () => {
    for (const panel of panels.filter(({ type }) => type === "timeseries")) {
      assert.equal(panel.fieldConfig?.defaults?.color?.mode, "palette-classic", panel.title);
    }
  });

  test(`${title}: in tables what stands for a value that is not a number does so for values alone`, () => {
    for (const panel of panels.filter(({ type }) => type === "table")) {
      // A text is not a number either, and the names of the rows would be gone.
      assert.deepEqual(panel.fieldConfig?.defaults?.mappings ?? [], [], panel.title);
    }
  });

  test(`${title}: queries of latency buckets ask for exemplars where they become times`, () => {
    for (const panel of panels.filter(({ type }) => type === "timeseries" || type === "heatmap")) {
      for (const { expr, exemplar } of panel.targets ?? []) {
        const isLatency = /(ipc_delivery|ipc_handler|operation)_duration_seconds_bucket/.test(expr);
        if (isLatency && dashboard.uid !== "spanwire-fleet") {
          assert.equal(exemplar, true, `${panel.title}: ${expr}`);
        }
      }
    }
  });
}

test("Live shows a minute at every second, in eight cards and four charts, what runs, and why it is slow in four and two", () => {
  const live = dashboards.find(({ uid }) => uid === "spanwire-live")!;
  assert.equal(live.refresh, "1s");
  assert.equal(live.time.from, "now-60s");
  const types = panelsOf(live).map(({ type }) => type);
  assert.equal(types.filter((type) => type === "stat").length, 8 + 4);
  assert.equal(types.filter((type) => type === "timeseries").length, 4 + 1 + 2);
});
