// What happens on the page and leaves no message behind: counted, and told at the end of the turn. The
// page's code may say the same thing a thousand times, so the host gets one message for it.

import * as life from "./lifecycle.js";
import { onTurn, schedule, send } from "./outbox.js";
import { OwnMap } from "./primordials.js";

/** Distinct things that wait for the end of a turn: beyond, they are told at once. */
const TALLIES = 50;
/** What the host takes as a count. */
const COUNT_MAX = 4_294_967_295;

/** By what a message says besides the count. */
const tallies = new OwnMap<string, number>();

const tell = (): void => {
  tallies.forEach((count, what) => {
    const text = `{${what},"count":${count}}`;
    // A letter beyond ASCII is at most three bytes.
    send(text, text.length + 2 * what.length);
  });
  tallies.clear();
};

onTurn(tell);
life.onRestart(() => tallies.clear());

/** Counts one more of `what`: the fields of its message. */
export const tally = (what: string): void => {
  if (life.isSilent()) return;
  const before = tallies.get(what) ?? 0;
  if (!before && tallies.size >= TALLIES) tell();
  if (before < COUNT_MAX) tallies.set(what, before + 1);
  schedule();
};
