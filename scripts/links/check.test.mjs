// A link that leads nowhere is found, and one that leads somewhere is not.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "node:test";
import { anchors, links, slug } from "./markdown.mjs";

const CHECK = fileURLToPath(new URL("check.mjs", import.meta.url));

/** A tree in which all is well, but for these files. `undefined` leaves one out. */
function check(changes) {
  const files = {
    "README.md": "[index](docs/README.md) ![picture](docs/demo.png)\n",
    "docs/README.md": "# Docs\n\n[start](guide/start.md#first-steps), [cli](reference/cli.md)\n",
    "docs/guide/start.md": "# Start\n\n## First steps\n\n[up](../..), [here](#start)\n",
    "docs/reference/cli.md": "# Command\n",
    "docs/demo.png": "",
    "examples/README.md": "[timers](timers.rs), [page](../demo/examples/page.rs), [tool](../tauri-plugin/examples/tool)\n",
    "examples/timers.rs": "",
    "demo/examples/page.rs": "",
    "demo/examples/page.html": "",
    "tauri-plugin/examples/tool/src/main.rs": "// docs/guide/start.md shows it.\n",
    ...changes,
  };
  const root = mkdtempSync(join(tmpdir(), "spanwire-links-"));
  try {
    execFileSync("git", ["init", "--quiet"], { cwd: root });
    for (const [path, text] of Object.entries(files).filter(([, text]) => text !== undefined)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    const { status, stderr } = spawnSync(process.execPath, [CHECK, root], { encoding: "utf8" });
    return { status, wrong: stderr.split("\n").filter((line) => line !== "") };
  } finally {
    rmSync(root, { recursive: true });
  }
}

test("a tree in which every link leads somewhere passes", () => {
  assert.deepEqual(check({}), { status: 0, wrong: [] });
});

const FAULTS = [
  ["a missing page", { "CHANGELOG.md": "one\n\n[gone](docs/start.md)\n" }, "CHANGELOG.md:3 links to docs/start.md, and there is no docs/start.md"],
  ["a missing picture", { "docs/demo.png": undefined }, "README.md:1 links to docs/demo.png, and there is no docs/demo.png"],
  ["a missing picture in HTML", { "page/README.md": '<img alt="" src="../a.png">\n' }, "page/README.md:1 links to ../a.png, and there is no a.png"],
  ["another spelling", { "a.md": "[x](docs/readme.md)\n" }, "a.md:1 links to docs/readme.md, and there is no docs/readme.md"],
  ["a missing anchor", { "docs/guide/start.md": "# Start\n" }, "docs/README.md:3 links to guide/start.md#first-steps, and docs/guide/start.md has no heading with the anchor #first-steps"],
  ["a missing anchor on the page itself", { "a.md": "[x](#nowhere)\n" }, "a.md:1 links to #nowhere, and a.md has no heading with the anchor #nowhere"],
  ["a path from the root", { "a.md": "[x](/docs/demo.png)\n" }, "a.md:1 links to /docs/demo.png, and there is no /docs/demo.png"],
  ["a missing page behind a definition", { "a.md": "[x][y]\n\n[y]: b.md\n" }, "a.md:3 links to b.md, and there is no b.md"],
  ["a page that git ignores", { ".gitignore": "out\n", "out/b.md": "", "a.md": "[x](out/b.md)\n" }, "a.md:1 links to out/b.md, and there is no out/b.md"],
  ["a page that code names", { "src/lib.rs": '"remedy: docs/cli.md"\n' }, "src/lib.rs names docs/cli.md, and there is no such page"],
  ["an example that the index leaves out", { "python/examples/one.py": "" }, "examples/README.md does not link to python/examples/one"],
  ["an example that is gone", { "examples/timers.rs": undefined }, "examples/README.md:1 links to timers.rs, and there is no examples/timers.rs"],
  ["no index of the examples", { "examples/README.md": undefined }, "there is no examples/README.md"],
  ["a guide that the index leaves out", { "docs/guide/new.md": "# New\n" }, "docs/README.md does not link to docs/guide/new.md"],
];

for (const [name, changes, expected] of FAULTS) {
  test(`${name} is named`, () => {
    assert.deepEqual(check(changes), { status: 1, wrong: [`links: ${expected}`] });
  });
}

test("links in code, and those that need a network, are not followed", () => {
  const page = "```md\n[x](a.md)\n```\n\n`[x](b.md)` <https://example.com> [c](https://example.com/c.md) [m](mailto:a@example.com)\n";
  assert.deepEqual(check({ "a.md": page }), { status: 0, wrong: [] });
});

test("titles, angle brackets and parentheses belong to no target but the last", () => {
  const targets = links('[a](b.md "title") [c](<d e.md>) [f](g_(h).md)\n').map(({ target }) => target);
  assert.deepEqual(targets, ["b.md", "d e.md", "g_(h).md"]);
});

test("anchors are GitHub's", () => {
  for (const [heading, anchor] of [
    ["Values of `error.type` on the wire", "values-of-errortype-on-the-wire"],
    ["`/metrics` and `/healthz`", "metrics-and-healthz"],
    ["A page's **own** [SDK](https://example.com)", "a-pages-own-sdk"],
    ["Rust, wry & `snake_case`", "rust-wry--snake_case"],
    ["Über-Größe: 2×", "über-größe-2"],
  ]) {
    assert.equal(slug(heading), anchor);
  }
});

test("equal headings are numbered, and anchors in HTML count", () => {
  const page = '# One\n\n## One\n\n```sh\n# Two\n```\n\n<a id="three"></a>\n\n## One ##\n';
  assert.deepEqual([...anchors(page)], ["one", "one-1", "three", "one-2"]);
});
