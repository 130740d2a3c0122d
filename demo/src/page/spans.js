"use strict";

// A span of the page's own, as OTLP JSON. A page with an OpenTelemetry SDK has SpanwireSpanExporter
// write this; one span needs no SDK.

const randomId = (bytes) =>
  [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

const unixNano = (time) => `${Math.round((performance.timeOrigin + time) * 1_000)}000`;

const exportSpan = (name, started) => {
  const span = {
    traceId: randomId(16),
    spanId: randomId(8),
    name,
    kind: 1,
    startTimeUnixNano: unixNano(started),
    endTimeUnixNano: unixNano(performance.now()),
  };
  spanwire.exportSpans({ resourceSpans: [{ scopeSpans: [{ scope: { name: "lightbox" }, spans: [span] }] }] }, 1);
};

// From now until the picture is there.
const spanUntilLoaded = (name, image) => {
  const started = performance.now();
  image.addEventListener("load", () => exportSpan(name, started), { once: true });
};
