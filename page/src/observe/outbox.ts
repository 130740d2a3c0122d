// What the page measured, collected and handed to the adapter's transport. The build puts this in
// the place of `../outbox.ts`, whose messages cross our own wire.
//
// A timer runs only while something waits: an idle page costs nothing.

import { now, stamp } from "../clock.js";
import { forgetThrown } from "../error_counts.js";
import * as life from "../lifecycle.js";
import { append, list, microtask, setTimer, then } from "../primordials.js";
import { BATCH_BYTES, BATCH_MESSAGES, INTERVAL_MESSAGES, INTERVAL_MS, NONCE, transmit } from "./config.js";

/** What the host takes as a count. */
export const COUNT_MAX = 4_294_967_295;

type Hook = () => void;
const turns = list<Hook>();
const reports = list<Hook>();

// The report that is being collected, as text.
let body = "";
let bytes = 0;
let count = 0;
/** Messages that this interval may still have. */
let left = INTERVAL_MESSAGES;
/** Messages that were dropped, or lost on their way, and not yet reported. */
let shed = 0;
/** Whether the host may know this generation. Each report says it until one has arrived. */
let isAnnounced = false;
let scheduled = false;
let timed = false;

/** Whether the adapter's transport is at work: what it calls is not the page's. */
export let isSending = false;

/** Runs `hook` at the end of each turn that has something to say. */
export const onTurn = (hook: Hook): void => append(turns, hook);

/** Runs `hook` ahead of each report, for what is cheaper to keep as it is than to say each turn. */
export const onReport = (hook: Hook): void => append(reports, hook);

life.onRestart(() => {
  body = "";
  bytes = count = shed = 0;
  left = INTERVAL_MESSAGES;
  isAnnounced = scheduled = false;
});

const drop = (messages: number): void => {
  shed = shed + messages < COUNT_MAX ? shed + messages : COUNT_MAX;
};

/** Hands over what was collected, to a transport that may fail in any way. */
const post = (leaving: boolean): void => {
  const generation = life.id;
  const lost = count + shed;
  let messages = isAnnounced ? body : `{"kind":"ready"}${body && ","}${body}`;
  if (shed) messages += `${messages && ","}{"kind":"shed","count":${shed}}`;
  // Put together by hand: a `toJSON` of the page must not see the nonce.
  const report = `{"spanwire":1,"nonce":"${NONCE}","page":"${generation}","sent":${stamp(now())},"messages":[${messages}]}`;
  body = "";
  bytes = count = shed = 0;
  isAnnounced = true;
  const fail = (): void => {
    if (generation !== life.id) return;
    drop(lost);
    isAnnounced = false;
  };
  isSending = true;
  try {
    const sent = transmit(report, leaving);
    try {
      // Handled, so that a rejection is none of the page's.
      then(sent, () => {}, fail);
    } catch {
      // No promise of the engine's: it was handed over.
    }
  } catch {
    fail();
  } finally {
    isSending = false;
  }
};

/** Sends what was collected. */
export const flush = (leaving = false): void => {
  if (life.isSilent() || isSending) return;
  for (let at = 0; at < reports.length; at++) (reports[at] as Hook)();
  if (count || shed || !isAnnounced) post(leaving);
};

/** Says that the page goes away, behind all that was collected. */
export const flushLeaving = (): void => {
  flush();
  body = '{"kind":"leave"}';
  count = 1;
  flush(true);
};

const expire = (): void => {
  timed = false;
  left = INTERVAL_MESSAGES;
  forgetThrown();
  flush();
};

/** Makes a report follow within an interval. */
export const awaitReport = (): void => {
  // The host learns at once that the page is there.
  if (!isAnnounced && !timed) flush();
  if (timed || life.isSilent()) return;
  setTimer(expire, INTERVAL_MS);
  timed = true;
};

/** Ends the turn: says what came together in it. */
export const endTurn = (): void => {
  scheduled = true;
  for (let at = 0; at < turns.length; at++) (turns[at] as Hook)();
  scheduled = false;
  awaitReport();
};

/** Makes the turn end behind the code that runs now. */
export const schedule = (): void => {
  if (scheduled || life.isSilent()) return;
  // It throws where the page has run out of stack, and then nothing is scheduled.
  microtask(endTurn);
  scheduled = true;
};

/** Says something: `size` bytes of it, which are more than its letters beyond ASCII. */
export const send = (text: string, size = text.length): void => {
  if (life.isSilent()) return;
  schedule();
  if (left <= 0) return drop(1);
  left--;
  if (bytes + size >= BATCH_BYTES || count >= BATCH_MESSAGES) flush();
  // Only where the transport itself makes the page say something.
  if (bytes + size >= BATCH_BYTES || count >= BATCH_MESSAGES) return drop(1);
  body = body ? `${body},${text}` : text;
  bytes += size + 1;
  count++;
};

/** The same: nothing here waits for anything. */
export const sendBehind = (text: string): void => send(text);

// What the shared modules ask of either outbox.
type Port = Pick<typeof import("../outbox.js"), "onTurn" | "schedule" | "send" | "sendBehind">;
({ onTurn, schedule, send, sendBehind }) satisfies Port;
