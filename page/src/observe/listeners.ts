// The page's work on what the host sent: timed, and acknowledged where the host numbers it.

import { ackRun, beginRun } from "../acks.js";
import { now, stamp } from "../clock.js";
import { countThrown, throws } from "../error_counts.js";
import * as life from "../lifecycle.js";
import { isName, jsonName } from "../names.js";
import { apply, OwnMap } from "../primordials.js";
import { EVENTS, PIECE } from "./config.js";
import { isSending, onTurn, schedule, send } from "./outbox.js";

interface Runs {
  count: number;
  text: string;
}

/** By the event's name, as JSON. */
const runs = new OwnMap<string, Runs>();

const tell = (): void => {
  runs.forEach(({ text }, name) => {
    const message = `{"kind":"ran","event":${name},"took":[${text}]}`;
    // A letter beyond ASCII is at most three bytes.
    send(message, message.length + 2 * name.length);
  });
  runs.clear();
};

onTurn(tell);
life.onRestart(() => runs.clear());

const ran = (name: string, ms: number): void => {
  // A page's clock that was set back.
  const took = stamp(ms > 0 ? ms : 0);
  const one = runs.get(name);
  if (one && one.count < PIECE) {
    one.count++;
    one.text += `,${took}`;
  } else {
    if (one || runs.size >= EVENTS) tell();
    runs.set(name, { count: 1, text: took });
  }
  schedule();
};

// What the page's code did counts, whatever becomes of its measurement.
const measure = (run: () => void): void => {
  try {
    run();
  } catch {
    // The page has run out of stack.
  }
};

/** Runs the page's own code, a listener of `event` where that is known, and then `done`, whatever came of it. */
const timed = <R>(event: string, run: () => R, done: (begin: number, end: number) => void): R => {
  if (life.isSilent() || isSending) return run();
  const before = throws;
  const begin = now();
  try {
    return run();
  } catch (error) {
    measure(() => countThrown(error, before, event));
    throw error;
  } finally {
    measure(() => done(begin, now()));
  }
};

export const listener = <F>(name: string, fn: F): F => {
  if (typeof fn !== "function" || !isName(name)) return fn;
  const json = jsonName(name);
  return function (this: unknown, ...all: unknown[]): unknown {
    return timed(
      json,
      () => apply(fn, this, all) as unknown,
      (begin, end) => ran(json, end - begin),
    );
  } as F;
};

/** A number that a message can have. */
const isNumber = (number: unknown): boolean =>
  typeof number === "number" && number > 0 && number <= 9_007_199_254_740_991 && number % 1 === 0;

export const delivered = <R>(number: number, run: () => R): R =>
  isNumber(number)
    ? timed("", run, (begin, end) => {
        beginRun(begin);
        ackRun(number, begin, end);
        schedule();
      })
    : run();

export const acknowledge = (number: number): void => delivered(number, () => {});
