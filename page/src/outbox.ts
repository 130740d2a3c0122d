// What the page has to say, batched: as many messages as one turn of the page's code brings.
//
// No timer runs: each flush is a microtask behind the code that had something to say. A hidden
// window would hold timers back, and an idle page must cost nothing.

import { stamp, now } from "./clock.js";
import { BATCH_BYTES, BATCH_MESSAGES, CREDITS, NONCE, OUTBOX_BYTES, OUTBOX_MESSAGES } from "./config.js";
import { refusal } from "./error.js";
import { jsonOf } from "./json.js";
import * as life from "./lifecycle.js";
import { jsonName } from "./names.js";
import { post } from "./transport.js";
import { append, bytesOf, exec, list, microtask, RangeError, stringify } from "./primordials.js";

/** A call or an event that waits for a credit. */
export interface Entry {
  readonly id: number;
  readonly isEvent: boolean;
  /** An upper bound. */
  readonly bytes: number;
  text: string;
  /** Whether it is still in the outbox. */
  waits: boolean;
  before: Entry | null;
  after: Entry | null;
}

/** What an entry's fields can take besides its data and its `traceparent`. */
const ENTRY_BYTES = 384;
const PRINTABLE = /^[ -~]{0,256}$/;
/** What the host takes as a count. */
export const COUNT_MAX = 4_294_967_295;

// A list linked by the entries' own fields: an array would have to be moved along.
let first: Entry | null = null;
let last: Entry | null = null;
let waiting = 0;
let waitingBytes = 0;
let lastId = 0;
let credits = 0;

// Acks and the like, which cost no credit, as the text of a batch; and what is to come behind the
// calls and events of the turn.
let control = "";
let controls = 0;
let controlBytes = 0;
let closing = "";
let closings = 0;

/** Events that were dropped and not yet told. */
let shed = 0;
let scheduled = false;

type Hook = () => void;
const turns = list<Hook>();

/** Runs `hook` at the end of each turn that has something to say, before it is sent. */
export const onTurn = (hook: Hook): void => append(turns, hook);

life.onRestart(() => {
  first = last = null;
  control = closing = "";
  waiting = waitingBytes = lastId = controls = controlBytes = closings = 0;
  credits = CREDITS;
  scheduled = false;
});

/** Ends the turn: says what came together in it. */
export const endTurn = (): void => {
  // What the hooks say goes out at once: nothing has to be scheduled for it.
  scheduled = true;
  for (let at = 0; at < turns.length; at++) (turns[at] as Hook)();
  scheduled = false;
  flush();
};

/** Makes the turn end behind the code that runs now. */
export const schedule = (): void => {
  if (scheduled || life.isSilent()) return;
  // It throws where the page has run out of stack, and then nothing is scheduled.
  microtask(endTurn);
  scheduled = true;
};

/**
 * Runs `run` with the turn's end behind it: behind the first continuations of the promises that it
 * settles, whatever it says meanwhile.
 */
export const within = (run: Hook): void => {
  const inner = scheduled;
  scheduled = true;
  try {
    run();
  } finally {
    if (!inner) microtask(endTurn);
  }
};

/** Says something that costs no credit: `bytes` of it, which are more than its letters beyond ASCII. */
export const send = (text: string, bytes = text.length): void => {
  if (life.isSilent()) return;
  schedule();
  // Where the flush before threw, a batch may be full still.
  if (controlBytes + bytes >= BATCH_BYTES || controls >= BATCH_MESSAGES) flush();
  control = control ? `${control},${text}` : text;
  controlBytes += bytes + 1;
  // Its bound: one turn can hold more than a batch.
  if (++controls >= BATCH_MESSAGES) flush();
};

/** Says it behind the calls and events that were there before, as far as there are credits. */
export const sendBehind = (text: string): void => {
  if (life.isSilent()) return;
  schedule();
  if (closing.length + text.length >= BATCH_BYTES || closings >= BATCH_MESSAGES) flush();
  closing = closing ? `${closing},${text}` : text;
  if (++closings >= BATCH_MESSAGES) flush();
};

export const grant = (count: number): void => {
  credits += count;
};

