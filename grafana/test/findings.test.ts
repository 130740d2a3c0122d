// The catalogue of findings: what each must have, and that Prometheus understands its evidence.

import assert from "node:assert/strict";
import test from "node:test";
import { FINDINGS as FILE, read } from "../src/files.js";
import { FINDINGS } from "../src/findings/index.js";
import { alerts } from "./committed.js";
import { countersAsTheyAre } from "./lint.js";
import { checkNames } from "./names.js";
import { promtool } from "./promtool.js";

interface Committed {
  readonly findings: readonly {
    readonly id: string;
    readonly evidence: string;
    readonly culprit?: { readonly evidence: string };
    readonly explains: readonly { readonly ids: readonly string[] }[];
    readonly alerts: readonly string[];
    readonly runbook?: string;
  }[];
}

const { findings } = JSON.parse(read(FILE)) as Committed;

/** An expression as the doctor sends it. */
const asked = (expr: string): string =>
  expr
    .replaceAll("$young_s", "360")
    .replaceAll("$before_s", "3900")
    .replaceAll("$window", "5m")
    .replaceAll("$before", "1h")
    .replaceAll("$short", "2m")
    .replaceAll("$job", "spanwire");

const asks = findings.flatMap(({ id, evidence, culprit }) => [
  { where: id, expr: asked(evidence) },
  ...(culprit ? [{ where: `${id}, culprit`, expr: asked(culprit.evidence) }] : []),
]);

test("every alert is of one finding, which has its severity and its texts", () => {
  const named = findings.flatMap((of) => of.alerts);
  assert.deepEqual(
    [...named].sort(),
    alerts.map(({ alert }) => alert ?? "").sort(),
  );
  for (const { alert, severity } of FINDINGS) {
    const rule = alerts.find((one) => one.alert === alert?.name);
    if (alert) {
      assert.equal(rule?.labels?.["severity"], severity, alert.name);
      assert.equal(rule?.annotations?.["summary"], alert.summary);
    }
  }
});

test("every finding has an id of its own, and texts that say what to do", () => {
  assert.equal(new Set(findings.map(({ id }) => id)).size, findings.length);
  for (const { id, question, says, remedy } of FINDINGS) {
    assert.match(id, /^[a-z]+(-[a-z]+)+$/);
    assert.ok(question.endsWith("?"), id);
    assert.ok(says.length > 0 && !says.endsWith("."), id);
    assert.ok(remedy.length > 20, id);
  }
});

test("the evidence of findings has names that exist, and Prometheus understands it", () => {
  asks.forEach(checkNames);
  for (const { where, expr } of asks) {
    assert.doesNotMatch(expr, /\$[a-z]/, where);
    assert.deepEqual(countersAsTheyAre(expr), [], where);
  }
  const rules = asks.map(({ expr }, place) => ({ record: `check:n${place}`, expr }));
  assert.equal(promtool(["check", "rules"], { groups: [{ name: "check", rules }] }), undefined);
});

test("no finding explains itself, by way of others either", () => {
  const explained = new Map(findings.map(({ id, explains }) => [id, explains.flatMap(({ ids }) => ids)]));
  const reached = (id: string, seen = new Set<string>()): ReadonlySet<string> => {
    for (const next of explained.get(id) ?? []) {
      if (!seen.has(next)) {
        seen.add(next);
        reached(next, seen);
      }
    }
    return seen;
  };
  for (const { id } of findings) {
    assert.ok(!reached(id).has(id), `${id} is a cause of itself`);
  }
});

test("the guide to traces has every finding", () => {
  const guide = read("docs/guide/reading-a-trace.md");
  for (const { id } of findings) {
    assert.ok(guide.includes(`\`${id}\``), id);
  }
});
