// Grafana's data sources and the Alertmanager's routes name what exists.

import assert from "node:assert/strict";
import test from "node:test";
import { parse } from "yaml";
import { read } from "../src/files.js";
import { METRICS, prometheusLabel, NAMES } from "../src/semconv.js";
import { alerts } from "./committed.js";
import { readExpr } from "./promql.js";

interface Source {
  readonly uid: string;
  readonly type: string;
  readonly access: string;
  readonly isDefault?: boolean;
  readonly url: string;
  readonly jsonData: {
    readonly exemplarTraceIdDestinations?: readonly { datasourceUid: string; name: string }[];
    readonly tracesToMetrics?: {
      readonly datasourceUid: string;
      readonly tags: readonly { key: string; value: string }[];
      readonly queries: readonly { query: string }[];
    };
  };
}

const { datasources } = parse(read("grafana/provisioning/datasources/spanwire.yml")) as {
  datasources: Source[];
};
const uids = datasources.map(({ uid }) => uid);

test("the data sources and the folder of dashboards are given in a form that Grafana takes", () => {
  const [prometheus, jaeger] = datasources;
  assert.deepEqual(
    datasources.map(({ uid, type, access }) => [uid, type, access]),
    [
      ["spanwire-prometheus", "prometheus", "proxy"],
      ["spanwire-jaeger", "jaeger", "proxy"],
    ],
  );
  // What the dashboards' variable of data sources takes at first.
  assert.equal(prometheus?.isDefault, true);
  assert.equal(jaeger?.isDefault ?? false, false);
  for (const [kind, files] of [
    ["datasources", "grafana/provisioning/datasources/spanwire.yml"],
    ["providers", "grafana/provisioning/dashboards/spanwire.yml"],
  ] as const) {
    const file = parse(read(files)) as Record<string, unknown>;
    assert.deepEqual(Object.keys(file), ["apiVersion", kind]);
    assert.equal(file["apiVersion"], 1);
  }
  const { providers } = parse(read("grafana/provisioning/dashboards/spanwire.yml")) as {
    providers: { type: string; allowUiUpdates: boolean; options: { path: string } }[];
  };
  assert.deepEqual(
    providers.map(({ type, allowUiUpdates, options }) => [type, allowUiUpdates, options.path]),
    [["file", false, "${SPANWIRE_DASHBOARDS}"]],
  );
});

test("exemplars lead to Jaeger and spans to Prometheus", () => {
  const exemplars = datasources.flatMap((of) => of.jsonData.exemplarTraceIdDestinations ?? []);
  assert.deepEqual(
    exemplars.map(({ name, datasourceUid }) => [name, datasourceUid]),
    [["trace_id", "spanwire-jaeger"]],
  );
  for (const { tracesToMetrics } of datasources.map(({ jsonData }) => jsonData)) {
    if (!tracesToMetrics) {
      continue;
    }
    assert.ok(uids.includes(tracesToMetrics.datasourceUid));
    for (const { key, value } of tracesToMetrics.tags) {
      assert.ok(NAMES.attributes.includes(key), key);
      assert.ok(NAMES.attributes.map(prometheusLabel).includes(value), value);
    }
    for (const { query } of tracesToMetrics.queries) {
      for (const { metric } of readExpr(query.replace("$$__tags", "")).selectors) {
        const name = metric.replace(/_(bucket|sum|count)$/, "");
        assert.ok(METRICS.some(({ prometheus }) => prometheus === name), metric);
      }
    }
  }
});

test("every variable of the provisioning is in the README", () => {
  const readme = read("grafana/README.md");
  const files = ["datasources", "dashboards"].map((kind) =>
    read(`grafana/provisioning/${kind}/spanwire.yml`),
  );
  const variables = files.join("").match(/(?<!\$)\$\{(\w+)\}/g) ?? [];
  assert.ok(variables.length >= 4);
  for (const variable of variables) {
    assert.ok(readme.includes(`\`${variable.slice(2, -1)}\``), variable);
  }
});

test("the Alertmanager's inhibitions name alerts that there are", () => {
  const text = read("deploy/alertmanager/alertmanager.yml");
  const named = text.match(/Spanwire[A-Z]\w+/g) ?? [];
  const names = alerts.map(({ alert }) => alert);
  assert.deepEqual(named.filter((name) => !names.includes(name)), []);
});
