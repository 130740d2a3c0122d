// Every expression of every panel: its names exist, Prometheus understands it, and it answers.

import assert from "node:assert/strict";
import test from "node:test";
import { read } from "../src/files.js";
import { METRICS, prometheusLabel } from "../src/semconv.js";
import { TARGET } from "../src/server.js";
import { alerts, dashboards, panelsOf, rules, type Panel } from "./committed.js";
import { countersAsTheyAre } from "./lint.js";
import { checkNames, type Named } from "./names.js";
import { filledIn, readExpr } from "./promql.js";
import { promtool } from "./promtool.js";
import { everything } from "./series.js";

const ofPanels: readonly Named[] = dashboards.flatMap((dashboard) =>
  panelsOf(dashboard).flatMap((panel) =>
    (panel.targets ?? []).map(({ refId, expr }) => ({
      where: `${dashboard.title}, ${panel.title}, ${refId}`,
      expr,
    })),
  ),
);
const others: readonly Named[] = dashboards.flatMap((dashboard) => [
  ...dashboard.annotations.list.flatMap(({ expr }) =>
    expr ? [{ where: `${dashboard.title}, annotation`, expr }] : [],
  ),
  ...dashboard.templating.list.flatMap(({ name, type, query }) => {
    const [, expr = "", label = ""] = /^label_values\((.*), (\w+)\)$/.exec(query) ?? [];
    return type === "query"
      ? [{ where: `${dashboard.title}, $${name}`, expr: `count by (${label}) (${expr})` }]
      : [];
  }),
]);
const ofRules: readonly Named[] = rules.map(({ record, alert, expr }) => ({
  where: record ?? alert ?? "",
  expr,
}));
test("every metric and label of every panel, variable and rule exists", () => {
  assert.ok(ofPanels.length > 100);
  [...ofPanels, ...others, ...ofRules].forEach(checkNames);
});

test("rules read counters as increases, but for the first value of a new series", () => {
  for (const { where, expr } of ofRules) {
    assert.deepEqual(countersAsTheyAre(expr), [], where);
  }
});

test("values of closed sets are in docs/reference/telemetry.md", () => {
  const rows = new Map(
    read("docs/reference/telemetry.md")
      .split("\n")
      .flatMap((line) => {
        const [, name, values] = /^\| `([\w.]+)` \| [^|]* \| (.*) \|$/.exec(line) ?? [];
        return name && values ? [[prometheusLabel(name), values] as const] : [];
      }),
  );
  for (const { where, expr } of [...ofPanels, ...ofRules]) {
    for (const { matchers } of readExpr(expr).selectors) {
      for (const { label, value } of matchers) {
        if (!["spanwire_ipc_direction", "spanwire_outcome", "spanwire_page_state"].includes(label)) {
          continue;
        }
        for (const each of value.split("|")) {
          const isKnown = rows.get(label)?.includes(`\`${each}\``);
          assert.ok(isKnown, `${where}: ${label} is never ${each}`);
        }
      }
    }
  }
});

test("Prometheus understands every expression", () => {
  const all = [...ofPanels, ...others];
  const wrapped = all.map(({ expr }, place) => ({ record: `check:n${place}`, expr: filledIn(expr) }));
  const complaint = promtool(["check", "rules"], { groups: [{ name: "check", rules: wrapped }] });
  assert.equal(complaint, undefined);
});

/** What must answer: of a card whose colour is chosen by queries, which have one legend, one of them. */
function answers(panel: Panel): string[] {
  const targets = panel.targets ?? [];
  const exprs = targets.map(({ legendFormat, expr }) => [legendFormat, `(${filledIn(expr)})`] as const);
  if (panel.type !== "stat") {
    return exprs.map(([, expr]) => expr);
  }
  const legends = [...new Set(exprs.map(([legend]) => legend))];
  return legends.map((of) => exprs.flatMap(([legend, expr]) => (legend === of ? [expr] : [])).join(" or "));
}

test("every panel shows something when its series are there", () => {
  const tests = dashboards.flatMap((dashboard) =>
    panelsOf(dashboard).flatMap((panel) =>
      answers(panel).map((expr) => ({
        expr: `count(${expr}) > bool 0`,
        eval_time: "20m",
        exp_samples: [{ labels: "{}", value: 1 }],
      })),
    ),
  );
  const complaint = promtool(["test", "rules"], {
    evaluation_interval: "1m",
    tests: [{ interval: "15s", input_series: everything, promql_expr_test: tests }],
  });
  assert.equal(complaint, undefined);
});

test("texts of alerts name only labels that the alert can have", () => {
  for (const { alert, labels, annotations } of alerts) {
    for (const text of [...Object.values(labels ?? {}), ...Object.values(annotations ?? {})]) {
      for (const [, label = ""] of text.matchAll(/\$labels\.(\w+)/g)) {
        const isOurs = METRICS.some((metric) => metric.attributes.map(prometheusLabel).includes(label));
        assert.ok(isOurs || TARGET.includes(label) || label === "role", `${alert}: ${label}`);
      }
    }
  }
});
