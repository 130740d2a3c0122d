// Whether the other dashboards can be believed: what was exported, and what was lost on the way.

import { chosen, type Board, type Row } from "../board.js";
import { LOST, LOST_BY_SAMPLER, LOST_BY_SPOOL } from "../outcomes.js";
import { card, chart, NOTHING, RED, YELLOW } from "../panels.js";
import { aggregate, and, binary, number, or, orZeroOf, ratio, sum, type Expr } from "../promql.js";
import { label } from "../semconv.js";
import { INSTANCE, JOB, SCRAPE_NEW_SERIES, SCRAPE_SAMPLES, SCRAPE_SECONDS, TARGET, UP } from "../server.js";
import { is } from "../series.js";
import { ERROR_THRESHOLD, orZero, totalShown } from "../shared.js";
import { target } from "../targets.js";
import { ITEMS_PER_S, REQUESTS_PER_S, SPANS_PER_S, TRACES_PER_S } from "../units.js";

const SPANS = "otel.sdk.exporter.span.exported";
const LOGS = "otel.sdk.exporter.log.exported";
const POINTS = "otel.sdk.exporter.metric_data_point.exported";
const SPANS_PROCESSED = "otel.sdk.processor.span.processed";
const LOGS_PROCESSED = "otel.sdk.processor.log.processed";
const TRACES = "spanwire.sampling.traces";
const SPOOL_ITEMS = "spanwire.spool.items";

const COMPONENT = label("otel.component.type");
const ERROR = label("error.type");
const OUTCOME = label("spanwire.outcome");
const REASON = label("spanwire.sampling.reason");

const TAKEN = { "error.type": is("") };

/** Of the targets that are apps: those of the stack itself would hide them. */
const ofApps = (expr: Expr): Expr => and(expr, chosen.gauge(ERROR_THRESHOLD), TARGET);

const NOT_OVER_OTLP = "not exported over OTLP";
const NO_SPOOL = "no spool folder";
const OTHER_SAMPLER = "another sampler decides";

const byComponent = (expr: Expr): Expr => sum(expr, COMPONENT, ERROR);

const overview: Row = [
  "Overview",
  card({
    title: "Apps heard from",
    description: "Instances whose metrics arrive.",
    unit: "none",
    decimals: 0,
    width: 4,
    targets: [target("apps", aggregate("count", [], chosen.gauge("spanwire.error_rate.threshold")))],
    none: "no app",
  }),
  card({
    title: "Targets down",
    description:
      "Targets that Prometheus cannot scrape now, by name. Apps that push over OTLP are no targets and do not show here.",
    unit: "none",
    decimals: 0,
    width: 4,
    named: true,
    words: [[1, "down"]],
    still: true,
    targets: [
      target(
        `{{${JOB}}} {{${INSTANCE}}}`,
        // `count` turns the 0 of a target that is down into a 1, which the card shows as a word.
        aggregate("count", TARGET, binary(chosen.server(UP), "==", number(0))),
      ),
    ],
    none: "none",
    steps: [[0.5, RED]],
  }),
  card({
    title: "Spans exported",
    description: "Spans per second that the collector took.",
    unit: SPANS_PER_S,
    width: 4,
    targets: [target("spans", sum(chosen.rate(SPANS, TAKEN)))],
    none: "not exported",
  }),
  card({
    title: "Lost",
    description:
      "Spans and log records that the collector did not take, or that had no room to wait for it, in memory or on disk, in the time shown.",
    unit: "none",
    decimals: 0,
    width: 4,
    still: true,
    targets: [
      target(
        "lost",
        totalShown((of) =>
          or(
            byComponent(of.grown(SPANS, LOST)),
            byComponent(of.grown(LOGS, LOST)),
            byComponent(of.grown(SPANS_PROCESSED, LOST)),
            byComponent(of.grown(LOGS_PROCESSED, LOST)),
            // It has no component among its labels, so `or` keeps it beside the others.
            sum(of.grown(SPOOL_ITEMS, LOST_BY_SPOOL), ERROR),
          ),
        ),
      ),
    ],
    steps: [[0.5, RED]],
  }),
  card({
    title: "Series",
    description: "Time series of the apps chosen.",
    unit: "none",
    decimals: 0,
    width: 4,
    targets: [target("series", aggregate("count", [], chosen.everything()))],
  }),
  card({
    title: "Slowest scrape",
    description:
      "How long the slowest app takes to answer. Close to the scrape's timeout values get lost.",
    unit: "s",
    width: 4,
    targets: [target("slowest", aggregate("max", [], ofApps(chosen.server(SCRAPE_SECONDS))))],
    steps: [
      [0.1, YELLOW],
      [0.5, RED],
    ],
    none: "not scraped",
  }),
];

