import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("main.mjs", import.meta.url));

const makes = (program) => spawnSync(process.execPath, [MAIN, "--tauri", program, "--out", "/no/such/folder"], { encoding: "utf8", timeout: 60_000 });

test("an app that crashes, and one that is not there, are one line of an error and no picture", { skip: noDisplay() }, () => {
  const folder = mkdtempSync(join(tmpdir(), "spanwire-crash-"));
  const crashes = join(folder, "crashes");
  writeFileSync(crashes, "#!/bin/sh\nkill -SEGV $$\n", { mode: 0o755 });
  const crashed = makes(crashes);
  rmSync(folder, { recursive: true });
  assert.equal(crashed.status, 1);
  assert.match(crashed.stderr, /^screenshots: .*crashes ended by SIGSEGV before its picture was taken\n$/);
  const missing = makes("/no/such/program");
  assert.equal(missing.status, 1);
  assert.match(missing.stderr, /^screenshots: \/no\/such\/program could not be started: ENOENT\n$/);
});

/** The reason not to start a virtual display. */
function noDisplay() {
  return spawnSync("Xvfb", ["-help"]).error === undefined ? false : "Xvfb is missing";
}
