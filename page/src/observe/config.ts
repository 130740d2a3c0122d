// What the observing script is called with. The build puts this in the place of `../config.ts`.

import type { ObserveConfig } from "./api.js";

declare const config: ObserveConfig;

const { nonce, send, bytes = 262_144, messages = 250, intervalMs = 500, marks = false } = config;

export const NONCE = nonce;
export const MARKS = marks;
export const INTERVAL_MS = intervalMs;

/** The adapter's transport. */
export const transmit = send;

/** Bytes of a report's messages: what is around them has 120, and those that go with each 60. */
export const BATCH_BYTES = bytes - 256;
/** Messages of a report, beside `ready` and `shed`. */
export const BATCH_MESSAGES = messages - 2;
/** Messages in one interval: beyond, they are dropped and counted. */
export const INTERVAL_MESSAGES = 2_000;
/** Spans that are open, or were within this turn: beyond, what is traced runs without a span. */
export const SPANS = 1_000;
/** Distinct records that wait for the end of a turn: beyond, they go at once. */
export const RECORDS = 50;
/** Calls, or runs of one event's listeners, that go into one message. */
export const PIECE = 500;
/** Events whose listeners ran in this turn and are not reported yet: beyond, they are reported at once. */
export const EVENTS = 50;

type Port = Pick<typeof import("../config.js"), "BATCH_BYTES" | "MARKS" | "RECORDS" | "SPANS">;
({ BATCH_BYTES, MARKS, RECORDS, SPANS }) satisfies Port;
