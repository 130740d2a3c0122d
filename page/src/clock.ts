// The page's clock, as the wire has it.

import { clock, round } from "./primordials.js";

let lastMs = -1;
let lastText = "";

/** Milliseconds since the document began. */
export const now = (): number => clock();

/** A time as the wire has it: at most three decimals, and written once for a step of the clock. */
export const stamp = (ms: number): string => {
  if (ms !== lastMs) {
    lastMs = ms;
    lastText = `${round(ms * 1e3) / 1e3}`;
  }
  return lastText;
};
