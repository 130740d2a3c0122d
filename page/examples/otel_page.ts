// The page of `demo/examples/otel_page.rs`: its own OpenTelemetry SDK, and spans that go over the wire.

import { ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { emit, invoke } from "spanwire";
import { SpanwireSpanExporter, traceparent } from "spanwire/opentelemetry";

const processor = new BatchSpanProcessor(new SpanwireSpanExporter());
const tracer = new BasicTracerProvider({ spanProcessors: [processor] }).getTracer("gallery.page");

const open = async (picture: string): Promise<void> => {
  const click = tracer.startSpan("open picture", { attributes: { "picture.name": picture } });
  // Said and not found out: a page cannot know behind an `await` what it runs for.
  const within = trace.setSpan(ROOT_CONTEXT, click);
  // The call, and what Rust does for it, become children of this page's span.
  const size = await invoke<number>("picture.load", picture, { traceparent: traceparent(click) });
  const draw = tracer.startSpan("draw", {}, within);
  document.querySelector("p")?.replaceChildren(`${picture} has ${size} pixels`);
  draw.end();
  click.end();
};

document.querySelector("button")?.addEventListener("click", () => void open("sunset"));

const start = async (): Promise<void> => {
  await open("sunrise");
  // The SDK exports every five seconds, and when the page is hidden. This page is too curious.
  await processor.forceFlush();
  emit("opened");
};

// To play with in the inspector.
Object.assign(window, { tracer, flush: () => processor.forceFlush() });
void start();