const exported: Row = [
  "Export",
  chart({
    title: "Exported",
    description: "What the collector took per second, by signal.",
    unit: ITEMS_PER_S,
    width: 8,
    none: NOT_OVER_OTLP,
    targets: [
      target("spans", sum(chosen.rate(SPANS, TAKEN))),
      target("log records", sum(chosen.rate(LOGS, TAKEN))),
      target("metric points", sum(chosen.rate(POINTS, TAKEN))),
    ],
  }),
  chart({
    title: "Not exported, by reason",
    description:
      "What the collector did not take, per second. Spans and log records are lost; metric points are not, since the next export carries their sums.",
    unit: ITEMS_PER_S,
    bad: true,
    width: 8,
    bars: true,
    stacked: true,
    none: NOTHING,
    targets: [SPANS, LOGS, POINTS].map((name) =>
      target(`{{${COMPONENT}}} {{${ERROR}}}`, byComponent(chosen.grownRate(name, LOST))),
    ),
  }),
  chart({
    title: "Dropped before the export, by reason",
    description:
      "Spans and log records per second that had no room in the queue to the exporter: more came than the collector took.",
    unit: ITEMS_PER_S,
    bad: true,
    width: 8,
    bars: true,
    stacked: true,
    none: NOTHING,
    targets: [SPANS_PROCESSED, LOGS_PROCESSED].map((name) =>
      target(`{{${COMPONENT}}} {{${ERROR}}}`, byComponent(chosen.grownRate(name, LOST))),
    ),
  }),
  chart({
    title: "Queues to the exporters",
    description: "How full the queues of spans and log records are that wait for their export.",
    unit: "percentunit",
    decimals: 1,
    width: 12,
    max: 1,
    none: NOT_OVER_OTLP,
    targets: (["span", "log"] as const).map((signal) =>
      target(
        `{{${INSTANCE}}} {{${COMPONENT}}}`,
        binary(
          chosen.gauge(`otel.sdk.processor.${signal}.queue.size`),
          "/",
          chosen.gauge(`otel.sdk.processor.${signal}.queue.capacity`),
        ),
      ),
    ),
  }),
  chart({
    title: "Spans of the page's own SDK",
    description:
      "Spans per second that an OpenTelemetry SDK in the page sent, by what became of them.",
    unit: SPANS_PER_S,
    width: 12,
    none: "no SDK in the page",
    targets: [
      target(
        `{{${OUTCOME}}} {{${ERROR}}}`,
        sum(chosen.rate("spanwire.page.spans"), OUTCOME, ERROR),
      ),
    ],
  }),
];

const spool: Row = [
  "Spool",
  chart({
    title: "Waiting on disk",
    description:
      "Spans and log records that wait for the collector, in bytes. Nothing shows where no folder for them was given.",
    unit: "bytes",
    width: 8,
    none: NO_SPOOL,
    targets: [
      target(
        `{{${INSTANCE}}}`,
        aggregate("max", [INSTANCE], chosen.gauge("spanwire.spool.size")),
      ),
    ],
  }),
  chart({
    title: "Spooled and replayed",
    description:
      "Spans and log records per second that were put on disk, and that the collector took afterwards. What an earlier process left is replayed, too.",
    unit: ITEMS_PER_S,
    width: 8,
    none: NO_SPOOL,
    targets: [
      target("spooled", sum(chosen.rate(SPOOL_ITEMS, { "spanwire.outcome": is("spooled") }))),
      target("replayed", sum(chosen.rate(SPOOL_ITEMS, { "spanwire.outcome": is("replayed") }))),
    ],
  }),
  chart({
    title: "Given up on disk, by reason",
    description:
      "Spans and log records per second that were on disk and are lost: something newer needed the room, the files were damaged, or the collector does not want them.",
    unit: ITEMS_PER_S,
    bad: true,
    none: NOTHING,
    width: 8,
    bars: true,
    stacked: true,
    targets: [
      target(`{{${ERROR}}}`, sum(chosen.grownRate(SPOOL_ITEMS, LOST_BY_SPOOL), ERROR)),
    ],
  }),
];

