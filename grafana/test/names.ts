// Which names there are, as Prometheus has them.

import assert from "node:assert/strict";
import { METRICS, prometheusLabel, prometheusType, type Metric } from "../src/semconv.js";
import { SERVER_METRICS, TARGET } from "../src/server.js";
import { rules } from "./committed.js";
import { readExpr } from "./promql.js";

/** Of one without bounds: a native histogram, and what a scrape has. */
const partsOf = ({ instrument, bounds }: Metric): readonly string[] => {
  if (instrument !== "histogram") {
    return [""];
  }
  return [bounds.length > 0 ? "_bucket" : "", "_sum", "_count"];
};

/** The labels of each series that there can be. */
export const known = new Map<string, ReadonlySet<string>>();
export const instruments = new Map<string, ReturnType<typeof prometheusType>>();
for (const metric of METRICS) {
  const labels = [...TARGET, ...metric.attributes.map(prometheusLabel)];
  for (const part of partsOf(metric)) {
    const name = `${metric.prometheus}${part}`;
    known.set(name, new Set(part === "_bucket" ? [...labels, "le"] : labels));
    instruments.set(name, prometheusType(metric));
  }
}
for (const [name, labels] of SERVER_METRICS) {
  known.set(name, new Set([...TARGET, ...labels]));
}

export interface Named {
  readonly where: string;
  readonly expr: string;
}

const recordedNames = new Set(rules.flatMap(({ record }) => record ?? []));

/** Whether every metric and label of an expression exists. */
export function checkNames({ where, expr }: Named): void {
  const { selectors, grouped, made } = readExpr(expr);
  assert.ok(selectors.length > 0, `${where}: no metric in ${expr}`);
  const there = new Set([...made, ...TARGET]);
  for (const { metric, matchers } of selectors) {
    const labels = metric === "" ? new Set([...TARGET, "__name__"]) : known.get(metric);
    if (recordedNames.has(metric)) {
      // Their labels come from what they are made of, which is checked itself.
      METRICS.flatMap(({ attributes }) => attributes).forEach((name) => there.add(prometheusLabel(name)));
      continue;
    }
    assert.ok(labels, `${where}: ${metric} is no metric`);
    labels.forEach((label) => there.add(label));
    for (const { label } of matchers) {
      assert.ok(labels.has(label), `${where}: ${metric} has no label ${label}`);
    }
  }
  for (const label of grouped) {
    assert.ok(there.has(label), `${where}: no label ${label} to group by`);
  }
}
