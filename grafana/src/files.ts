// Where things are, and how they are written or compared.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root: this file runs as `grafana/dist/src/files.js`. */
export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
export const SEMCONV = "grafana/semconv.json";
export const FINDINGS = "grafana/findings.json";
export const DASHBOARDS = "grafana/dashboards";
export const RULES = "deploy/prometheus/rules";
export const RULE_TESTS = "deploy/prometheus/tests";
export const RUNBOOKS = "docs/runbooks";

export function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** The files of a folder that end so, sorted, as paths from the root. */
export function list(folder: string, ending: string): string[] {
  return readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith(ending))
    // Folders are read in an order of the file system's, and the output must not depend on it.
    .sort()
    .map((name) => `${folder}/${name}`);
}

/** File contents by their path. */
export type Files = ReadonlyMap<string, string>;

export function write(folder: string, files: Files): void {
  for (const [path, text] of files) {
    const target = join(folder, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
}

/** Paths whose file is missing, differs from what would be written, or would not be written. */
export function stale(files: Files): string[] {
  // What is on disk as well: a dashboard that was taken out of the source leaves its file behind.
  const written = [FINDINGS, ...list(DASHBOARDS, ".json"), ...list(RULES, ".yml")];
  const paths = new Set([...files.keys(), ...written]);
  return [...paths].filter((path) => {
    const text = files.get(path);
    return text === undefined || !written.includes(path) || read(path) !== text;
  });
}
