// The exporter for a page's own OpenTelemetry SDK, with the SDK itself and the page script.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { ROOT_CONTEXT, TraceFlags, trace } from "@opentelemetry/api";
import { BasicTracerProvider, BatchSpanProcessor, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { FakePage } from "./fake_page.mjs";
import { SpanwireSpanExporter, traceparent } from "spanwire/opentelemetry";

const SUCCESS = 0;
const FAILED = 1;
const REFUSED = { kind: "spans", count: 1 };

const open = (config = {}) => {
  const page = new FakePage({ config: { spans: true, ...config } });
  globalThis.window = page.window;
  return page;
};

let complaints = [];
const { error } = console;
console.error = (...all) => complaints.push(all.join(" "));

afterEach(() => {
  delete globalThis.window;
  complaints = [];
});

process.on("exit", () => {
  console.error = error;
});

/** Ended spans, of `bytes` each at least. */
const spansOf = (count, bytes = 0, letter = "x") => {
  const ended = [];
  const provider = new BasicTracerProvider({
    spanProcessors: [{ onStart() {}, onEnd: (span) => ended.push(span), forceFlush: async () => {}, shutdown: async () => {} }],
  });
  const tracer = provider.getTracer("page");
  for (let n = 0; n < count; n++) tracer.startSpan(`span ${n}`, { attributes: { text: letter.repeat(bytes) } }).end();
  return ended;
};

const exported = (spans, exporter = new SpanwireSpanExporter()) =>
  new Promise((resolve) => exporter.export(spans, resolve));

/** The spans of requests, without what is around them. */
const inside = (messages) =>
  messages
    .filter(({ kind, data }) => kind === "spans" && data)
    .flatMap(({ data }) => data.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)));

test("the SDK's spans are sent as OTLP, whole", async () => {
  const page = open();
  await page.sent();
  const processor = new BatchSpanProcessor(new SpanwireSpanExporter());
  const tracer = new BasicTracerProvider({ spanProcessors: [processor] }).getTracer("page.tracer", "1.2.3");
  const parent = tracer.startSpan("click", { attributes: { "ui.button": "save", n: 1, half: 0.5, list: ["a", "ä"] } });
  const child = tracer.startSpan("load", { kind: 2, links: [{ context: parent.spanContext() }] }, trace.setSpan(ROOT_CONTEXT, parent));
  child.addEvent("seen", { at: "top" });
  child.recordException(new Error("no"));
  child.setStatus({ code: 2, message: "no" });
  child.end();
  parent.end();
  assert.deepEqual(await page.sent(), [], "the SDK's own timer is not over");
  await processor.forceFlush();
  const [message, ...others] = await page.sent();
  assert.deepEqual(others, []);
  assert.deepEqual([message.kind, message.count], ["spans", 2]);
  const [{ resource, scopeSpans }] = message.data.resourceSpans;
  assert.ok(resource.attributes.some(({ key }) => key === "service.name"), "nothing is taken out here");
  assert.deepEqual(scopeSpans[0].scope, { name: "page.tracer", version: "1.2.3" });
  const [load, click] = scopeSpans[0].spans;
  assert.deepEqual([click.name, load.name, load.kind], ["click", "load", 3]);
  assert.equal(click.traceId, parent.spanContext().traceId);
  assert.equal(load.parentSpanId, parent.spanContext().spanId);
  assert.equal(load.flags & 1, 1);
  assert.deepEqual(load.events.map(({ name }) => name), ["seen", "exception"]);
  assert.deepEqual(load.status, { code: 2, message: "no" });
  assert.match(load.startTimeUnixNano, /^\d{19}$/);
  assert.deepEqual(complaints, []);
});

test("an export is done when it returns, and needs no timer", async () => {
  const page = open();
  await page.sent();
  const results = [];
  const exporter = new SpanwireSpanExporter();
  exporter.export(spansOf(2), (result) => results.push(result));
  exporter.export([], (result) => results.push(result));
  assert.deepEqual(results, [{ code: SUCCESS }, { code: SUCCESS }]);
  await exporter.forceFlush();
  assert.equal((await page.sent()).length, 1);
  assert.equal(page.timersEver, 0);
});

