// What the manifests say of versions, held against each other:
//
// - everything that is released has one version: the crates, the npm package and the wheel;
// - no dependency needs a newer Rust than `rust-version` promises, and the README names that version;
// - `repository` is the same everywhere, or nowhere while the project has no address of its own.
//
//   node scripts/check-versions.mjs [FOLDER]   another tree than this one

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const OUTPUT_MAX = 1 << 28;
const root = process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), "..");
const read = (path) => readFileSync(join(root, path), "utf8");
const wrong = [];

/** What cargo says of one workspace: its own packages, and all that they need. */
function workspace(folder) {
  const text = execFileSync("cargo", ["metadata", "--format-version", "1", "--all-features", "--locked"], {
    cwd: join(root, folder),
    encoding: "utf8",
    maxBuffer: OUTPUT_MAX,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const { packages, resolve, workspace_members: ids } = JSON.parse(text);
  const members = new Set(ids);
  const ours = packages.filter(({ id }) => members.has(id));
  const released = ours.filter(({ publish }) => publish === null || publish.length > 0);
  return { packages, resolve, members, ours, released };
}

// The Tauri plugin and the Python package are workspaces of their own.
const workspaces = [".", "tauri-plugin", "python"].filter((folder) => existsSync(join(root, folder, "Cargo.toml"))).map(workspace);
const ours = workspaces.flatMap((one) => one.ours);
const released = workspaces.flatMap((one) => one.released);
const main = ours.find(({ name }) => name === "spanwire");

// --- one version ---

const page = JSON.parse(read("page/package.json"));
const lock = JSON.parse(read("page/package-lock.json"));
const versions = new Map(ours.map(({ name, version }) => [`the crate ${name}`, version]));
versions.set("page/package.json", page.version);
versions.set("page/package-lock.json", lock.version);
versions.set("page/package-lock.json, its package", lock.packages[""].version);
for (const path of ["pyproject.toml", "python/pyproject.toml"]) {
  if (existsSync(join(root, path))) {
    versions.set(path, /^version = "(.*)"$/m.exec(read(path))?.[1]);
  }
}
for (const [what, version] of versions) {
  if (version !== main.version) {
    wrong.push(`${what} has the version ${version}, and the crate spanwire has ${main.version}`);
  }
}

// --- rust-version ---

/** "1.95" as a number that compares. */
const order = (version) => {
  const [major, minor = 0, patch = 0] = version.split(".").map(Number);
  return (major * 1000 + minor) * 1000 + patch;
};

/** What a user of the released crates builds: no dev-dependencies. */
function shipped({ resolve, released }) {
  const nodes = new Map(resolve.nodes.map((node) => [node.id, node]));
  const seen = new Set();
  const open = released.map(({ id }) => id);
  while (open.length > 0) {
    const id = open.pop();
    if (!seen.has(id)) {
      seen.add(id);
      const needed = nodes.get(id).deps.filter(({ dep_kinds: kinds }) => kinds.some(({ kind }) => kind !== "dev"));
      open.push(...needed.map(({ pkg }) => pkg));
    }
  }
  return seen;
}

const promised = main.rust_version;
let highest = { rust_version: "1.0" };
const used = workspaces.flatMap((workspace) => {
  const users = shipped(workspace);
  const others = workspace.packages.filter(({ id }) => !workspace.members.has(id));
  return others.map((one) => ({ one, isShipped: users.has(one.id) }));
});
for (const { one, isShipped } of used) {
  if (one.rust_version === null || one.name === main.name) {
    continue;
  }
  if (order(one.rust_version) > order(promised)) {
    wrong.push(`${one.name} ${one.version} needs Rust ${one.rust_version}, and rust-version is ${promised}`);
  }
  if (isShipped && order(one.rust_version) > order(highest.rust_version)) {
    highest = one;
  }
}
if (!read("README.md").includes(`Rust ${promised} or later`)) {
  wrong.push(`README.md does not say "Rust ${promised} or later"`);
}

// --- repository ---

const npmRepository = typeof page.repository === "object" ? page.repository.url : page.repository;
const addresses = new Map(released.map(({ name, repository }) => [`the crate ${name}`, repository]));
addresses.set("page/package.json", npmRepository?.replace(/^git\+|\.git$/g, ""));
for (const [what, repository] of addresses) {
  if ((repository ?? undefined) !== (main.repository ?? undefined)) {
    wrong.push(`${what} has the repository ${repository}, and the crate spanwire has ${main.repository}`);
  }
}

console.log(
  `versions: ${main.version} in ${versions.size} places; Rust ${promised}, ` +
    `which ${highest.rust_version === promised ? `${highest.name} ${highest.version} needs` : `no dependency needs: the highest is ${highest.rust_version} of ${highest.name}`}`,
);
wrong.forEach((what) => console.error(`versions: ${what}`));
process.exitCode = wrong.length > 0 ? 1 : 0;
