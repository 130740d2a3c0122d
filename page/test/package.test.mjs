// The npm package: what is in it, and what it does with and without a webview around.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { FakePage, outcome } from "./fake_page.mjs";
import * as spanwire from "spanwire";

const here = fileURLToPath(new URL("..", import.meta.url));
const read = (name) => readFileSync(new URL(`../${name}`, import.meta.url), "utf8");

afterEach(() => delete globalThis.window);

test("the package is what an app needs and nothing else", () => {
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const told = execFileSync(npm, ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: here, stdio: ["ignore", "pipe", "ignore"] });
  const answer = JSON.parse(told);
  // An array, or an object by name, as npm's version has it.
  const [{ name, files }] = Object.values(answer);
  assert.equal(name, "spanwire");
  const modules = ["api", "error", "index", "observe/api", "opentelemetry", "performance"].flatMap((module) => [`dist/${module}.d.ts`, `dist/${module}.js`]);
  assert.deepEqual(
    files.map(({ path }) => path).sort(),
    ["LICENSE-APACHE", "LICENSE-MIT", "README.md", ...modules, "dist/observe.js", "package.json"].sort(),
  );
});

test("it depends on nothing, and its lock file on no registry", () => {
  const { dependencies, peerDependencies, peerDependenciesMeta, devDependencies } = JSON.parse(read("package.json"));
  assert.equal(dependencies, undefined);
  // For `spanwire/opentelemetry` alone: an app that does not import it needs none of them.
  for (const [name, version] of Object.entries(peerDependencies)) {
    assert.equal(version, devDependencies[name], "what is tested");
    assert.deepEqual(peerDependenciesMeta[name], { optional: true });
  }
  for (const module of ["api", "error", "index", "performance"]) assert.ok(!read(`dist/${module}.js`).includes("@opentelemetry"));
  for (const version of Object.values(devDependencies)) assert.match(version, /^\d+\.\d+\.\d+$/);
  const lock = read("package-lock.json");
  assert.ok(!/"resolved"|https?:/.test(lock));
});

test("the licenses are the crate's", () => {
  for (const name of ["LICENSE-APACHE", "LICENSE-MIT"]) assert.equal(read(name), read(`../${name}`));
});

test("its types are those that the source has", () => {
  const tsc = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url));
  // As an app that has the package installed sees them.
  const options = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--module", "nodenext", "--lib", "es2020,dom"];
  execFileSync(process.execPath, [tsc, ...options, "test/types.ts"], { cwd: here, stdio: "inherit" });
});

test("outside of a webview it says what is missing, and the app's code runs", async () => {
  for (const window of [undefined, {}]) {
    if (window) globalThis.window = window;
    assert.equal(spanwire.isAvailable(), false);
    for (const promise of [spanwire.invoke("call"), spanwire.whenReady()]) {
      const { error } = await outcome(promise);
      assert.ok(error instanceof spanwire.SpanwireError && error instanceof Error);
      assert.equal(error.code, "BACKEND_GONE");
      assert.match(error.message, /does not run in a Spanwire webview/);
    }
    assert.equal(spanwire.emit("event"), false);
    assert.equal(spanwire.record("value", 1), false);
    assert.throws(() => spanwire.on("event", () => {}), { code: "BACKEND_GONE" });
    spanwire.off("event", () => {});
    const inner = spanwire.trace("outer", (span) => span.trace("inner", (own) => outcome(own.invoke("call"))));
    assert.equal((await inner).error.code, "BACKEND_GONE");
  }
});

test("inside of one it hands everything on", async () => {
  const page = new FakePage();
  globalThis.window = page.window;
  assert.equal(spanwire.isAvailable(), true);
  assert.equal(page.spanwire.isAvailable(), true);
  await spanwire.whenReady();
  const seen = [];
  const listener = (data) => seen.push(data);
  const off = spanwire.on("event", listener);
  const call = outcome(spanwire.invoke("call", { a: 1 }, { timeoutMs: 50 }));
  spanwire.emit("emitted", 2);
  spanwire.record("value", 3, { unit: "By" });
  assert.equal(spanwire.trace("span", (span) => span.emit("inside")), true);
  const sent = await page.sent();
  assert.deepEqual(
    sent.map(({ kind, event, name, data, value, span }) => [kind, event ?? name, data ?? value, span]),
    [
      ["ready", undefined, undefined, undefined],
      ["open", "span", undefined, 1],
      ["state", undefined, undefined, undefined],
      ["record", "value", 3, undefined],
      ["call", "call", { a: 1 }, undefined],
      ["event", "emitted", 2, undefined],
      ["event", "inside", undefined, 1],
      ["close", undefined, undefined, 1],
    ],
  );
  page.receive({ kind: "event", id: 1, event: "event", data: 1 });
  off();
  page.receive({ kind: "event", id: 2, event: "event", data: 2 });
  spanwire.off("event", listener);
  assert.deepEqual(seen, [1]);
  page.expire();
  const { error } = await call;
  assert.equal(error.code, "TIMEOUT");
  assert.ok(error instanceof spanwire.SpanwireError, "an error of the page's script");
  page.receive({ kind: "bye", code: "FORBIDDEN" });
  assert.equal(spanwire.isAvailable(), false);
  assert.ok(!(new Error("other") instanceof spanwire.SpanwireError));
});