/** Sends what may be sent. */
export const flush = (): void => {
  while (!life.isSilent()) {
    if (shed && controls < BATCH_MESSAGES) {
      control += `${control && ","}{"kind":"shed","count":${shed}}`;
      controls++;
      shed = 0;
    }
    let body = control;
    let bytes = controlBytes;
    let rest = first;
    let count = 0;
    while (
      rest &&
      count < credits &&
      controls + count < BATCH_MESSAGES &&
      bytes + rest.bytes <= BATCH_BYTES
    ) {
      count++;
      bytes += rest.bytes;
      body = body ? `${body},${rest.text}` : rest.text;
      rest = rest.after;
    }
    const closes =
      closing &&
      !(rest && count < credits) &&
      controls + count + closings <= BATCH_MESSAGES &&
      bytes + closing.length <= BATCH_BYTES;
    if (closes) body = body ? `${body},${closing}` : closing;
    if (!body) return;
    try {
      // Put together by hand: a `toJSON` of the page must not see the nonce.
      post(
        `{"spanwire":1,"nonce":"${NONCE}","page":"${life.id}","sent":${stamp(now())},"messages":[${body}]}`,
      );
    } catch (error) {
      // The page has run out of stack, and the transport is well: all of it goes another time.
      if (error instanceof RangeError) throw error;
      broken();
      return;
    }
    // Nothing is called from here on that could throw.
    control = "";
    controls = controlBytes = 0;
    if (closes) {
      closing = "";
      closings = 0;
    }
    credits -= count;
    waiting -= count;
    while (first !== rest) {
      const sent = first as Entry;
      first = sent.after;
      waitingBytes -= sent.bytes;
      sent.after = null;
      sent.text = "";
      sent.waits = false;
    }
    if (first) first.before = null;
    else last = null;
  }
};

let broken: Hook = () => {};

/** Runs `hook` when the transport refuses a batch. */
export const onBroken = (hook: Hook): void => {
  broken = hook;
};

// Takes an entry out of the outbox.
const take = (entry: Entry): void => {
  if (entry.before) entry.before.after = entry.after;
  else first = entry.after;
  if (entry.after) entry.after.before = entry.before;
  else last = entry.before;
  waiting--;
  waitingBytes -= entry.bytes;
  entry.before = entry.after = null;
  entry.text = "";
  entry.waits = false;
};

/** Takes back what has not been sent; false when it has been. */
export const withdraw = (entry: Entry): boolean => {
  if (!entry.waits) return false;
  take(entry);
  return true;
};

/** Counts the events that wait as dropped: nobody will send them. */
export const abandonEvents = (): void => {
  for (let entry = first; entry; entry = entry.after) if (entry.isEvent) drop();
};

const drop = (): void => {
  if (shed < COUNT_MAX) shed++;
};

/**
 * Puts a call or an event into the outbox, within the page's `span` unless that is 0.
 *
 * Returns null when the outbox is full or nothing can be sent. Throws what makes it unsendable.
 */
export const enqueue = (
  kind: "call" | "event",
  event: string,
  data: unknown,
  span: number,
  traceparent: unknown,
): Entry | null => {
  const name = jsonName(event);
  let text = data === undefined ? "" : `,"data":${jsonOf(data)}`;
  if (traceparent !== undefined) {
    // What cannot be one goes as an empty one, which the host counts: half a surrogate pair
    // would make the whole message unreadable there.
    const parent = `${traceparent as string}`;
    text += `,"traceparent":${exec(PRINTABLE, parent) ? stringify(parent) : '""'}`;
  }
  // A unit of UTF-16 is at most 3 bytes of UTF-8: count only where that could matter.
  let bytes = text.length * 3 + ENTRY_BYTES;
  if (bytes > BATCH_BYTES / BATCH_MESSAGES) bytes = bytesOf(text) + ENTRY_BYTES;
  if (bytes > BATCH_BYTES) throw refusal("TOO_LARGE", `the data is larger than ${BATCH_BYTES} bytes`);
  if (waiting >= OUTBOX_MESSAGES || waitingBytes >= OUTBOX_BYTES || life.isSilent()) return null;
  // Ahead of what it changes: without a turn's end nobody would send it.
  schedule();
  const id = ++lastId;
  const around = span ? `,"span":${span}` : "";
  const entry: Entry = {
    id,
    isEvent: kind === "event",
    bytes,
    text: `{"kind":"${kind}","id":${id},"event":${name},"at":${stamp(now())}${around}${text}}`,
    waits: true,
    before: last,
    after: null,
  };
  if (last) last.after = entry;
  else first = entry;
  last = entry;
  waitingBytes += bytes;
  if (++waiting >= BATCH_MESSAGES && credits) flush();
  return entry;
};

/** Tells the host of an event; false when it was dropped. */
export const emit = (event: string, data: unknown, span: number): boolean => {
  if (enqueue("event", event, data, span, undefined)) return true;
  drop();
  schedule();
  return false;
};
