// Calls of the page that another layer carries: when they began, left the page and ended.

import { now, stamp } from "../clock.js";
import { follow } from "../follow.js";
import * as life from "../lifecycle.js";
import { append, freeze, list } from "../primordials.js";
import { currentSpan } from "../spans.js";
import type { CallOutcome, ObservedCall } from "./api.js";
import { PIECE } from "./config.js";
import { awaitReport, flush, isSending, onReport, send } from "./outbox.js";

/**
 * Turns of the engine between a promise's settling and the code that awaits it, as far as it is a few
 * functions of a framework away.
 */
const HOPS = 5;

/** A call that is none of the page's: of the transport's own, or of a page that is not observed. */
const NONE: ObservedCall = freeze({ posted: () => "", settled: () => {} });

let lastId = 0;
/** The script has reported the spans up to this one to the host. */
let toldSpan = 0;
// What it costs to say a call is paid once a report: a turn notes three numbers.
/** Id and time of each call that settled, and the time when the code had run that awaited it. */
let settled = list<number>();
/** The ids of those that failed, in the same order. */
let failed = list<number>();
/** What comes before this in `settled` has the third. */
let ended = 0;
/** Turns of the engine until the code has run that awaited the last one. */
let hops = 0;
let isAwaited = false;

life.onRestart(() => {
  settled = list();
  failed = list();
  ended = 0;
});

const end = (): void => {
  const done = now();
  for (; ended < settled.length; ended += 3) settled[ended + 2] = done;
};

// An `await` is the engine's own, and a fraction of `queueMicrotask`.
const awaitEnd = async (): Promise<void> => {
  try {
    for (; hops; hops--) await 0;
    end();
    awaitReport();
  } catch {
    // The page has run out of stack.
  } finally {
    isAwaited = false;
  }
};

const tell = (): void => {
  if (!settled.length) return;
  end();
  const all = settled;
  const errors = failed;
  settled = list();
  failed = list();
  ended = 0;
  let ran = "";
  for (let at = 0; at < all.length; at += 3) {
    ran += `${ran && ","}[${all[at]},${stamp(all[at + 1] as number)},${stamp(all[at + 2] as number)}]`;
  }
  let ids = "";
  for (let at = 0; at < errors.length; at++) ids += `${ids && ","}${errors[at]}`;
  send(`{"kind":"settled","ran":[${ran}]${ids && `,"failed":[${ids}]`}}`);
};

onReport(tell);

const settle = (id: number, outcome: CallOutcome): void => {
  const at = now();
  if (outcome === "cancelled" || outcome === "timeout") {
    const code = outcome === "timeout" ? "TIMEOUT" : "CANCELLED";
    send(`{"kind":"cancel","id":${id},"at":${stamp(at)},"code":"${code}"}`);
    return;
  }
  if (settled.length >= 3 * PIECE) tell();
  append(settled, id);
  append(settled, at);
  append(settled, at);
  if (outcome !== "ok") append(failed, id);
  hops = HOPS;
  if (isAwaited) return;
  isAwaited = true;
  void awaitEnd();
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
