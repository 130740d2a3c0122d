// What the host sends: each message runs once.

import type { SpanwireErrorCode } from "./api.js";
import { ack, ackReply, ackScript, beginRun } from "./acks.js";
import { reviveBytes } from "./bytes.js";
import * as calls from "./calls.js";
import { now, stamp } from "./clock.js";
import * as life from "./lifecycle.js";
import { deliver } from "./listeners.js";
import { flush, grant, send, within } from "./outbox.js";
import { loaded } from "./state.js";
import { append, hasOwn, list, type List, OwnSet, page, parse } from "./primordials.js";

interface EventMessage {
  readonly kind: "event";
  readonly id: number;
  readonly event: string;
  readonly data: unknown;
}

/** As docs/reference/wire.md has it. The host is trusted. */
type Message =
  | EventMessage
  | ({ readonly kind: "reply"; readonly id: number } & calls.Reply)
  | { readonly kind: "credit"; readonly count: number }
  | { readonly kind: "begin"; readonly id: number }
  | { readonly kind: "end"; readonly id: number }
  | { readonly kind: "settle"; readonly id: number }
  | { readonly kind: "ping"; readonly id: number }
  | { readonly kind: "bye"; readonly code: SpanwireErrorCode };

interface Batch {
  readonly page: string;
  readonly floor: number;
  readonly messages: List<Message>;
  /** There when bytes are in one of them. */
  readonly bytes?: true;
}

/** Below this, all that may come has run. */
let floor = 0;
/** Ids that ran, of `floor` and above: those behind a gap, which a raw script leaves for a while. */
let seen = new OwnSet<number>();
/** The raw script that began last and has not been settled. */
let begun = 0;
let ended = 0;

// Nobody can listen before the document's scripts have run, so events wait for that.
let held: List<EventMessage> | null = page.document.readyState === "loading" ? list() : null;

life.onRestart(() => {
  seen = new OwnSet();
  floor = begun = ended = 0;
  // What an earlier generation did not run has ended on the host.
  if (held) held = list();
});

const skipSeen = (): void => {
  while (seen.size && seen.delete(floor)) floor++;
};

// Returns the time when it was done, which is `begin` for what takes none.
const handle = (message: Message, begin: number): number => {
  if (message.kind === "credit") {
    grant(message.count);
    return begin;
  }
  if (message.kind === "begin") {
    begun = message.id;
    ended = 0;
    return begin;
  }
  if (message.kind === "end") {
    ended = message.id;
    return begin;
  }
  if (message.kind === "ping") {
    send(`{"kind":"pong","id":${message.id},"at":${stamp(now())}}`);
    flush();
    return begin;
  }
  if (message.kind === "bye") {
    calls.finish(
      message.code,
      message.code === "FORBIDDEN" ? "the host does not listen to this page" : "the host closed the wire",
    );
    return begin;
  }
  const { id } = message;
  // Told again, since the host may not know that it ran.
  if (id < floor || seen.has(id)) {
    ack(id);
    return begin;
  }
  if (id === floor) {
    floor++;
    skipSeen();
  } else {
    seen.add(id);
  }
  if (message.kind === "reply") {
    calls.reply(message);
    ackReply(id, begin);
  } else if (message.kind === "settle") {
    ackScript(id, begun !== id || ended !== id);
  } else if (held) {
    append(held, message);
  } else {
    return deliver(id, message.event, message.data, begin);
  }
  return begin;
};

/** Takes a batch: itself, or its text where a literal would not say the same. */
export const receive = (given: Batch | string): void => {
  const batch = typeof given === "string" ? (parse(given) as Batch) : given;
  if (batch.page !== life.id) return;
  if (hasOwn(batch, "bytes")) reviveBytes(batch.messages);
  releaseIfLoaded();
  if (batch.floor > floor) {
    floor = batch.floor;
    seen.forEach((id) => {
      if (id < floor) seen.delete(id);
    });
    skipSeen();
  }
  const { messages } = batch;
  within(() => {
    let time = now();
    beginRun(time);
    for (let at = 0; at < messages.length; at++) time = handle(messages[at] as Message, time);
  });
};

/** The document's scripts have run: its listeners are there. */
export const release = (): void => {
  const events = held;
  if (!events) return;
  held = null;
  loaded();
  within(() => {
    let time = now();
    beginRun(time);
    for (let at = 0; at < events.length; at++) {
      const { id, event, data } = events[at] as EventMessage;
      time = deliver(id, event, data, time);
    }
  });
};

/**
 * The same for a document whose `DOMContentLoaded` was not heard: code of the page stopped the
 * event, or took all listeners off by opening the document anew.
 */
export const releaseIfLoaded = (): void => {
  if (held && page.document.readyState === "complete") release();
};
