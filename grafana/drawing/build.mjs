// Bundles what runs in Node, what runs in the page, and the tests.

import { readdirSync } from "node:fs";
import { build } from "esbuild";

const tests = readdirSync("test").map((name) => `test/${name}`);
await build({
  entryPoints: ["src/main.ts", ...tests],
  outdir: "dist",
  entryNames: "[name]",
  bundle: true,
  platform: "node",
  format: "esm",
  packages: "external",
  logLevel: "warning",
});
await build({
  entryPoints: ["src/page/page.tsx"],
  outdir: "dist",
  bundle: true,
  format: "iife",
  jsx: "automatic",
  loader: { ".ttf": "empty", ".svg": "text" },
  define: { "process.env.NODE_ENV": '"production"', global: "window" },
  logLevel: "warning",
});
