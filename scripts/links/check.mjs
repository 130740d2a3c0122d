// Holds the repository's pages against its files, without a network:
//
// - every relative link of every Markdown page leads to a file or a folder of the repository, with that
//   spelling, and to an anchor that the page has; so does every picture;
// - every page of `docs/` that a text names, in code, scripts and messages too, exists;
// - `examples/README.md` links to every example;
// - `docs/README.md` links to every guide and every page of the reference.
//
//   node scripts/links/check.mjs [FOLDER]   another tree than this one

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, posix, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { anchors, links } from "./markdown.mjs";

const EXAMPLES = ["examples", "demo/examples", "page/examples", "python/examples", "tauri-plugin/examples"];
const EXAMPLE_INDEX = "examples/README.md";
const DOCS_INDEX = "docs/README.md";
const LISTED = ["docs/guide", "docs/reference"];
const PATH_OF_DOCS = /(?<![\w/.-])docs\/[\w./-]+\.(?:md|png)\b/g;
const TEXT = /\.(?:md|rs|ts|mjs|js|py|toml|ya?ml|json|html)$|(?:^|\/)[^.]+$/;

const root = process.argv[2] ? resolve(process.argv[2]) : join(dirname(fileURLToPath(import.meta.url)), "../..");
const wrong = [];

// What git ignores is no part of the repository, whatever lies in the folder.
const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
});
const files = new Set(listed.split("\0").filter((path) => path !== "" && existsSync(join(root, path))));
const folders = new Set([...files].flatMap((path) => {
  const parts = path.split("/");
  return parts.map((_, index) => parts.slice(0, index).join("/") || ".");
}));
const read = (path) => readFileSync(join(root, path), "utf8");
const pages = [...files].filter((path) => path.endsWith(".md"));

// --- links ---

const known = new Map();
const anchorsOf = (page) => {
  if (!known.has(page)) {
    known.set(page, anchors(read(page)));
  }
  return known.get(page);
};

/** What a page links to: paths from the root, for those within the repository. */
function targetsOf(page, onWrong = () => undefined) {
  const found = [];
  for (const { target, number } of links(read(page))) {
    if (/^[a-z][a-z0-9+.-]*:|^\/\//i.test(target)) {
      continue;
    }
    const [, path, anchor] = /^([^#]*)(?:#(.*))?$/.exec(decodeURI(target));
    const to = path === "" ? page : posix.join(posix.dirname(page), path).replace(/\/$/, "");
    if (path.startsWith("/") || (!files.has(to) && !folders.has(to))) {
      onWrong(`${page}:${number} links to ${target}, and there is no ${path.startsWith("/") ? path : to}`);
    } else if (anchor && files.has(to) && to.endsWith(".md") && !anchorsOf(to).has(anchor)) {
      onWrong(`${page}:${number} links to ${target}, and ${to} has no heading with the anchor #${anchor}`);
    }
    found.push(to);
  }
  return found;
}

const count = pages.flatMap((page) => targetsOf(page, (what) => wrong.push(what))).length;

// --- paths in code and messages ---

for (const path of files) {
  if (TEXT.test(path) && !path.startsWith("scripts/links/")) {
    // Links are judged above.
    const text = path.endsWith(".md") ? read(path).replace(/\]\([^)]*\)/g, "]") : read(path);
    for (const [named] of text.matchAll(PATH_OF_DOCS)) {
      if (!files.has(named)) {
        wrong.push(`${path} names ${named}, and there is no such page`);
      }
    }
  }
}

// --- indexes ---

/** Files in a folder that have one stem, and a folder in it, are one example. */
const exampleOf = (path) => {
  const folder = EXAMPLES.find((folder) => path.startsWith(`${folder}/`));
  const name = folder && path.slice(folder.length + 1).split("/")[0].replace(/\.[^.]*$/, "");
  return name && path !== EXAMPLE_INDEX ? `${folder}/${name}` : undefined;
};

/** Holds an index against what it must list. */
function compare(index, expected) {
  if (!files.has(index)) {
    wrong.push(`there is no ${index}`);
    return;
  }
  const targets = new Set(targetsOf(index).map((path) => exampleOf(path) ?? path));
  expected.filter((path) => !targets.has(path)).forEach((path) => wrong.push(`${index} does not link to ${path}`));
}

const examples = [...new Set([...files].map(exampleOf).filter(Boolean))];
compare(EXAMPLE_INDEX, examples);
compare(
  DOCS_INDEX,
  pages.filter((page) => LISTED.includes(posix.dirname(page))),
);

console.log(`links: ${count} in ${pages.length} pages, ${examples.length} examples`);
wrong.forEach((what) => console.error(`links: ${what}`));
process.exitCode = wrong.length > 0 ? 1 : 0;
