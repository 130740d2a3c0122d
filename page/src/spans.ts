// Spans of the page's own code, by numbers that the host makes real ones from.

import { now, stamp } from "./clock.js";
import { SPANS } from "./config.js";
import { follow } from "./follow.js";
import * as life from "./lifecycle.js";
import { jsonName } from "./names.js";
import { onTurn, send, sendBehind } from "./outbox.js";
import { TypeError } from "./primordials.js";
import { refuse } from "./refusals.js";

// The span whose code runs now; 0 for none. An `await` ends it: what comes behind has the span's
// own functions.
let current = 0;
let lastSpan = 0;
/** The spans up to this one are of generations before. */
let past = 0;
/** Open spans, and those that closed in this turn. */
let live = 0;
let closed = 0;

life.onRestart(() => {
  past = lastSpan;
  live = closed = 0;
});
onTurn(() => {
  live -= closed;
  closed = 0;
});

/** The span that code of the page runs in now, if this generation has it. */
export const currentSpan = (): number => ofNow(current);

/** That span, if it is of this generation; 0 if not. */
export const ofNow = (span: number): number => (span > past ? span : 0);

const open = (/** As JSON. */ name: string, parent: number): number => {
  // Beyond the bound the page's code runs all the same, only nobody sees it.
  if (life.isSilent()) return 0;
  if (live >= SPANS) {
    refuse("span", "too_many_spans");
    return 0;
  }
  live++;
  const span = ++lastSpan;
  const within = parent ? `,"parent":${parent}` : "";
  const text = `{"kind":"open","span":${span}${within},"name":${name},"at":${stamp(now())}}`;
  // A letter beyond ASCII is at most three bytes.
  send(text, text.length + 2 * name.length);
  return span;
};

const close = (span: number, failed: boolean): void => {
  if (!ofNow(span)) return;
  closed++;
  // Behind what was sent within it, so that the host knows the span when it reads that.
  sendBehind(`{"kind":"close","span":${span},"at":${stamp(now())}${failed ? ',"outcome":"failed"' : ""}}`);
};

/** Runs `run` as code of that span of the page. */
export const runIn = <R>(span: number, run: () => R): R => {
  const before = current;
  current = span;
  try {
    return run();
  } finally {
    current = before;
  }
};

/** Runs `fn` within a span that is a child of `outer`; `bound` makes what it is given of the span. */
export const traceIn = <S, R>(
  outer: number,
  name: string,
  fn: (span: S) => R,
  bound: (span: number) => S,
): R => {
  let json: string;
  try {
    json = jsonName(name, "a span's name");
  } catch (error) {
    refuse("span", "invalid_name");
    throw error;
  }
  if (typeof fn !== "function") throw new TypeError("what is traced is a function");
  const parent = ofNow(outer);
  const span = open(json, parent);
  // Without a span of its own, what is within belongs to the one around.
  const inner = span || parent;
  let result: R;
  try {
    result = runIn(inner, () => fn(bound(inner)));
  } catch (error) {
    close(span, true);
    throw error;
  }
  return span ? follow(result, (failed) => close(span, failed)) : result;
};
