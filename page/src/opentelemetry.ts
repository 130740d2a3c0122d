// For a page that has an OpenTelemetry SDK of its own: its spans go over the wire to the host, since
// a page reaches no collector. A module apart, so that the package itself needs none of the SDK.

import type { Span } from "@opentelemetry/api";
import { JsonTraceSerializer } from "@opentelemetry/otlp-transformer";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace-base";
import { MISSING, refusal, SpanwireError } from "./error.js";

/** As the SDK's own, which is in a package that an app does not depend on by itself. */
type Callback = Parameters<SpanExporter["export"]>[1];
const SUCCESS = 0;
const FAILED = 1;

/** What became of some spans: how many of them were not sent, and why. */
interface Outcome {
  readonly lost: number;
  readonly error: Error | undefined;
}

const decoder = new TextDecoder();

/**
 * Sends spans to the Rust side, which gives them the app's resource and sends them on, when the app
 * wants that: `Ipc::builder("main").page_spans(telemetry.page_spans())`.
 *
 * ```ts
 * const provider = new BasicTracerProvider({
 *   spanProcessors: [new BatchSpanProcessor(new SpanwireSpanExporter())],
 * });
 * ```
 *
 * An export is done when it returns: it waits for nothing, has no timer and keeps nothing. What
 * cannot be sent fails with an error that says why, and is counted as `spanwire.page.spans`.
 */
export class SpanwireSpanExporter implements SpanExporter {
  private isShutDown = false;
  private hasComplained = false;

  /** Sends `spans`, in more than one message where they are too large for one. */
  export(spans: ReadableSpan[], resultCallback: Callback): void {
    const { lost, error } = this.isShutDown
      ? { lost: spans.length, error: refusal("CANCELLED", "the exporter was shut down") }
      : send(spans);
    if (!error) return resultCallback({ code: SUCCESS });
    if (!this.hasComplained && isHopeless(error)) {
      this.hasComplained = true;
      // An SDK tells nobody unless it is asked to, and this one will never succeed.
      console.error(`spanwire: no span of this page is sent: ${error.message}`);
    }
    const some = lost < spans.length ? `${lost} of ${spans.length} spans were not sent: ${error.message}` : "";
    resultCallback({ code: FAILED, error: some ? withCause(some, error) : error });
  }

  /** Nothing waits in here. */
  forceFlush(): Promise<void> {
    return Promise.resolve();
  }

  /** From now on every export fails. */
  shutdown(): Promise<void> {
    this.isShutDown = true;
    return Promise.resolve();
  }
}

/**
 * The span as a W3C `traceparent`, for `invoke`: the call, and what the host does for it, are then
 * its children, when the app accepts that: `.page_traces(PageTraces::Accepted)`.
 *
 * ```ts
 * await invoke("save", layers, { traceparent: traceparent(span) });
 * ```
 *
 * `undefined` for a span that is none, which is no parent.
 */
export const traceparent = (span: Span): string | undefined => {
  const { traceId, spanId, traceFlags } = span.spanContext();
  if (/^0*$/.test(traceId) || /^0*$/.test(spanId)) return undefined;
  return `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, "0")}`;
};

const send = (spans: ReadableSpan[]): Outcome => {
  if (!spans.length) return { lost: 0, error: undefined };
  try {
    const wire = typeof window === "undefined" ? undefined : window.spanwire;
    if (!wire) throw refusal("BACKEND_GONE", MISSING);
    wire.exportSpans(requestOf(spans), spans.length);
    return { lost: 0, error: undefined };
  } catch (error) {
    if (spans.length > 1 && error instanceof SpanwireError && error.code === "TOO_LARGE") {
      const half = spans.length >> 1;
      const [first, second] = [send(spans.slice(0, half)), send(spans.slice(half))];
      return { lost: first.lost + second.lost, error: first.error ?? second.error };
    }
    // The page script's errors are known by their mark, whichever frame's `Error` they extend.
    const isError = error instanceof SpanwireError || error instanceof Error;
    return { lost: spans.length, error: isError ? error : new Error(String(error)) };
  }
};

/** What cannot be written as OTLP is no request, and counted as such. */
const requestOf = (spans: ReadableSpan[]): object => {
  try {
    return JSON.parse(decoder.decode(JsonTraceSerializer.serializeRequest(spans))) as object;
  } catch {
    return undefined as unknown as object;
  }
};

/** Whether what failed once will fail each time. */
const isHopeless = (error: Error): boolean =>
  error instanceof SpanwireError && (error.code === "FORBIDDEN" || error.code === "BACKEND_GONE");

const withCause = (message: string, cause: Error): Error => Object.assign(new Error(message), { cause });
