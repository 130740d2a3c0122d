// What the page ran of the host's messages, told at the end of the turn.

import { now, stamp } from "./clock.js";
import { BATCH_BYTES } from "./config.js";
import { onTurn, send } from "./outbox.js";
import { append, list, type List } from "./primordials.js";

/** What goes into one `ack`: a range is at most 37 characters, a run 52, a failure 17. */
const PIECE = BATCH_BYTES / 256;
/** Milliseconds: what is nearer to the turn's begin is not told apart from it. */
const STEP = 1;
/** The end of a reply, which is known only when its promise's first continuations have run. */
const OPEN = -1;

interface Piece {
  /** First and last of each range. */
  readonly ids: List<number>;
  /** Id, begin and end of each message that did not begin and end with the turn. */
  readonly ran: List<number>;
  readonly failed: List<number>;
}

let pieces = list<Piece>();
/** When the first of them began to run. */
let began = 0;

const piece = (): Piece => {
  const newest = pieces[pieces.length - 1];
  if (newest && newest.ids.length < 2 * PIECE && newest.ran.length < 3 * PIECE) return newest;
  const next: Piece = { ids: list(), ran: list(), failed: list() };
  append(pieces, next);
  return next;
};

/** A turn begins in which messages run. */
export const beginRun = (at: number): void => {
  if (!pieces.length) began = at;
};

const acked = (id: number): Piece => {
  const to = piece();
  const { ids } = to;
  const { length } = ids;
  if (length && ids[length - 1] === id - 1) ids[length - 1] = id;
  else {
    append(ids, id);
    append(ids, id);
  }
  return to;
};

const runOf = ({ ran }: Piece, id: number, begin: number, end: number): void => {
  append(ran, id);
  append(ran, begin);
  append(ran, end);
};

/** A message ran, or had run before and is told again. */
export const ack = (id: number): void => {
  acked(id);
};

/** An event's listeners ran. */
export const ackRun = (id: number, begin: number, end: number): void => {
  const to = acked(id);
  if (begin - began >= STEP || end - begin >= STEP) runOf(to, id, begin, end);
};

/** A reply's promise was settled. */
export const ackReply = (id: number, begin: number): void => {
  const to = acked(id);
  if (begin - began >= STEP) runOf(to, id, begin, OPEN);
};

/** A raw script ran, and may have thrown. */
export const ackScript = (id: number, failed: boolean): void => {
  const to = acked(id);
  if (failed) append(to.failed, id);
};

onTurn(() => {
  if (!pieces.length) return;
  const done = now();
  const all = pieces;
  pieces = list();
  for (let at = 0; at < all.length; at++) {
    const { ids, ran, failed } = all[at] as Piece;
    let text = `{"kind":"ack","ids":[`;
    for (let n = 0; n < ids.length; n += 2) text += `${n ? "," : ""}[${ids[n]},${ids[n + 1]}]`;
    text += "]";
    for (let n = 0; n < failed.length; n++) text += `${n ? "," : ',"failed":['}${failed[n]}`;
    if (failed.length) text += "]";
    text += `,"at":${stamp(began)},"done":${stamp(done)}`;
    for (let n = 0; n < ran.length; n += 3) {
      const end = ran[n + 2] as number;
      text += `${n ? "," : ',"ran":['}[${ran[n]},${stamp(ran[n + 1] as number)},${stamp(end === OPEN ? done : end)}]`;
    }
    if (ran.length) text += "]";
    send(`${text}}`);
  }
});
