// Whether everything that is built here, or built with, is under a licence that deny.toml allows.
//
//   node scripts/licences/check.mjs crates    every package of each Cargo.lock
//   node scripts/licences/check.mjs npm       every package of each package-lock.json
//   node scripts/licences/check.mjs go        every module that the servers of `make stack` are built of
//
// Several may be given, and `--root FOLDER` for another tree than this one. A package under another
// licence needs an entry in exceptions.json, which says why it may be there, and one that says nothing
// itself an entry for "NONE", as SPDX calls that; an entry that no package needs any more is an error too.

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { isAllowed } from "./expression.mjs";
import { licencesOf } from "./texts.mjs";

const OUTPUT_MAX = 1 << 28;
/** Folders that hold what was installed or built. */
const NOT_OURS = new Set([".git", "dist", "node_modules", "target"]);
const CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index";

/** Files of that name in the tree. */
function find(root, name) {
  return readdirSync(root, { withFileTypes: true }).flatMap((entry) => {
    const path = join(root, entry.name);
    if (entry.isDirectory()) {
      return NOT_OURS.has(entry.name) ? [] : find(path, name);
    }
    return entry.name === name ? [path] : [];
  });
}

/** What is allowed, and for which crates there are exceptions. */
function readDeny(root) {
  const text = readFileSync(join(root, "deny.toml"), "utf8").replaceAll(/^\s*#.*$/gm, "");
  const [, licenses = ""] = /^\[licenses\]$([\s\S]*?)(?=^\[|$(?![\s\S]))/m.exec(text) ?? [];
  const strings = (list = "") => [...list.matchAll(/"([^"]+)"/g)].map(([, name]) => name);
  const [, allow] = /^allow = \[([^\]]*)\]/m.exec(licenses) ?? [];
  const exceptions = [...licenses.matchAll(/\{ crate = "([^"]+)", allow = \[([^\]]*)\] \}/g)];
  return {
    allow: new Set(strings(allow)),
    exceptions: exceptions.map(([, name, list]) => `${name}: ${strings(list).join()}`),
  };
}

/** Each package as what it is called and the licences that it is under, as SPDX has them. */
const KINDS = {
  crates(root) {
    return find(root, "Cargo.lock").flatMap((lock) => {
      const args = ["metadata", "--format-version", "1", "--all-features", "--locked"];
      const text = execFileSync("cargo", args, {
        cwd: dirname(lock),
        encoding: "utf8",
        maxBuffer: OUTPUT_MAX,
        stdio: ["ignore", "pipe", "inherit"],
      });
      const { packages, workspace_members: ours } = JSON.parse(text);
      return packages
        .filter(({ id }) => !ours.includes(id))
        .map(({ name, version, license, source }) => ({
          name,
          version,
          licences: license ? [license] : [],
          from: source === null || source === CRATES_IO ? undefined : source,
        }));
    });
  },

  npm(root) {
    return find(root, "package-lock.json").flatMap((lock) => {
      const { packages } = JSON.parse(readFileSync(lock, "utf8"));
      return Object.entries(packages).flatMap(([place, { version, license, link }]) => {
        if (place === "" || link) {
          return [];
        }
        const name = place.replace(/^.*node_modules\//, "");
        const installed = join(dirname(lock), place, "package.json");
        const said = existsSync(installed) ? JSON.parse(readFileSync(installed, "utf8")).license : undefined;
        // Both hold: the lock has what the registry said, and the package what it says itself.
        const licences = [license, said].filter((text) => text !== undefined).map(String);
        return [{ name, version, licences: [...new Set(licences)] }];
      });
    });
  },

  go(root) {
    const text = execFileSync(join(root, "scripts/stack"), ["packages"], {
      encoding: "utf8",
      maxBuffer: OUTPUT_MAX,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const modules = new Map();
    for (const line of text.split("\n").filter(Boolean)) {
      const [, name, version, folder, place] = line.split("\t");
      if (relative(root, folder).startsWith("..")) {
        const key = `${name} ${version}`;
        const found = modules.get(key) ?? { name, version, files: new Set() };
        modules.set(key, found);
        licenceFiles(folder, place).forEach((file) => found.files.add(file));
      }
    }
    return [...modules.values()].map(({ name, version, files }) => {
      // One whose text is not known is as if it had none.
      const all = [...files].map((file) => licencesOf(readFileSync(file, "utf8")));
      const licences = all.some((of) => of.length === 0) ? [] : [...new Set(all.flat())];
      return { name, version, licences };
    });
  },
};

/** The licences of a package: in its folder and in those above, up to its module's. */
function licenceFiles(module, folder) {
  const here = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && /^(licen[cs]e|copying|unlicense)/i.test(entry.name))
    .filter(({ name }) => !name.endsWith(".go"))
    .map(({ name }) => join(folder, name));
  return folder === module ? here : [...here, ...licenceFiles(module, dirname(folder))];
}

/** What is wrong with one kind of packages. */
function check(kind, root, allow, exceptions) {
  const packages = KINDS[kind](root);
  const unused = new Set(exceptions.flatMap(({ packages: names }) => names));
  const wrong = packages.flatMap(({ name, version, licences, from }) => {
    const mine = exceptions.filter(({ packages: names }) => names.includes(name));
    const more = new Set([...allow, ...mine.map(({ licence }) => licence)]);
    if (licences.every((licence) => isAllowed(licence, allow)) && licences.length > 0 && !from) {
      return [];
    }
    unused.delete(name);
    const what = `${name} ${version}`;
    if (from) {
      return [`${what} is from ${from}`];
    }
    if (licences.length === 0) {
      if (mine.some(({ licence }) => licence === "NONE")) {
        return [];
      }
      return [`${what} names no licence that is known here`];
    }
    const others = licences.filter((licence) => !isAllowed(licence, more));
    return others.map((licence) => `${what} is under ${licence}`);
  });
  const left = [...unused].map((name) => `${name} needs no exception any more`);
  return { count: packages.length, wrong: [...wrong, ...left] };
}

function main(args) {
  const at = args.indexOf("--root");
  const root = at >= 0 ? args.splice(at, 2)[1] : fileURLToPath(new URL("../..", import.meta.url));
  if (args.length === 0 || args.some((kind) => !(kind in KINDS))) {
    console.error("usage: node scripts/licences/check.mjs [--root FOLDER] crates|npm|go...");
    return 2;
  }
  const { allow, exceptions: ofDeny } = readDeny(root);
  const all = JSON.parse(readFileSync(join(root, "scripts/licences/exceptions.json"), "utf8"));
  const ofCrates = all
    .filter(({ kind }) => kind === "crates")
    .flatMap(({ packages, licence }) => packages.map((name) => `${name}: ${licence}`));
  const found = [];
  if (ofDeny.join() !== ofCrates.join()) {
    found.push("deny.toml and exceptions.json have not the same exceptions for crates, in the same order");
  }
  found.push(...all.filter(({ reason }) => !reason).map(({ packages }) => `no reason for ${packages}`));
  for (const kind of args) {
    const exceptions = all.filter((exception) => exception.kind === kind);
    const { count, wrong } = check(kind, root, allow, exceptions);
    console.log(`licences: ${count} of ${kind}, ${wrong.length} not allowed`);
    found.push(...wrong.map((what) => `${kind}: ${what}`));
  }
  found.forEach((what) => console.error(`licences: ${what}`));
  return found.length > 0 ? 1 : 0;
}

process.exitCode = main(process.argv.slice(2));
