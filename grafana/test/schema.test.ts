// The dashboards as they are committed are what Grafana's schema allows, to the last field.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import test from "node:test";
import ts from "typescript";
import { DASHBOARDS, ROOT, list, read } from "../src/files.js";

/** Where the dashboards are as if they were: beside the types, so that these are found. */
const FOLDER = join(ROOT, "grafana/test");

/** What TypeScript has against each JSON text when it is a dashboard of that schema. */
function complaints(texts: ReadonlyMap<string, string>): Map<string, string[]> {
  const sources = new Map(
    [...texts].map(([name, text]) => [
      join(FOLDER, `${name}.ts`),
      `import type { Board } from "./schema.js";\nexport const board: Board = ${text};\n`,
    ]),
  );
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(ROOT, "grafana/tsconfig.json"), ts.sys.readFile).config,
    ts.sys,
    join(ROOT, "grafana"),
    { noEmit: true, incremental: false },
  );
  delete options.tsBuildInfoFile;
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (path) => sources.has(path) || fileExists(path);
  host.readFile = (path) => sources.get(path) ?? readFile(path);
  const program = ts.createProgram([...sources.keys()], options, host);
  assert.deepEqual(program.getOptionsDiagnostics(), []);
  const found = new Map<string, string[]>();
  for (const name of texts.keys()) {
    const file = program.getSourceFile(join(FOLDER, `${name}.ts`));
    assert.ok(file);
    const all = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
    found.set(name, all.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n")));
  }
  return found;
}

const dashboards = new Map(
  list(DASHBOARDS, ".json").map((path) => [path.slice(DASHBOARDS.length + 1, -".json".length), read(path)]),
);

// What is wrong with each of them, in a dashboard that has every kind of panel.
const WRONG: readonly (readonly [what: string, from: RegExp, to: string])[] = [
  ["a field that there is not", /"editable": false/, '"editable": false, "editabel": false'],
  ["one that can be edited", /"editable": false/, '"editable": true'],
  ["a text where a number belongs", /"graphTooltip": 1/, '"graphTooltip": "1"'],
  ["a member that the enumeration lacks", /"graphTooltip": 1/, '"graphTooltip": 7'],
  ["a refresh of variables that there is not", /"refresh": 2/, '"refresh": 3'],
  ["a data source by its own id", /"uid": "\$\{datasource\}"/, '"uid": "spanwire-prometheus"'],
  ["a link in a menu", /"asDropdown": false/, '"asDropdown": false, "placement": "inControlsMenu"'],
  ["a kind of panel that there is not", /"type": "timeseries"/, '"type": "timeserie"'],
  ["an option that charts lack", /"legend": \{\n\s*"displayMode": "table"/, '"legends": 1, $&'],
  ["a legend of a form that there is not", /"displayMode": "table"/, '"displayMode": "tabel"'],
  ["a line drawn as there is none", /"drawStyle": "line"/, '"drawStyle": "lines"'],
  ["an option that tables lost", /"showHeader": true/, '"showHeader": true, "footer": {}'],
  ["an option that cards lack", /"graphMode": "none"/, '"graphMode": "none", "graph": 1'],
  ["a heat map without its colours", /"yHistogram": true/, '"yHistograms": true'],
  ["a time line without heights", /"rowHeight": 0.8,/, ""],
  ["thresholds that are no list", /"steps": \[/, '"steps": "none", "stepz": ['],
  ["a colour mode that there is not", /"mode": "palette-classic"/, '"mode": "palette"'],
  ["a query without its text", /"expr": "sum/, '"query": "sum'],
  ["a query in a format that there is not", /"format": "time_series"/, '"format": "timeseries"'],
  ["a variable of a type that there is not", /"type": "query"/, '"type": "queries"'],
];

test("every dashboard has what Grafana's schema has, and every mistake in one is found", () => {
  const ipc = dashboards.get("ipc") ?? "";
  const mistakes = WRONG.map(([what, from, to]) => {
    const changed = ipc.replace(from, to);
    assert.notEqual(changed, ipc, `nothing to change for ${what}`);
    return [what, changed] as const;
  });
  const all = complaints(new Map([...dashboards, ...mistakes]));
  for (const name of dashboards.keys()) {
    assert.deepEqual(all.get(name), [], name);
  }
  const missed = WRONG.filter(([what]) => all.get(what)?.length === 0).map(([what]) => what);
  assert.deepEqual(missed, []);
});

test("the schema is that of the Grafana that Docker starts", () => {
  const minor = /^(\d+\.\d+)\./;
  const image = /image: grafana\/grafana:(\S+)/.exec(read("docker-compose.yml"))?.[1] ?? "";
  const require = createRequire(import.meta.url);
  const { version } = require("@grafana/schema/package.json") as { version: string };
  assert.equal(minor.exec(version)?.[1], minor.exec(image)?.[1]);
});
