import assert from "node:assert/strict";
import { test } from "node:test";
import { end, run, start } from "./children.mjs";

test("a program that ends by a signal says by which", async () => {
  const child = start("sh", ["-c", "kill -SEGV $$"], { stdio: "ignore" });
  assert.equal(await child.ended, "by SIGSEGV");
  // It is over, and waiting for its end once more does not last.
  assert.equal(await end(child, "SIGINT"), "by SIGSEGV");
});

test("a program that exits says with what", async () => {
  assert.equal(await start("sh", ["-c", "exit 3"], { stdio: "ignore" }).ended, "with 3");
});

test("a program that is not there is an error which names it", async () => {
  const child = start("/no/such/program", [], { stdio: "ignore" });
  await assert.rejects(child.ended, /^Error: \/no\/such\/program could not be started: ENOENT$/);
  assert.equal(await end(child, "SIGINT"), undefined);
});

test("a program that runs is ended by the signal", async () => {
  const child = start("sleep", ["600"], { stdio: "ignore" });
  assert.equal(await end(child, "SIGTERM"), "by SIGTERM");
});

test("a program that is run to its end throws how it ended, with what it wrote", () => {
  run("true", []);
  assert.throws(() => run("sh", ["-c", "echo no room >&2; exit 2"]), /^Error: sh ended with 2: no room$/);
  assert.throws(() => run("sh", ["-c", "kill -KILL $$"]), /^Error: sh ended by SIGKILL: $/);
  assert.throws(() => run("/no/such/program", []), /could not be started: ENOENT$/);
});
