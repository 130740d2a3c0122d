// Spans of the page's own code, by numbers that the host makes real ones from.

import type { InvokeOptions, Span } from "./api.js";
import { invoke } from "./calls.js";
import { now, stamp } from "./clock.js";
import { SPANS } from "./config.js";
import * as life from "./lifecycle.js";
import { jsonName } from "./names.js";
import { emit, onTurn, send, sendBehind } from "./outbox.js";
import { apply, freeze, then, TypeError } from "./primordials.js";

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

const ofNow = (span: number): number => (span > past ? span : 0);

const open = (/** As JSON. */ name: string, parent: number): number => {
  // Beyond the bound the page's code runs all the same, only nobody sees it.
  if (live >= SPANS || life.isSilent()) return 0;
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

/** Runs `fn` within a span that is a child of `outer`. */
export const traceIn = <R>(outer: number, name: string, fn: (span: Span) => R): R => {
  const json = jsonName(name, "a span's name");
  if (typeof fn !== "function") throw new TypeError("what is traced is a function");
  const parent = ofNow(outer);
  const span = open(json, parent);
  // Without a span of its own, what is within belongs to the one around.
  const inner = span || parent;
  const before = current;
  current = inner;
  let result: R;
  try {
    result = fn(bound(inner));
  } catch (error) {
    close(span, true);
    throw error;
  } finally {
    current = before;
  }
  if (!span) return result;
  if (isObject(result)) {
    let isOpen = true;
    const end = (failed: boolean): void => {
      if (isOpen) close(span, failed);
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
    // What is returned is what follows from it: a rejection that nobody handles is still seen.
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
  close(span, false);
  return result;
};

const isObject = (value: unknown): value is object =>
  (typeof value === "object" && value !== null) || typeof value === "function";

// The functions of the page's end, within a span for good.
const bound = (span: number): Span =>
  freeze({
    invoke: ((event: string, data?: unknown, options?: InvokeOptions) =>
      invoke(event, data, options, ofNow(span))) as Span["invoke"],
    emit: ((event: string, data?: unknown) => emit(event, data, ofNow(span))) as Span["emit"],
    trace: <R>(name: string, fn: (span: Span) => R) => traceIn(span, name, fn),
  });
