// Calls that wait for the host's reply.

import type { InvokeOptions, SpanwireErrorCode } from "./api.js";
import { now, stamp } from "./clock.js";
import { refusal, SpanwireError } from "./error.js";
import * as life from "./lifecycle.js";
import * as outbox from "./outbox.js";
import {
  addListener,
  bare,
  clearTimer,
  hasOwn,
  OwnMap,
  Promise,
  removeListener,
  setTimer,
  TypeError,
} from "./primordials.js";
import { countRefused } from "./refusals.js";

interface Call {
  readonly resolve: (data: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: number;
  readonly signal: AbortSignal | undefined;
  readonly abort: () => void;
}

/** What the host answers. */
export interface Reply {
  readonly call: number;
  readonly data?: unknown;
  readonly error?: { readonly name: string; readonly message: string; readonly code: SpanwireErrorCode };
}

/** The longest that a timer waits; what is longer than these 24 days waits for good. */
const TIMER_MAX = 2_147_483_647;
const NO_OPTIONS: InvokeOptions = bare({});

let calls = new OwnMap<number, Call>();

life.onRestart(() => {
  calls = new OwnMap();
});

// Takes a call off the books; false when it was settled before.
const settle = (id: number, call: Call | undefined): call is Call => {
  if (!call || !calls.delete(id)) return false;
  if (call.timer) clearTimer(call.timer);
  if (call.signal) removeListener(call.signal, "abort", call.abort);
  return true;
};

/** Asks the host, within the page's `span` unless that is 0. */
export const invoke = (
  event: string,
  data: unknown,
  options: InvokeOptions | undefined,
  span: number,
): globalThis.Promise<unknown> =>
  // An executor that throws rejects the promise.
  new Promise((resolve, reject) => {
    const { timeoutMs, signal, traceparent } = options ?? NO_OPTIONS;
    if (timeoutMs !== undefined && !(typeof timeoutMs === "number" && timeoutMs >= 0)) {
      throw new TypeError("timeoutMs is a number of milliseconds");
    }
    const withdraw = (code: SpanwireErrorCode, message: string) => {
      if (!settle(entry.id, call)) return;
      if (!outbox.withdraw(entry)) {
        outbox.send(`{"kind":"cancel","id":${entry.id},"at":${stamp(now())},"code":"${code}"}`);
      }
      reject(refusal(code, message));
    };
    const abort = () => withdraw("CANCELLED", `${event} was cancelled`);
    if (signal) {
      if (signal.aborted) throw refusal("CANCELLED", `${event} was cancelled`);
      // Before anything is sent, since it throws for what is no signal.
      addListener(signal, "abort", abort, bare({ once: true }));
    }
    let entry: outbox.Entry;
    let call: Call | undefined;
    try {
      const sent = outbox.enqueue("call", event, data, span, traceparent);
      if (!sent) throw unsendable();
      entry = sent;
    } catch (error) {
      countRefused("call", event, error);
      if (signal) removeListener(signal, "abort", abort);
      throw error;
    }
    const isTimed = timeoutMs !== undefined && timeoutMs <= TIMER_MAX;
    const expire = () => withdraw("TIMEOUT", `no reply to ${event} within ${timeoutMs} ms`);
    const timer = isTimed ? setTimer(expire, timeoutMs) : 0;
    call = { resolve, reject, timer, signal, abort };
    calls.set(entry.id, call);
    // A `toJSON` of the data may have aborted it.
    if (signal?.aborted) abort();
    // It may have been sent at once, and the transport have broken on it.
    if (life.ending) withdraw(life.ending.code, life.ending.message);
  });

/** Why nothing can be sent now. */
export const unsendable = (): SpanwireError => {
  if (life.ending) return refusal(life.ending.code, life.ending.message);
  return life.away
    ? refusal("BACKEND_GONE", "the page is going away")
    : refusal("OVER_CREDIT", "too many messages wait for the host");
};

/** The host's answer to a call; one that was withdrawn meanwhile is of no use any more. */
export const reply = (message: Reply): void => {
  const call = calls.get(message.call);
  if (!settle(message.call, call)) return;
  // `hasOwn`, since a page can put an `error` on the prototype of all objects.
  if (hasOwn(message, "error")) {
    const { name, message: text, code } = message.error as NonNullable<Reply["error"]>;
    call.reject(new SpanwireError(name, text, code));
  } else call.resolve(message.data);
};

/** Rejects every call that is open. */
export const abandon = (code: SpanwireErrorCode, message: string): void => {
  calls.forEach((call, id) => {
    if (settle(id, call)) call.reject(refusal(code, message));
  });
};

/** The wire ends for this page: what is open ends with it, and so does what comes. */
export const finish = (code: SpanwireErrorCode, message: string): void => {
  life.end({ code, message });
  abandon(code, message);
};

outbox.onBroken(() => finish("BACKEND_GONE", "the host does not listen any more"));
