// Reports to a callback how a value that may be a promise ends.

import { apply, then } from "./primordials.js";

const isObject = (value: unknown): value is object =>
  (typeof value === "object" && value !== null) || typeof value === "function";

/**
 * Calls `ended` once, when `result` settles, or now where it is no promise. Returns what stands in for
 * `result`: what follows from it, so that the engine still reports a rejection that no code handles.
 */
export const follow = <R>(result: R, ended: (failed: boolean) => void): R => {
  if (isObject(result)) {
    let isOpen = true;
    const end = (failed: boolean): void => {
      if (isOpen) ended(failed);
      isOpen = false;
    };
    const done = (value: unknown): unknown => {
      end(false);
      return value;
    };
    const failed = (error: unknown): never => {
      end(true);
      throw error;
    };
    try {
      return then(result, done, failed) as R;
    } catch {
      // No promise of the engine's; but perhaps of a library's that stands in for them.
    }
    try {
      const method = (result as { then?: unknown }).then;
      if (typeof method === "function") {
        const next = apply(method, result, [done, failed]) as unknown;
        return (isObject(next) ? next : result) as R;
      }
    } catch {
      // Code that awaits it gets the same error.
      end(true);
      return result;
    }
  }
  ended(false);
  return result;
};
