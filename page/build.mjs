// Builds what is committed, so that whoever uses the crate needs no Node: `spanwire.js`, `observe.js`,
// and the page of an example.
//
//   node build.mjs            writes them
//   node build.mjs --check    fails when one is not what the source builds, or too large
//   node build.mjs --package  writes the module `spanwire/observe` of the package

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** The measuring modules hand what they have to `outbox`; each script has one of its own, and its `config`. */
const ownPorts = (folder) => ({
  name: "own ports",
  setup: ({ onResolve }) => {
    const shared = here("src");
    onResolve({ filter: /\/(outbox|config)\.js$/ }, ({ path, resolveDir }) => {
      const file = resolve(resolveDir, path).replace(/\.js$/, ".ts");
      return dirname(file) === shared ? { path: resolve(shared, folder, basename(file)) } : undefined;
    });
  },
});

const bundled = async (entry, format, plugins = []) => {
  const { outputFiles } = await build({
    entryPoints: [here(entry)],
    tsconfig: here("tsconfig.json"),
    plugins,
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

// Their modules have become statements that import and export nothing, and read `config`.
const observing = await bundled("src/observe/main.ts", "esm", [ownPorts("observe")]);
const observe = `(config)=>{"use strict";let observer;${observing}return observer}`;

if (process.argv.includes("--package")) {
  mkdirSync(here("dist"), { recursive: true });
  writeFileSync(here("dist/observe.js"), `export const observe = ${observe};\n`);
  process.exit(0);
}

const script = await bundled("src/main.ts", "esm");
const head = `// The page's end of the wire: an expression, called with its configuration.\n// Built from page/src ${built}`;
keep("page/spanwire.js", `${head}(config)=>{"use strict";${script}}\n`, 10_000);

const observeHead = `// What a page measures, for another transport: an expression, called with its configuration.\n// Built from page/src/observe ${built}`;
keep("page/observe.js", `${observeHead}${observe}\n`, 6_600);

const example = await bundled("examples/otel_page.ts", "iife");
keep("demo/examples/otel_page.js", `// Built from page/examples/otel_page.ts ${built}${example}\n`, 20_000);
