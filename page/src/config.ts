// What the host gives to the script: the argument of the expression that the script is.

/** As `Ipc::page_script` writes it. */
interface Config {
  /** Proves that a batch is the page's. It goes to nothing but the batches. */
  readonly nonce: string;
  /** How many calls and events may be unanswered at once. */
  readonly credits: number;
  /** The largest batch. */
  readonly bytes: number;
  /** The most messages in a batch. */
  readonly messages: number;
  /** The deepest nesting of a batch. */
  readonly depth: number;
  /** Whether performance marks and measures are recorded. */
  readonly marks: boolean;
  /** Whether events that the page dispatches go to the host. */
  readonly compat: boolean;
  /** Whether the host takes spans of an OpenTelemetry SDK in the page. */
  readonly spans: boolean;
}

declare const config: Config;

export const CREDITS = config.credits;
export const NONCE = config.nonce;
export const MARKS = config.marks;
export const COMPAT = config.compat;
export const TAKES_SPANS = config.spans;

/** Bytes of a batch's messages: what is around them has 120. */
export const BATCH_BYTES = config.bytes - 256;
/**
 * Messages of a batch, which the host refuses whole when there are more: 250 unless the app says
 * otherwise. A post costs the engine as much as twenty messages in it, and a quarter of the window
 * leaves the host something to answer.
 */
export const BATCH_MESSAGES = config.messages;
/** Calls and events that wait for credits. */
export const OUTBOX_MESSAGES = 10_000;
/** Their bytes, exceeded by the last of them at most. */
export const OUTBOX_BYTES = 67_108_864;
/** Levels of the data: the batch around it has 3. */
export const DEPTH = config.depth - 4;
/** Spans that are open, or were within this turn: beyond, what is traced runs without a span. */
export const SPANS = 1_000;
/** Distinct records that wait for the end of a turn: beyond, they go at once. */
export const RECORDS = 50;
/** Bytes of an SDK's spans in one turn: what comes beyond would not fit into the host's queue either. */
export const TURN_SPANS_BYTES = 8_388_608;
