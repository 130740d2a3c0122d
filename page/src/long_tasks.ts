// Stretches of 50 ms or more in which the page's thread did one thing, whatever it was: its own code, a
// timer, layout. The engine tells of them, or a timer that comes late does.

import { now, stamp } from "./clock.js";
import { keepListening } from "./dom_listeners.js";
import { onTurn, send } from "./outbox.js";
import { page, setTicker, clearTicker, watch } from "./primordials.js";

/** Milliseconds, as the Long Tasks API has it. */
const LONG = 50;
/** So often the timer looks. */
const EVERY = 100;
/** What is longer is a machine that slept, or a debugger; the host sees a page that hangs for so long. */
const LONGEST = 10_000;

const say = (took: number): void => {
  if (took <= LONGEST) send(`{"kind":"long_task","value":${stamp(took)}}`);
};

/** An idle page has no timer: so long after the last message it ends. */
const IN_USE = 5_000;

/** Tells of them from here on. */
export const watchLongTasks = (): void => {
  if (watch("longtask", ({ duration }) => say(duration))) return;
  let ticker = 0;
  let due = 0;
  let used = 0;
  // What this says is no use of the wire, or a busy machine would keep it going.
  let isOwn = false;
  const rest = (): void => {
    clearTicker(ticker);
    ticker = 0;
  };
  const look = (): void => {
    const at = now();
    const late = at - due;
    due = at + EVERY;
    // It began since the timer came last: as often late as early, so in the middle on average.
    if (late >= LONG) {
      isOwn = true;
      say(late + EVERY / 2);
    }
    if (at - used > IN_USE) rest();
  };
  // A hidden page's timers are held back, and none is needed.
  const follow = (): void => {
    if (page.document.visibilityState === "hidden") return rest();
    used = now();
    if (ticker) return;
    due = used + EVERY;
    ticker = setTicker(look, EVERY);
  };
  onTurn(() => {
    if (!isOwn) follow();
    isOwn = false;
  });
  keepListening("visibilitychange", follow, true);
};
