// The package: what an app's bundle imports. The wire itself is the script that the host puts
// into the page; these are its functions, with types, and an error that says so without one.

import type {
  EmitName,
  EmitRest,
  EventData,
  EventName,
  Invoke,
  Off,
  RecordOptions,
  Span,
  Spanwire,
} from "./api.js";
import { MISSING, refusal, SpanwireError } from "./error.js";

export * from "./api.js";
export { SpanwireError };

// Looked up each time: a bundle may run, and be tested, where there is no window.
const find = (): Spanwire | undefined => (typeof window === "undefined" ? undefined : window.spanwire);

const missing = (): SpanwireError => refusal("BACKEND_GONE", MISSING);

/** Whether the page runs in a Spanwire webview, and Rust listens to it. */
export const isAvailable = (): boolean => find()?.isAvailable() ?? false;

/** Asks Rust; the promise settles with what the handler returned. */
export const invoke = ((event: string, ...rest: [data?: unknown]) =>
  (find()?.invoke as ((...all: unknown[]) => Promise<unknown>) | undefined)?.(event, ...rest) ??
  Promise.reject(missing())) as Invoke;

/** Sends an event to Rust; `false` if the page dropped it, or there is no host. */
export const emit = <Name extends EmitName>(event: Name, ...rest: EmitRest<Name>): boolean =>
  find()?.emit(event, ...rest) ?? false;

/**
 * Runs `listener` for each event of that name from Rust; the result takes it off again.
 *
 * Throws outside of a Spanwire webview: nothing would ever come.
 */
export const on = <Name extends EventName>(event: Name, listener: (data: EventData<Name>) => void): Off => {
  const spanwire = find();
  if (!spanwire) throw missing();
  return spanwire.on(event, listener);
};

/** Takes a listener off. */
export const off = <Name extends EventName>(event: Name, listener: (data: EventData<Name>) => void): void =>
  find()?.off(event, listener);

// Without a webview the app's code runs as well, without a span.
const untraced: Span = Object.freeze({ invoke, emit, trace: <R>(_: string, fn: (span: Span) => R): R => fn(untraced) });

/** Runs `fn` within a span of the page and returns what it returns. */
export const trace = <R>(name: string, fn: (span: Span) => R): R => {
  const spanwire = find();
  return spanwire ? spanwire.trace(name, fn) : fn(untraced);
};

/** Records a value that the page measured; `false` when it was not taken. */
export const record = (name: string, value: number, options?: RecordOptions): boolean =>
  find()?.record(name, value, options) ?? false;

/** Resolves when the page may talk; rejects with `BACKEND_GONE` where it never can. */
export const whenReady = (): Promise<void> => find()?.whenReady() ?? Promise.reject(missing());

export { createPerformanceClient } from "./performance.js";
export type { Metric, MetricCategory, PerformanceClient, RecordedMetric, Snapshot } from "./performance.js";