const sampling: Row = [
  "Sampling",
  chart({
    title: "Traces by verdict",
    description:
      "Traces that were decided per second: kept since they failed, were slow, slower than usual, or within the rate; or dropped. Nothing shows where the sampler is another one.",
    unit: TRACES_PER_S,
    width: 8,
    stacked: true,
    none: OTHER_SAMPLER,
    targets: [
      target(`{{${OUTCOME}}} {{${REASON}}}`, sum(chosen.rate(TRACES), OUTCOME, REASON)),
    ],
  }),
  chart({
    title: "Share of traces that is kept",
    description:
      "What a count over kept traces has to be divided by. Failed and slow ones are always kept.",
    unit: "percentunit",
    decimals: 1,
    width: 8,
    max: 1,
    none: OTHER_SAMPLER,
    targets: [
      target(
        "kept",
        ratio(
          // While nothing is kept the series may not exist, and the share is 0 and not unknown.
          orZero(sum(chosen.rate(TRACES, { "spanwire.outcome": is("kept") }))),
          sum(chosen.rate(TRACES)),
        ),
      ),
    ],
  }),
  chart({
    title: "Waiting for their verdict",
    description:
      "Traces that are not decided yet, and their spans that have ended. They are held in memory, up to a bound.",
    unit: "none",
    decimals: 0,
    width: 8,
    none: OTHER_SAMPLER,
    targets: [
      target("traces", sum(chosen.gauge("spanwire.sampling.traces.held"))),
      target("spans", sum(chosen.gauge("spanwire.sampling.spans.held"))),
    ],
  }),
  chart({
    title: "Decided early",
    description:
      "Traces per second that were decided while a span of theirs was open. More than a few for traces_full or spans_full mean that the bounds are too small.",
    unit: TRACES_PER_S,
    width: 8,
    bars: true,
    targets: [target(`{{${REASON}}}`, sum(chosen.grownRate("spanwire.sampling.early"), REASON))],
  }),
  chart({
    title: "Spans that the sampler lost",
    description:
      "Spans per second beyond a trace's bound (trace_full), or that ended after their trace was forgotten (late). Those of traces that were dropped on purpose do not count.",
    unit: SPANS_PER_S,
    bad: true,
    width: 8,
    bars: true,
    targets: [
      target(
        `{{${REASON}}}`,
        sum(chosen.grownRate("spanwire.sampling.spans.dropped", LOST_BY_SAMPLER), REASON),
      ),
    ],
  }),
  chart({
    title: "Spans that were not compared",
    description:
      "Spans per second that were not judged by what is usual for their name, since as many names are known as may be.",
    unit: SPANS_PER_S,
    bad: true,
    width: 8,
    bars: true,
    targets: [target("spans", sum(chosen.grownRate("spanwire.sampling.spans.unjudged")))],
  }),
];

const byInstance = (name: string): Expr => aggregate("max", [INSTANCE], ofApps(chosen.server(name)));

const history: Row = [
  "History",
  chart({
    title: "Records of the history",
    description:
      "Records per second for the history on the app's machine: written to its file, or dropped since its queue was full or the file could not be written.",
    unit: ITEMS_PER_S,
    width: 24,
    none: "no history",
    targets: [
      target(`{{${OUTCOME}}}`, sum(chosen.rate("spanwire.history.records"), OUTCOME)),
    ],
  }),
];

const scrape: Row = [
  "Scrape",
  chart({
    title: "Scrape time",
    description: "How long each app takes to answer Prometheus.",
    unit: "s",
    width: 6,
    none: "not scraped",
    targets: [target(`{{${INSTANCE}}}`, byInstance(SCRAPE_SECONDS))],
  }),
  chart({
    title: "Series by instance",
    description:
      "Series of each app that is scraped, and those that were new with the last scrape. Names are capped, so it levels off.",
    unit: "none",
    decimals: 0,
    width: 6,
    none: "not scraped",
    targets: [
      target(`{{${INSTANCE}}}`, byInstance(SCRAPE_SAMPLES)),
      target(`new {{${INSTANCE}}}`, byInstance(SCRAPE_NEW_SERIES)),
    ],
  }),
  chart({
    title: "Turned away by the endpoint",
    description:
      "Connections and requests per second that the app's Prometheus endpoint refused: too many at once, or a Host that is not allowed.",
    unit: REQUESTS_PER_S,
    bad: true,
    width: 6,
    bars: true,
    targets: [target(`{{${ERROR}}}`, sum(chosen.grownRate("spanwire.endpoint.refused"), ERROR))],
  }),
  chart({
    title: "Metrics left out by the endpoint",
    description:
      "Metrics of the app's own that have the name of another on its Prometheus endpoint. Its log names them once.",
    unit: "none",
    decimals: 0,
    width: 6,
    targets: [
      target(
        `{{${INSTANCE}}}`,
        // The metric is there only where something is left out.
        orZeroOf(
          aggregate("max", [INSTANCE], chosen.gauge("spanwire.endpoint.metric.conflicts")),
          aggregate("max", [INSTANCE], chosen.gauge(ERROR_THRESHOLD)),
        ),
      ),
    ],
  }),
];

export const telemetry: Board = {
  name: "telemetry",
  title: "Spanwire / Telemetry health",
  description:
    "Whether the other dashboards can be believed: what was exported, dropped and sampled, and what a scrape costs.",
  rows: [overview, exported, spool, sampling, history, scrape],
};
