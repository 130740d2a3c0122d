// Types that must hold: this file compiles, and each line after `@ts-expect-error` would not.

import {
  createPerformanceClient,
  emit,
  invoke,
  isAvailable,
  off,
  on,
  type PerformanceClient,
  record,
  type Snapshot,
  type Spanwire,
  SpanwireError,
  type SpanwireErrorCode,
  trace,
  whenReady,
} from "spanwire";

import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { observe } from "spanwire/observe";
import { SpanwireSpanExporter, traceparent } from "spanwire/opentelemetry";

declare module "spanwire" {
  interface SpanwireEvents {
    progress: { percent: number };
    closed: null;
  }
  interface SpanwireCalls {
    save: (layers: string[]) => number;
    "session.start": () => { drive: boolean };
    load: (path: string) => Promise<Uint8Array>;
    find: (query?: string) => string[];
  }
}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>): void => {};

export const calls = async (): Promise<void> => {
  const count = await invoke("save", ["sky"], { timeoutMs: 5_000 });
  same<typeof count, number>(true);
  const session = await invoke("session.start");
  same<typeof session, { drive: boolean }>(true);
  const bytes = await invoke("load", "a.png", { signal: new AbortController().signal });
  same<typeof bytes, Uint8Array>(true);
  await invoke("find");
  await invoke("find", "query");
  // @ts-expect-error it takes layers
  await invoke("save", 7);
  // @ts-expect-error it needs its data
  await invoke("save");
  // @ts-expect-error there is no such option
  await invoke("save", [], { timeout: 1 });

  const unknown = await invoke("not.declared", { anything: 1 });
  same<typeof unknown, unknown>(true);
  const given = await invoke<string>("not.declared");
  same<typeof given, string>(true);
  await whenReady();
};

export const events = (): void => {
  const listener = ({ percent }: { percent: number }): void => void percent;
  const stop: () => void = on("progress", listener);
  off("progress", listener);
  stop();
  on("progress", (data) => same<typeof data, { percent: number }>(true));
  on("not.declared", (data: number[]) => void data);
  // @ts-expect-error its data is an object
  on("progress", (data: string) => void data);

  const taken: boolean = emit("progress", { percent: 1 });
  emit("not.declared", taken);
  emit("save", ["an event may have a call's name"]);
  emit("closed");
  emit("session.start");
  emit("find");
  emit("not.declared");
  // @ts-expect-error its data is an object
  emit("progress", 40);
  // @ts-expect-error it needs its data
  emit("progress");
};

export const spans = async (): Promise<void> => {
  const sum = trace("sum", () => 1 + 1);
  same<typeof sum, number>(true);
  const count = await trace("save", async (span) => {
    span.emit("progress", { percent: 0 });
    // @ts-expect-error a span has no listeners
    span.on("progress", () => {});
    return span.trace("inner", (inner) => inner.invoke("save", []));
  });
  same<typeof count, number>(true);
  const fine: boolean = record("fps", 60, { unit: "Hz", category: "canvas" });
  void fine;
  // @ts-expect-error a value is a number
  record("fps", "60");
};

export const performance = async (): Promise<void> => {
  const client: PerformanceClient = createPerformanceClient();
  await client.record_metric({ id: "fps", name: "fps", category: "Rendering", value: 60, unit: "Hz" });
  // @ts-expect-error a metric has an id
  await client.record_metric({ name: "fps", category: "rendering", value: 60, unit: "Hz" });
  const snapshot: Snapshot = await client.create_snapshot();
  same<typeof snapshot.memory_usage, number | null>(true);
};

export const sdk = async (): Promise<void> => {
  const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(new SpanwireSpanExporter())] });
  const span = provider.getTracer("page").startSpan("click");
  await invoke("save", [], { traceparent: traceparent(span) });
};

export const observed = async (): Promise<void> => {
  const page = observe({ nonce: "0", send: (report, leaving) => fetch("/report", { method: "POST", body: report, keepalive: leaving }) });
  const answer = await page.call(async (call) => {
    const header: string = call.posted();
    return header.length;
  });
  same<typeof answer, number>(true);
  const listener = page.listener("progress", (percent: number) => `${percent}`);
  same<typeof listener, (percent: number) => string>(true);
  const sum = page.delivered(7, () => 1 + 1);
  same<typeof sum, number>(true);
  page.trace("import", (span) => span.run(() => page.beginCall().settled("timeout")));
  // @ts-expect-error there is no such end
  page.beginCall().settled("lost");
};

export const failures = (error: unknown): SpanwireErrorCode | undefined => {
  if (!(error instanceof SpanwireError)) return undefined;
  // @ts-expect-error there is no such code
  if (error.code === "OOPS") return undefined;
  return error.code;
};

export const page = (): Spanwire | undefined => {
  // @ts-expect-error it cannot be replaced
  window.spanwire = undefined;
  return isAvailable() ? window.spanwire : undefined;
};
