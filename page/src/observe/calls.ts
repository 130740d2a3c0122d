// Calls of the page that another layer carries: when they began, left the page and ended.

import { now, stamp } from "../clock.js";
import { follow } from "../follow.js";
import * as life from "../lifecycle.js";
import { append, freeze, list, type List, microtask } from "../primordials.js";
import { currentSpan } from "../spans.js";
import type { CallOutcome, ObservedCall } from "./api.js";
import { PIECE } from "./config.js";
import { flush, isSending, onTurn, schedule, send } from "./outbox.js";

/**
 * Turns of the engine between a promise's settling and the code that awaits it, as far as it is a few
 * functions of a framework away.
 */
const HOPS = 4;

/** A call that is none of the page's: of the transport's own, or of a page that is not observed. */
const NONE: ObservedCall = freeze({ posted: () => "", settled: () => {} });

let lastId = 0;
/** The script has reported the spans up to this one to the host. */
let toldSpan = 0;
// Id and time of each that settled in this turn, and the ids of those that failed.
let settled = list<number>();
let failed = list<number>();

life.onRestart(() => {
  settled = list();
  failed = list();
});

// The turn ends when the page's code has run that waited for the call.
const scheduleBehind = (hops: number): void =>
  hops ? microtask(() => scheduleBehind(hops - 1)) : schedule();

const textOf = (all: List<number>, from: number, to: number, done: number): string => {
  let text = "";
  for (let at = from; at < to; at += 2) {
    text += `${text && ","}[${all[at]},${stamp(all[at + 1] as number)},${stamp(done)}]`;
  }
  return text;
};

onTurn(() => {
  if (!settled.length) return;
  const all = settled;
  const errors = failed;
  settled = list();
  failed = list();
  const done = now();
  let error = 0;
  for (let from = 0; from < all.length; from += 2 * PIECE) {
    const to = from + 2 * PIECE < all.length ? from + 2 * PIECE : all.length;
    let text = `{"kind":"settled","ran":[${textOf(all, from, to, done)}]`;
    const last = all[to - 2] as number;
    // In the order in which they settled, as the others.
    let ids = "";
    for (; error < errors.length; error++) {
      ids += `${ids && ","}${errors[error]}`;
      if (errors[error] === last) break;
    }
    if (ids) text += `,"failed":[${ids}]`;
    send(`${text}}`);
  }
});

const settle = (id: number, outcome: CallOutcome): void => {
  const at = now();
  if (outcome === "cancelled" || outcome === "timeout") {
    const code = outcome === "timeout" ? "TIMEOUT" : "CANCELLED";
    send(`{"kind":"cancel","id":${id},"at":${stamp(at)},"code":"${code}"}`);
    return;
  }
  append(settled, id);
  append(settled, at);
  if (outcome !== "ok") append(failed, id);
  scheduleBehind(HOPS);
};

export const beginCall = (): ObservedCall => {
  if (life.isSilent() || isSending) return NONE;
  const generation = life.id;
  const id = ++lastId;
  const span = currentSpan();
  const began = now();
  let isOpen = true;
  return freeze({
    posted: () => {
      if (span > toldSpan) {
        // Ahead of the call, or the host would know no such span.
        toldSpan = span;
        flush();
      }
      return `${id};${stamp(began)};${stamp(now())}${span ? `;${span}` : ""}`;
    },
    settled: (outcome: CallOutcome = "ok") => {
      if (!isOpen || generation !== life.id || life.isSilent()) return;
      isOpen = false;
      try {
        settle(id, outcome);
      } catch {
        // The page has run out of stack.
      }
    },
  });
};

export const call = <R>(run: (call: ObservedCall) => R): R => {
  const one = beginCall();
  let result: R;
  try {
    result = run(one);
  } catch (error) {
    one.settled("failed");
    throw error;
  }
  return one === NONE ? result : follow(result, (failed) => one.settled(failed ? "failed" : "ok"));
};
