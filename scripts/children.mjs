// Child processes. However one ends, and also when it cannot be started, its error says so.

import { spawn, spawnSync } from "node:child_process";

/** How a process ended, in words. */
const how = (code, signal) => (signal === null ? `with ${code}` : `by ${signal}`);

const notStarted = (program, error) => new Error(`${program} could not be started: ${error.code ?? error.message}`);

/**
 * Starts a program, and gives its process. `ended` of it resolves to how it ended, such as `with 0` or
 * `by SIGSEGV`, and rejects when it could not be started.
 */
export function start(program, args, options) {
  const child = spawn(program, args, options);
  const ended = new Promise((resolve, reject) => {
    child.once("error", (error) => reject(notStarted(program, error)));
    // "exit" is emitted once, maybe before anything waits for it.
    child.once("exit", (code, signal) => resolve(how(code, signal)));
  });
  // The error is for the code that waits; without this line Node ends where nothing waits yet.
  ended.catch(() => undefined);
  return Object.assign(child, { ended });
}

/** Ends a process by a signal, and says how it ended. */
export async function end(child, signal) {
  // One that never started has no end to wait for, and has told its error.
  if (child.pid === undefined) return undefined;
  child.kill(signal);
  return child.ended;
}

/**
 * Runs a program to its end, and gives what it wrote to stdout. Unless it ended `with 0`, it throws what the
 * program wrote to stderr.
 */
export function run(program, args, options = {}) {
  const { error, status, signal, stdout, stderr } = spawnSync(program, args, {
    ...options,
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error !== undefined) throw notStarted(program, error);
  if (status !== 0) throw new Error(`${program} ended ${how(status, signal)}: ${stderr.trim()}`);
  return stdout;
}
