// The dashboards as they are: what each must have, and what none may have.

import assert from "node:assert/strict";
import test from "node:test";
import { dashboards, panelsOf } from "./committed.js";

test("there are the six dashboards, each once", () => {
  assert.deepEqual(
    dashboards.map(({ uid }) => uid).sort(),
    ["fleet", "ipc", "live", "operations", "process", "telemetry"].map((name) => `spanwire-${name}`),
  );
  assert.equal(new Set(dashboards.map(({ title }) => title)).size, dashboards.length);
});

/** Of the width's 24: so "Operation queue" fits into 3 of them, and "Memory of the machine" into 4. */
const CHARACTERS_PER_COLUMN = 5.3;

for (const dashboard of dashboards) {
  const panels = panelsOf(dashboard);
  const { title } = dashboard;

  test(`${title}: every panel has a title, a description, a unit and a query`, () => {
    for (const panel of panels) {
      assert.ok(panel.title, `panel ${panel.id}`);
      assert.ok((panel.description ?? "").endsWith("."), panel.title);
      assert.ok(panel.fieldConfig?.defaults?.unit, panel.title);
      assert.ok((panel.targets ?? []).length > 0, panel.title);
      for (const target of panel.targets ?? []) {
        assert.ok(target.legendFormat, `${panel.title} ${target.refId}`);
      }
    }
  });

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

  test(`${title}: the data source is the variable's everywhere`, () => {
    const uids = [...JSON.stringify(dashboard).matchAll(/"uid":"([^"]*)"/g)].map(([, uid]) => uid);
    const others = uids.filter((uid) => uid !== "${datasource}" && uid !== dashboard.uid);
    assert.deepEqual(others, []);
    for (const { datasource, targets, title: panel } of panels) {
      assert.equal(datasource?.uid, "${datasource}", panel);
      targets?.forEach((target) => assert.equal(target.datasource.uid, "${datasource}", panel));
    }
  });

  test(`${title}: it has the variables, leads to the others and cannot be edited`, () => {
    const variables = dashboard.templating.list;
    assert.deepEqual(
      variables.map(({ name }) => name),
      ["datasource", "job", "instance", "webview"],
    );
    assert.equal(variables[0]?.type, "datasource");
    assert.equal(variables[0]?.label, "Data source");
    for (const variable of variables.slice(1)) {
      assert.match(variable.query, /^label_values\(/);
      assert.equal(variable.multi, true);
      assert.equal(variable.allValue, ".+");
    }
    assert.deepEqual(dashboard.links[0]?.tags, ["spanwire"]);
    assert.equal(dashboard.editable, false);
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

test("Live shows a minute at every second, in eight cards and four charts", () => {
  const live = dashboards.find(({ uid }) => uid === "spanwire-live")!;
  assert.equal(live.refresh, "1s");
  assert.equal(live.time.from, "now-60s");
  const types = panelsOf(live).map(({ type }) => type);
  assert.equal(types.filter((type) => type === "stat").length, 8);
  assert.equal(types.filter((type) => type === "timeseries").length, 4);
});
