// Builds what is committed, so that whoever uses the crate needs no Node: `spanwire.js`, and the page
// of an example.
//
//   node build.mjs           writes them
//   node build.mjs --check   fails when one is not what the source builds, or too large

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

const bundled = async (entry, format) => {
  const { outputFiles } = await build({
    entryPoints: [here(entry)],
    tsconfig: here("tsconfig.json"),
    bundle: true,
    write: false,
    format,
    target: "es2020",
    charset: "ascii",
    minify: true,
    legalComments: "none",
  });
  return outputFiles[0].text.trim();
};

/** Writes `text` to `target`, or looks whether it is there; `bytesMax` is what a page may pay for it, compressed. */
const keep = (target, text, bytesMax) => {
  const { length } = gzipSync(text, { level: 9 });
  console.log(`${target}: ${text.length} bytes, ${length} gzipped`);
  if (length > bytesMax) {
    console.error(`more than ${bytesMax} bytes gzipped`);
    process.exit(1);
  }
  const path = here(`../${target}`);
  if (!process.argv.includes("--check")) {
    writeFileSync(path, text);
  } else if (readFileSync(path, "utf8") !== text) {
    console.error(`${target} is not what page/ builds: npm --prefix page run build`);
    process.exit(1);
  }
};

const built = "by `npm --prefix page run build`; change it there.\n";

// Its modules have become statements that import and export nothing, and read `config`.
const script = await bundled("src/main.ts", "esm");
const head = `// The page's end of the wire: an expression, called with its configuration.\n// Built from page/src ${built}`;
keep("page/spanwire.js", `${head}(config)=>{"use strict";${script}}\n`, 10_000);

const example = await bundled("examples/otel_page.ts", "iife");
keep("demo/examples/otel_page.js", `// Built from page/examples/otel_page.ts ${built}${example}\n`, 20_000);
