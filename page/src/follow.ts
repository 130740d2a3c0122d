// How something that may be a promise ends, told to whoever measures it.

import { apply, then } from "./primordials.js";

const isObject = (value: unknown): value is object =>
  (typeof value === "object" && value !== null) || typeof value === "function";

/**
 * Calls `ended` once, when `result` settles, or now where it is no promise. Returns what stands in for
 * `result`: what follows from it, so that a rejection that nobody handles is still seen.
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
      // Whoever awaits it is told the same.
      end(true);
      return result;
    }
  }
  ended(false);
  return result;
};
