import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const PROGRAMS = {
  // A build of a build of what goes ahead: it says that it runs, and lasts.
  "scripts/stack": "#!/bin/sh\nsleep 600 &\necho $$ $! >pids.new && mv pids.new pids\nwait\n",
  "scripts/install-packages": "#!/bin/sh\n",
  // The tests fail as soon as something is built ahead.
  "bin/make": '#!/bin/sh\n[ "$1" = test ] || exit 0\nwhile [ ! -e pids ]; do sleep 0.01; done\nexit 1\n',
};

/** Whether the process is there; one that ended and has no parent to tell is not. */
function isRunning(pid) {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

test("a step that fails leaves no build behind", { skip: !existsSync("/proc/self/status"), timeout: 60_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "spanwire-ci-"));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const place of [".ci", "scripts", "bin", "target"]) mkdirSync(join(folder, place));
  copyFileSync(fileURLToPath(new URL("run", import.meta.url)), join(folder, ".ci/run"));
  for (const [name, text] of Object.entries(PROGRAMS)) {
    writeFileSync(join(folder, name), text);
    chmodSync(join(folder, name), 0o755);
  }
  const env = { ...process.env, PATH: `${join(folder, "bin")}:${process.env.PATH}` };
  const run = spawn(join(folder, ".ci/run"), { env, stdio: "ignore" });
  const [code] = await once(run, "exit");
  assert.equal(code, 1);
  const pids = readFileSync(join(folder, "pids"), "utf8").trim().split(" ");
  t.after(() => pids.filter(isRunning).forEach((pid) => process.kill(Number(pid), "SIGKILL")));
  // A signal needs a moment to end a process.
  for (const patience = Date.now() + 5_000; pids.some(isRunning) && Date.now() < patience; ) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.deepEqual(pids.filter(isRunning), [], "processes of the builds that run on");
});
