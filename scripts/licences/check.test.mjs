// A licence that is not allowed is found in what Cargo, npm and Go bring in, and what is allowed is not.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "node:test";
import { isAllowed } from "./expression.mjs";
import { licencesOf } from "./texts.mjs";

const CHECK = fileURLToPath(new URL("check.mjs", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DENY = readFileSync(join(ROOT, "deny.toml"), "utf8").replace(/^exceptions = \[[^]*?^\]/m, "exceptions = []");

const AGPL = "GNU AFFERO GENERAL PUBLIC LICENSE\nVersion 3, 19 November 2007\n";
const MIT = readFileSync(join(ROOT, "LICENSE-MIT"), "utf8");

/** Checks a tree of these files, and gives the exit code and all that was said. */
function check(kind, files) {
  const folder = mkdtempSync(join(tmpdir(), "spanwire-licences-"));
  const root = join(folder, "tree");
  try {
    const all = { "deny.toml": DENY, "scripts/licences/exceptions.json": "[]", ...files };
    for (const [path, text] of Object.entries(all)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text, { mode: 0o755 });
    }
    const { status, stdout, stderr } = spawnSync(process.execPath, [CHECK, "--root", root, kind], {
      encoding: "utf8",
      env: { ...process.env, CARGO_NET_OFFLINE: "true" },
    });
    return { code: status, said: stdout + stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const cargo = (licence) => ({
  "app/Cargo.toml": '[package]\nname = "app"\nedition = "2024"\n[dependencies]\nother = { path = "../other" }\n[workspace]\n',
  "app/src/lib.rs": "",
  "app/Cargo.lock":
    'version = 4\n[[package]]\nname = "app"\nversion = "0.0.0"\ndependencies = ["other"]\n[[package]]\nname = "other"\nversion = "0.0.0"\n',
  "other/Cargo.toml": `[package]\nname = "other"\nedition = "2024"\n${licence ? `license = "${licence}"\n` : ""}`,
  "other/src/lib.rs": "",
});

const npm = (lock, said) => ({
  "page/package-lock.json": JSON.stringify({
    packages: { "": {}, "node_modules/other": { version: "1.0.0", license: lock } },
  }),
  ...(said ? { "page/node_modules/other/package.json": JSON.stringify({ license: said }) } : {}),
});

/** A module outside the tree; what a package of it has of its own counts too. */
const go = (text, within) => ({
  "scripts/stack": `#!/usr/bin/env bash
cd "$(dirname "$0")/../../other" && printf 'other/in\\tother\\tv1.0.0\\t%s\\t%s\\n' "$PWD" "$PWD/in"
`,
  "../other/LICENSE": text,
  "../other/in/in.go": "package in\n",
  ...(within ? { "../other/in/COPYING": within } : {}),
});

for (const [kind, good, bad] of [
  [
    "crates",
    [cargo("MIT OR Apache-2.0"), cargo("Apache-2.0/AGPL-3.0")],
    [cargo("AGPL-3.0-only"), cargo("MIT AND AGPL-3.0-or-later"), cargo(undefined)],
  ],
  [
    "npm",
    [npm("MIT"), npm("MIT", "Apache-2.0")],
    [npm("AGPL-3.0-only"), npm("MIT", "AGPL-3.0-only"), npm(undefined, undefined)],
  ],
]) {
  test(`${kind} under the AGPL, or under nothing, are refused`, () => {
    for (const files of good) {
      const { code, said } = check(kind, files);
      assert.equal(code, 0, said);
    }
    for (const files of bad) {
      const { code, said } = check(kind, files);
      assert.equal(code, 1, said);
      assert.match(said, /other \d\.0\.0 (is under .*AGPL|names no licence)/);
    }
  });
}

test("Go modules under the AGPL, or under nothing, are refused", () => {
  for (const [files, expected] of [
    [go(MIT), 0],
    [go(MIT, MIT), 0],
    [go(AGPL), 1],
    [go(MIT, AGPL), 1],
    [go("All rights reserved.\n"), 1],
  ]) {
    const { code, said } = check("go", files);
    assert.equal(code, expected, said);
  }
});

test("an exception lets one package in, needs a reason, and goes with its package", () => {
  const exception = (reason, name = "other") => ({
    "scripts/licences/exceptions.json": JSON.stringify([
      { kind: "npm", licence: "MPL-2.0", packages: [name], reason },
    ]),
  });
  const files = npm("MPL-2.0");
  assert.equal(check("npm", files).code, 1);
  assert.equal(check("npm", { ...files, ...exception("it is for tests alone") }).code, 0);
  assert.match(check("npm", { ...files, ...exception("") }).said, /no reason for other/);
  assert.match(check("npm", { ...npm("MIT"), ...exception("once") }).said, /other needs no exception/);
  // Neither another package nor another licence.
  assert.equal(check("npm", { ...files, ...exception("for another", "another") }).code, 1);
  assert.equal(check("npm", { ...npm("AGPL-3.0-only"), ...exception("for tests") }).code, 1);
});

test("a package that names no licence needs an exception for just that", () => {
  const exception = (licence) => ({
    "scripts/licences/exceptions.json": JSON.stringify([
      { kind: "npm", licence, packages: ["other"], reason: "its text is there" },
    ]),
  });
  const files = npm(undefined, undefined);
  assert.equal(check("npm", { ...files, ...exception("MIT") }).code, 1);
  assert.equal(check("npm", { ...files, ...exception("NONE") }).code, 0);
  assert.equal(check("npm", { ...npm("AGPL-3.0-only"), ...exception("NONE") }).code, 1);
});

test("cargo-deny has the same exceptions", () => {
  const files = {
    ...npm("MIT"),
    "deny.toml": DENY.replace("exceptions = []", 'exceptions = [\n{ crate = "x", allow = ["MPL-2.0"] },\n]'),
  };
  assert.match(check("npm", files).said, /have not the same exceptions/);
});

test("expressions are read as SPDX has them", () => {
  const allow = new Set(["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"]);
  for (const [expression, is] of [
    ["MIT", true],
    ["MIT OR GPL-3.0", true],
    ["GPL-3.0 OR MIT", true],
    ["MIT AND GPL-3.0", false],
    ["MIT OR GPL-3.0 AND Apache-2.0", true],
    ["(MIT OR GPL-3.0) AND Apache-2.0", true],
    ["(MIT OR GPL-3.0) AND GPL-2.0", false],
    ["Apache-2.0 WITH LLVM-exception", true],
    ["MIT WITH LLVM-exception", false],
    ["MIT/GPL-3.0", true],
    ["SEE LICENSE IN LICENSE", false],
    ["MIT and more", false],
    ["(MIT", false],
    ["", false],
  ]) {
    assert.equal(isAllowed(expression, allow), is, expression);
  }
});

test("texts are told apart", () => {
  const gpl = "GNU GENERAL PUBLIC LICENSE Version 3, 29 June 2007";
  const mpl = "Mozilla Public License Version 2.0 … the GNU Affero General Public License, Version 3.0";
  const bsd = "Redistribution and use in source and binary forms, with or without modification";
  const isc = "Permission to use, copy, modify, and/or distribute this software for any\n// purpose with or without fee is hereby granted";
  for (const [text, names] of [
    [MIT, ["MIT"]],
    [readFileSync(join(ROOT, "LICENSE-APACHE"), "utf8"), ["Apache-2.0"]],
    [AGPL, ["AGPL-3.0"]],
    [`${MIT}\nParts of it are under the GNU Affero General Public License.`, ["AGPL-3.0", "MIT"]],
    [gpl, ["GPL-3.0"]],
    [mpl, ["MPL-2.0"]],
    [bsd, ["BSD-2-Clause"]],
    [`${bsd} Neither the name of X nor the names of its contributors`, ["BSD-3-Clause"]],
    [isc, ["ISC"]],
    ["All rights reserved.", []],
  ]) {
    assert.deepEqual(licencesOf(text), names, text.slice(0, 60));
  }
});