test("spans cost no credit and wait for none", async () => {
  const page = open({ credits: 0 });
  await page.sent();
  page.spanwire.emit("waits");
  assert.deepEqual(await exported(spansOf(1)), { code: SUCCESS });
  assert.deepEqual((await page.sent()).map(({ kind }) => kind), ["spans"]);
});

test("a host that takes none says what to do, once, and is told how many there were", async () => {
  const page = open({ spans: false });
  await page.sent();
  const exporter = new SpanwireSpanExporter();
  for (let n = 0; n < 3; n++) {
    const { code, error } = await exported(spansOf(1), exporter);
    assert.equal(code, FAILED);
    assert.match(error.message, /takes no spans.*page_spans\(telemetry\.page_spans\(\)\)/);
  }
  assert.deepEqual(await page.sent(), [REFUSED, REFUSED, REFUSED]);
  assert.equal(complaints.length, 1);
  assert.match(complaints[0], /no span of this page is sent/);
});

test("outside of a webview it fails and says so once", async () => {
  const exporter = new SpanwireSpanExporter();
  for (const window of [undefined, {}]) {
    if (window) globalThis.window = window;
    const { code, error } = await exported(spansOf(1), exporter);
    assert.deepEqual([code, error.code], [FAILED, "BACKEND_GONE"]);
  }
  assert.equal(complaints.length, 1);
});

test("what is too large for a message goes in several", async () => {
  const page = open();
  await page.sent();
  const spans = spansOf(512, 4_000);
  assert.deepEqual(await exported(spans), { code: SUCCESS });
  const messages = await page.sent();
  assert.ok(messages.length > 1);
  assert.equal(messages.reduce((sum, { count }) => sum + count, 0), 512);
  assert.deepEqual(inside(messages).map(({ name }) => name), spans.map(({ name }) => name));
});

test("no batch is larger than the host takes, whatever letters there are", async () => {
  for (const letter of ["x", "ß", "漢", "😀"]) {
    const page = open({ bytes: 20_000 });
    await page.sent();
    // All of one turn.
    const exporter = new SpanwireSpanExporter();
    for (let n = 0; n < 100; n++) {
      page.spanwire.emit("between", letter);
      exporter.export(spansOf(1, 400 + n, letter), () => {});
    }
    const messages = await page.sent();
    assert.equal(inside(messages).length, 100);
    for (const text of page.texts) assert.ok(Buffer.byteLength(text) <= 20_000, `${Buffer.byteLength(text)}`);
  }
});

test("a span that is too large by itself is lost alone, and counted", async () => {
  const page = open({ bytes: 20_000 });
  await page.sent();
  const [large] = spansOf(1, 30_000);
  const { code, error } = await exported([...spansOf(5), large, ...spansOf(5)]);
  assert.equal(code, FAILED);
  assert.match(error.message, /^1 of 11 spans were not sent: the spans are larger than/);
  assert.equal(error.cause.code, "TOO_LARGE");
  const messages = await page.sent();
  assert.equal(inside(messages).length, 10);
  assert.deepEqual(messages.filter(({ type }) => type), [{ kind: "spans", count: 1, type: "too_large" }]);
  assert.deepEqual(complaints, []);
});

test("one turn has room for as much as the host's queue, and the next one too", async () => {
  const page = open();
  await page.sent();
  const spans = spansOf(1, 900_000);
  const codes = [];
  for (let n = 0; n < 12; n++) codes.push((await new Promise((done) => {
    const exporter = new SpanwireSpanExporter();
    exporter.export(spans, done);
  })).code);
  // Each `await` lets the turn end.
  assert.deepEqual(codes, Array(12).fill(SUCCESS));
  const results = [];
  const exporter = new SpanwireSpanExporter();
  for (let n = 0; n < 12; n++) exporter.export(spans, (result) => results.push(result));
  assert.deepEqual(results.map(({ code }) => code), [...Array(9).fill(SUCCESS), FAILED, FAILED, FAILED]);
  assert.equal(results[10].error.code, "OVER_CREDIT");
  const told = (await page.sent()).filter(({ type }) => type);
  assert.deepEqual(told, Array(3).fill({ kind: "spans", count: 1, type: "page_shed" }));
  assert.deepEqual(await exported(spans, exporter), { code: SUCCESS });
});

