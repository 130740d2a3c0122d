import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("count-packages", import.meta.url));

/** What the script says of a table. */
function says(table) {
  const folder = mkdtempSync(join(tmpdir(), "spanwire-features-"));
  const file = join(folder, "features.md");
  writeFileSync(file, table);
  const { status, stderr } = spawnSync(SCRIPT, [file], { encoding: "utf8" });
  rmSync(folder, { recursive: true });
  return { status, stderr: stderr.replaceAll(file, "TABLE") };
}

test("a table without a row of a feature fails, and one without any row does", () => {
  const { status, stderr } = says("| feature | packages |\n|---|---:|\n");
  assert.equal(status, 1);
  assert.match(stderr, /^TABLE has no row for `none`$/m);
  assert.match(stderr, /^TABLE has no row for `history`$/m);
  const some = says("| none | | 48 |\n| `prometheus` | | 70 |\n");
  assert.equal(some.status, 1);
  assert.match(some.stderr, /^TABLE has no row for `history`$/m);
  assert.doesNotMatch(some.stderr, /`prometheus`/);
});
