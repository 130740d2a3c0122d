// Builds `spanwire.js`, which is committed: whoever uses the crate needs no Node.
//
//   node build.mjs           writes it
//   node build.mjs --check   fails when it is not what the source builds, or too large

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** What the page may pay for it, compressed. */
const BYTES_MAX = 10_000;

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const head =
  "// The page's end of the wire: an expression, called with its configuration.\n" +
  "// Built from page/src by `npm --prefix page run build`; change it there.\n";

const { outputFiles } = await build({
  entryPoints: [here("src/main.ts")],
  tsconfig: here("tsconfig.json"),
  bundle: true,
  write: false,
  format: "esm",
  target: "es2020",
  charset: "ascii",
  minify: true,
  legalComments: "none",
});
// Its modules have become statements that import and export nothing, and read `config`.
const script = `${head}(config)=>{"use strict";${outputFiles[0].text.trim()}}\n`;

const target = here("spanwire.js");
const { length } = gzipSync(script, { level: 9 });
console.log(`page/spanwire.js: ${script.length} bytes, ${length} gzipped`);
if (length > BYTES_MAX) {
  console.error(`more than ${BYTES_MAX} bytes gzipped`);
  process.exit(1);
}
if (!process.argv.includes("--check")) {
  writeFileSync(target, script);
} else if (readFileSync(target, "utf8") !== script) {
  console.error("page/spanwire.js is not what page/src builds: npm --prefix page run build");
  process.exit(1);
}
