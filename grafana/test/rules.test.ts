// Alerts: what each must have, its runbook, and its test.

import assert from "node:assert/strict";
import test from "node:test";
import { parse } from "yaml";
import { list, read, RULE_TESTS, RUNBOOKS } from "../src/files.js";
import { ruleFiles } from "../src/rules/index.js";
import { alerts, rules } from "./committed.js";
import { checkNames } from "./names.js";
import { promtool } from "./promtool.js";

const names = alerts.map(({ alert }) => alert ?? "");

test("every alert has a name of ours, a severity, and texts", () => {
  assert.equal(new Set(names).size, names.length);
  for (const { alert, labels, annotations } of alerts) {
    assert.match(alert ?? "", /^Spanwire[A-Z][A-Za-z]+$/);
    assert.ok(["critical", "warning"].includes(labels?.["severity"] ?? ""), alert);
    assert.ok(annotations?.["summary"], alert);
    assert.ok(annotations?.["description"]?.endsWith("."), alert);
    assert.equal(annotations?.["runbook"], `runbooks/${alert}.md`);
  }
});

test("every alert has a runbook, and every runbook an alert", () => {
  const runbooks = list(RUNBOOKS, ".md").filter((path) => !path.endsWith("/README.md"));
  assert.deepEqual(
    runbooks,
    names.map((name) => `${RUNBOOKS}/${name}.md`).sort(),
  );
  const index = read(`${RUNBOOKS}/README.md`);
  for (const path of runbooks) {
    const name = path.slice(RUNBOOKS.length + 1, -".md".length);
    const text = read(path);
    assert.ok(text.startsWith(`# ${name}\n`), path);
    const headings = [...text.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
    assert.deepEqual(headings, ["Meaning", "Impact", "Diagnosis", "Mitigation"], path);
    assert.ok(index.includes(`[${name}](${name}.md)`), `${name} is not in the index`);
  }
});

test("what runbooks tell to ask Prometheus, it understands", () => {
  const named = list(RUNBOOKS, ".md").flatMap((where) =>
    [...read(where).matchAll(/^```promql\n([^`]*)^```$/gm)].map(([, expr = ""]) => ({ where, expr })),
  );
  for (const path of list(RUNBOOKS, ".md").filter((path) => !path.endsWith("/README.md"))) {
    assert.ok(named.some(({ where }) => where === path), `${path} has no query`);
    assert.match(read(path), /Jaeger/, path);
  }
  named.forEach(checkNames);
  for (const { where, expr } of named) {
    // What is idle is NaN, which would stand among the slowest.
    assert.ok(!expr.includes("histogram_quantile") || expr.includes(">= 0"), `${where}: ${expr}`);
  }
  const exprs = named.map(({ expr }) => expr);
  const checked = exprs.map((expr, place) => ({ record: `check:n${place}`, expr }));
  const complaint = promtool(["check", "rules"], { groups: [{ name: "check", rules: checked }] });
  assert.equal(complaint, undefined);
});

interface AlertTest {
  readonly alertname: string;
  readonly eval_time: string;
  readonly exp_alerts: readonly unknown[];
}

test("every alert is tested to be silent, to fire, and then to resolve", () => {
  const series = new Map<string, string>();
  for (const path of list(RULE_TESTS, ".yml")) {
    const file = parse(read(path)) as { tests: { alert_rule_test?: AlertTest[] }[] };
    for (const { alert_rule_test: tests = [] } of file.tests) {
      for (const name of new Set(tests.map(({ alertname }) => alertname))) {
        const states = tests
          .filter(({ alertname }) => alertname === name)
          .map(({ exp_alerts }) => (exp_alerts.length > 0 ? "fires" : "silent"));
        series.set(name, `${series.get(name) ?? ""} ${states.join(" ")};`);
      }
    }
  }
  for (const name of names) {
    assert.match(series.get(name) ?? "", /silent fires silent/, name);
  }
});

test("recorded series are called level:metric:operation", () => {
  for (const { record } of rules) {
    assert.match(record ?? "a:b:c", /^[a-z_]+:[a-z0-9_]+:[a-z0-9_]+$/);
  }
});

test("rules whose times are shrunk are rules still", () => {
  for (const [name, text] of ruleFiles(60)) {
    assert.equal(promtool(["check", "rules"], parse(text)), undefined, name);
    assert.doesNotMatch(text, /\[(5m|1h)\]/);
  }
});
