// Prometheus' own tool, which knows its language better than we do.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs promtool on a file with that content, and gives what it says when it is not content. */
export function promtool(words: readonly string[], content: unknown): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "spanwire-promtool-"));
  try {
    const file = join(folder, "file.yml");
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(content));
    execFileSync("promtool", [...words, file], { encoding: "utf8", stdio: "pipe" });
    return undefined;
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: string; stdout?: string; stderr?: string };
    if (code === "ENOENT") {
      throw new Error("promtool is missing: scripts/install-packages dashboards");
    }
    return `${stdout ?? ""}${stderr ?? ""}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