test("what nests too deep, or cannot be written, is refused and counted", async () => {
  const page = open({ depth: 12 });
  await page.sent();
  let deep = "bottom";
  for (let n = 0; n < 20; n++) deep = [deep];
  const [span] = spansOf(1);
  const [bad, worse] = [{ ...span, attributes: { deep } }, { ...span, attributes: undefined }].map((changed) =>
    Object.assign(Object.create(span), changed, { spanContext: () => span.spanContext() }));
  const { error } = await exported([bad]);
  assert.equal(error.code, "MALFORMED");
  assert.equal((await exported([worse])).code, FAILED);
  const told = { kind: "spans", count: 1, type: "malformed" };
  assert.deepEqual(await page.sent(), [told, told]);
});

test("behind a page that leaves, a host that is gone and a shutdown exports fail and end", async () => {
  const page = open();
  const exporter = new SpanwireSpanExporter();
  page.window.addEventListener("pagehide", () => exporter.export(spansOf(1), () => {}));
  page.fire("pagehide");
  assert.deepEqual((await page.sent()).map(({ kind }) => kind), ["ready", "spans", "leave"], "what the page's own listeners send goes out");
  assert.equal((await exported(spansOf(1), exporter)).error.code, "BACKEND_GONE");
  page.fire("pageshow", { persisted: true });
  assert.equal((await exported(spansOf(1), exporter)).code, SUCCESS);
  await page.sent();
  page.receive({ kind: "bye", code: "FORBIDDEN" });
  assert.equal((await exported(spansOf(1), exporter)).error.code, "FORBIDDEN");
  assert.deepEqual(await page.sent(), []);
  await exporter.shutdown();
  const { error } = await exported(spansOf(1), exporter);
  assert.match(error.message, /was shut down/);
});

test("code of the page cannot put words into a batch", async () => {
  const page = open();
  await page.sent();
  const { exportSpans } = page.spanwire;
  const forged = '1},{"kind":"leave"';
  for (const count of [forged, "1", 0, -1, 1.5, NaN, Infinity, 2 ** 32, undefined, null, { valueOf: () => 1, toString: () => forged }, [1]]) {
    assert.throws(() => exportSpans({}, count), { name: "TypeError" }, `${count}`);
  }
  exportSpans({ toJSON: () => forged }, 1);
  exportSpans("\ud800\0", 1);
  for (const bad of [undefined, () => {}, 1n]) assert.throws(() => exportSpans(bad, 1), { name: "TypeError" });
  const messages = await page.sent();
  assert.deepEqual(messages.map(({ kind, data, type }) => [kind, data ?? type]), [
    ["spans", forged],
    ["spans", "\ud800\0"],
    ...Array(3).fill(["spans", "malformed"]),
  ]);
});

test("a processor that exports each span by itself has one message for each, and one batch for a turn", async () => {
  const page = open();
  await page.sent();
  const before = page.batches.length;
  const spanProcessors = [new SimpleSpanProcessor(new SpanwireSpanExporter())];
  const tracer = new BasicTracerProvider({ spanProcessors }).getTracer("page");
  for (let n = 0; n < 20; n++) tracer.startSpan(`n${n}`).end();
  assert.equal(inside(await page.sent()).length, 20);
  assert.equal(page.batches.length, before + 1);
});

test("a traceparent is the span's, and none of what is no span", () => {
  const tracer = new BasicTracerProvider().getTracer("page");
  const span = tracer.startSpan("click");
  const { traceId, spanId } = span.spanContext();
  assert.equal(traceparent(span), `00-${traceId}-${spanId}-01`);
  const unsampled = trace.wrapSpanContext({ traceId, spanId, traceFlags: TraceFlags.NONE });
  assert.equal(traceparent(unsampled), `00-${traceId}-${spanId}-00`);
  assert.equal(traceparent(trace.wrapSpanContext({ traceId: "0".repeat(32), spanId, traceFlags: 1 })), undefined);
  assert.equal(traceparent(trace.wrapSpanContext({ traceId, spanId: "0".repeat(16), traceFlags: 1 })), undefined);
});

test("the API's no-op span has no traceparent", () => {
  assert.equal(traceparent(trace.getTracer("nobody set one up").startSpan("x")), undefined);
});
