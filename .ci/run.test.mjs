import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** It says that it runs, as does what it has started, and lasts. */
const LASTS = "sleep 600 & echo $$ $! >pids.new && mv pids.new pids; wait";
/** It fails once something runs that lasts. */
const FAILS = "while [ ! -e pids ]; do sleep 0.01; done; echo it is broken; exit 1";

/** Whether the process is there; one that ended and has no parent to tell is not. */
function isRunning(pid) {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Runs `.ci/run`, where `make` does this; returns what it says, after it ended as a failure. */
async function failing(t, make) {
  const folder = mkdtempSync(join(tmpdir(), "spanwire-ci-"));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const place of [".ci", "scripts", "bin", "target"]) mkdirSync(join(folder, place));
  copyFileSync(fileURLToPath(new URL("run", import.meta.url)), join(folder, ".ci/run"));
  const programs = { "scripts/stack": "", "scripts/fuzz": "", "scripts/install-packages": "", "bin/make": make };
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  const env = { ...process.env, PATH: `${join(folder, "bin")}:${process.env.PATH}` };
  const run = spawn(join(folder, ".ci/run"), { env, stdio: ["ignore", "pipe", "ignore"] });
  let said = "";
  run.stdout.on("data", (data) => (said += data));
  const [code] = await once(run, "exit");
  assert.equal(code, 1);
  const pids = readFileSync(join(folder, "pids"), "utf8").trim().split(" ");
  t.after(() => pids.filter(isRunning).forEach((pid) => process.kill(Number(pid), "SIGKILL")));
  // A signal needs a moment to end a process.
  for (const patience = Date.now() + 5_000; pids.some(isRunning) && Date.now() < patience; ) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.deepEqual(pids.filter(isRunning), [], "processes of the other lane that run on");
  return said;
}

const options = { skip: !existsSync("/proc/self/status"), timeout: 60_000 };

test("tests that fail leave no build behind", options, async (t) => {
  await failing(t, `case $1 in test-built) ${LASTS} ;; test-library) ${FAILS} ;; esac`);
});

test("a test of the servers that fails ends the lane beside it, and what it said is seen", options, async (t) => {
  const said = await failing(t, `case $1 in test-built) ${LASTS} ;; test-stack) ${FAILS} ;; esac`);
  assert.match(said, /^it is broken$/m);
});

test("a build that fails ends the tests, and what it said is seen", options, async (t) => {
  const said = await failing(t, `case $1 in test-built) ${FAILS} ;; test-bindings) ${LASTS} ;; esac`);
  assert.match(said, /^it is broken$/m);
});
