// What a page can call, and the types that an app gives its own events and calls.

/**
 * The events of an app and their data, in both directions. Declare yours to have them checked:
 *
 * ```ts
 * declare module "spanwire" {
 *   interface SpanwireEvents {
 *     progress: { percent: number };
 *   }
 * }
 * ```
 */
export interface SpanwireEvents {}

/**
 * The calls that an app's Rust side answers, as functions from their data to their result:
 *
 * ```ts
 * declare module "spanwire" {
 *   interface SpanwireCalls {
 *     save: (layers: string[]) => number;
 *   }
 * }
 * ```
 */
export interface SpanwireCalls {}

/** Why a call was rejected. */
export type SpanwireErrorCode =
  /** No reply within `timeoutMs`; the page withdrew the call from the host. */
  | "TIMEOUT"
  /** The signal was aborted, the page went away, or the host dropped the handler. */
  | "CANCELLED"
  /** The event has no handler. */
  | "UNKNOWN_EVENT"
  /** The handler returned an error, or panicked. */
  | "HANDLER_ERROR"
  /** The data is larger than the host takes, or the reply larger than it sends. */
  | "TOO_LARGE"
  /** The data nests too deep. */
  | "MALFORMED"
  /** A name is not 1 to 128 bytes of printable characters; the message says which one is not. */
  | "INVALID_NAME"
  /** Too many messages wait for the host, handlers of earlier pages still run, or bytes are on it. */
  | "OVER_CREDIT"
  /** The host does not listen, or not any more. */
  | "BACKEND_GONE"
  /** The host does not listen to this page; or it takes no spans of an SDK from it. */
  | "FORBIDDEN";

/** What goes with a call besides its data. */
export interface InvokeOptions {
  /** Rejects with `TIMEOUT` when no reply came in so many milliseconds. Default: never. */
  readonly timeoutMs?: number | undefined;
  /** Rejects with `CANCELLED` when it is aborted. */
  readonly signal?: AbortSignal | undefined;
  /** A W3C `traceparent` to continue, when the host accepts the page's (`PageTraces::Accepted`). */
  readonly traceparent?: string | undefined;
}

/** What goes with a measurement besides its name and value. */
export interface RecordOptions {
  /** Best as UCUM writes it: `ms`, `By`, `%`, `{frame}/s`; 1 to 64 visible ASCII characters but `"` and `\`. */
  readonly unit?: string | undefined;
  /** What tells apart measurements of the same name. */
  readonly category?: string | undefined;
}

type Declared<Calls, Name> = Name extends keyof Calls ? Calls[Name] : never;
type First<F> = F extends (...parameters: infer P) => unknown ? P[0] : undefined;
type Result<F> = F extends (...parameters: never[]) => infer R ? Awaited<R> : unknown;
// A call without data may leave it out.
type Arguments<F> =
  undefined extends First<F>
    ? [data?: First<F>, options?: InvokeOptions]
    : [data: First<F>, options?: InvokeOptions];

/** A name that is not among the declared calls. */
export type UndeclaredCall<Name extends string> = Name extends keyof SpanwireCalls ? never : Name;

// A name of any text, of which an editor knows the declared ones.
type Known<Declared> = (keyof Declared & string) | (string & {});

/** The data of an event from Rust: as declared, or anything. */
export type EventData<Name extends string> = Name extends keyof SpanwireEvents ? SpanwireEvents[Name] : any;

/** The data of an event to Rust: as declared, or anything. */
export type EmitData<Name extends string> = Name extends keyof SpanwireEvents
  ? SpanwireEvents[Name]
  : Name extends keyof SpanwireCalls
    ? First<SpanwireCalls[Name]>
    : unknown;

/** A name of an event from Rust: a declared one, or any other. */
export type EventName = Known<SpanwireEvents>;

/** A name of an event to Rust: a declared one or that of a call, or any other. */
export type EmitName = Known<SpanwireEvents & SpanwireCalls>;

/** What follows the name: the data, which may be left out where it may be nothing. */
export type EmitRest<Name extends string> =
  undefined extends EmitData<Name>
    ? [data?: EmitData<Name>]
    : null extends EmitData<Name>
      ? [data?: EmitData<Name>]
      : [data: EmitData<Name>];

/** Takes a listener off again. */
export type Off = () => void;

/** Asks Rust; the promise settles with what the handler returned. */
export interface Invoke {
  <Name extends keyof SpanwireCalls & string>(
    event: Name,
    ...rest: Arguments<Declared<SpanwireCalls, Name>>
  ): Promise<Result<Declared<SpanwireCalls, Name>>>;
  <R = unknown, Name extends string = string>(
    event: UndeclaredCall<Name>,
    data?: unknown,
    options?: InvokeOptions,
  ): Promise<R>;
}

/** Sends an event to Rust; `false` if the page dropped it, which it reports to the host. */
export type Emit = <Name extends EmitName>(event: Name, ...rest: EmitRest<Name>) => boolean;

/** Runs `fn` within a span of the page and returns what it returns. */
export type Trace = <R>(name: string, fn: (span: Span) => R) => R;

/**
 * A span of the page. What is sent synchronously inside {@link Trace} belongs to the span by
 * itself; behind an `await` the page cannot know, and these functions do.
 */
export interface Span {
  readonly invoke: Invoke;
  readonly emit: Emit;
  readonly trace: Trace;
}

/** The page's end of the wire. */
export interface Spanwire {
  readonly invoke: Invoke;
  readonly emit: Emit;
  /** Runs `listener` for each event of that name from Rust. Registering it twice keeps it once. */
  readonly on: <Name extends EventName>(event: Name, listener: (data: EventData<Name>) => void) => Off;
  readonly off: <Name extends EventName>(event: Name, listener: (data: EventData<Name>) => void) => void;
  readonly trace: Trace;
  /**
   * Records a value that the page measured; the last of a turn holds. `false` when it is no finite
   * number or the host is gone.
   */
  readonly record: (name: string, value: number, options?: RecordOptions) => boolean;
  /**
   * Hands over `count` spans of an OpenTelemetry SDK in one `ExportTraceServiceRequest` of OTLP JSON;
   * `SpanwireSpanExporter` of `spanwire/opentelemetry` does it for you. They are sent at the end of
   * the turn.
   *
   * Throws what keeps them from being sent, and counts them as lost; but not several spans that are
   * `TOO_LARGE`, since fewer of them at a time may not be.
   */
  readonly exportSpans: (request: object, count: number) => void;
  /** Whether the host listens to this page: `false` once it never will again. */
  readonly isAvailable: () => boolean;
  /** Resolves when the page may talk, which is at once; rejects when it never can. */
  readonly whenReady: () => Promise<void>;
}

declare global {
  interface Window {
    readonly spanwire: Spanwire;
  }
}
