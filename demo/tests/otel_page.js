"use strict";
// What `otel_page.rs` has a page do that has the example's SDK, behind what the example does itself.
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const request = (spans) => ({ resourceSpans: [{ scopeSpans: [{ spans }] }] });
const span = (changes) => {
  const now = `${Date.now()}000000`;
  return { traceId: TRACE, spanId: "b7ad6b7169203331", name: "hostile", startTimeUnixNano: now, endTimeUnixNano: now, ...changes };
};
const times = (length, item) => Array.from({ length }, (_, at) => item(at));
const nested = (depth) => (depth ? { arrayValue: { values: [nested(depth - 1)] } } : { stringValue: "bottom" });
const HOSTILE = [
  null, 7, "resourceSpans", [], {}, { resourceSpans: 7 }, { resourceSpans: times(200_000, () => ({})) },
  request([null, 7, "span", {}]),
  request([span({ traceId: "0".repeat(32) }), span({ spanId: "xyz" }), span({ parentSpanId: "ab" })]),
  request([span({ startTimeUnixNano: NaN }), span({ startTimeUnixNano: "NaN" }), span({ endTimeUnixNano: -1 }), span({ startTimeUnixNano: "1" })]),
  request([span({ attributes: times(20_000, (at) => ({ key: `k${at}`, value: { intValue: at } })) })]),
  request([span({ attributes: times(100_000, (at) => ({ key: `k${at}`, value: { intValue: at } })) })]), // beyond a batch
  request([span({ attributes: [{ key: "deep", value: nested(15) }] })]),
  request([span({ attributes: [{ key: "deep", value: nested(1_000) }] })]), // beyond the wire's depth
  request([span({ name: "\ud800\0<\/script>", kind: 1e9, flags: -1 })]),
  request(times(50_000, () => ({}))),
];

const run = async () => {
  const { exportSpans } = spanwire;
  for (const bad of HOSTILE) {
    try {
      exportSpans(bad, 1);
    } catch (error) {
      if (!["TOO_LARGE", "MALFORMED"].includes(error.code)) throw error;
    }
    await null;
  }
  // What the host counts is within the rate of a second, or beyond: a new second for what follows.
  await pause(1_200);
  for (let n = 0; n < 1_500; n++) tracer.startSpan("many").end();
  await flush();
  await pause(1_200);
  tracer.startSpan("after").end();
  tracer.startSpan("half \ud83d", { attributes: { large: 1e20, list: [1.5, -Infinity, 3] } }).end();
  await flush();
};

(async () => {
  const plain = await spanwire.invoke("is.plain");
  if (plain) {
    tracer.startSpan("refused").end();
    const told = await flush().then(() => "it was taken", (error) => error.message);
    await spanwire.invoke("told", told);
  } else await run();
  spanwire.emit("finished");
})().catch((error) => spanwire.invoke("failed", `${error}`));
