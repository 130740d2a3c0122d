// Counts what the page does that sends no message of its own, such as a refused call. The page's code
// may do the same thing a thousand times in a turn, so the host gets one message with the count.

import * as life from "./lifecycle.js";
import { COUNT_MAX, onTurn, schedule, send } from "./outbox.js";
import { OwnMap } from "./primordials.js";

/** So many distinct messages are counted up in a turn. The next one sends them before the turn ends. */
const TALLIES_MAX = 50;

/** By what a message says besides the count. */
const tallies = new OwnMap<string, number>();

const sendTallies = (): void => {
  tallies.forEach((count, what) => {
    // Before it is sent: what throws half-way is not counted twice.
    tallies.delete(what);
    const text = `{${what},"count":${count}}`;
    // A letter beyond ASCII is at most three bytes.
    send(text, text.length + 2 * what.length);
  });
};

onTurn(sendTallies);
life.onRestart(() => tallies.clear());

/** Counts one more of `what`: the fields of its message. */
export const tally = (what: string): void => {
  if (life.isSilent()) return;
  const before = tallies.get(what) ?? 0;
  if (!before && tallies.size >= TALLIES_MAX) sendTallies();
  if (before < COUNT_MAX) tallies.set(what, before + 1);
  schedule();
};
