// Names that dashboards use already and that `semconv.json` does not have yet.
//
// `semconv.json` wins: an entry that is in it has no effect here, and a test says that it can go.
// Where panels wait for names that nobody has settled, it says `LATER` (the spool on disk: see
// `dashboards/telemetry.ts` and `rules/telemetry.ts`).

import type { Metric } from "./semconv.js";

export const PENDING_METRICS: readonly Metric[] = [
  {
    name: "spanwire.ipc.process.duration",
    prometheus: "spanwire_ipc_process_duration_seconds",
    instrument: "histogram",
    unit: "s",
    attributes: ["webview.name", "ipc.event"],
    bounds: [],
  },
  {
    // It is there without the direction.
    name: "spanwire.ipc.transit.duration",
    prometheus: "spanwire_ipc_transit_duration_seconds",
    instrument: "histogram",
    unit: "s",
    attributes: ["webview.name", "ipc.direction"],
    bounds: [],
  },
  {
    name: "spanwire.main_thread.blocked",
    prometheus: "spanwire_main_thread_blocked_total",
    instrument: "counter",
    unit: "{handler}",
    attributes: ["webview.name", "ipc.event"],
    bounds: [],
  },
  {
    name: "spanwire.sampling.traces",
    prometheus: "spanwire_sampling_traces_total",
    instrument: "counter",
    unit: "{trace}",
    attributes: ["outcome", "sampling.reason"],
    bounds: [],
  },
  {
    name: "spanwire.sampling.early",
    prometheus: "spanwire_sampling_early_total",
    instrument: "counter",
    unit: "{trace}",
    attributes: ["sampling.reason"],
    bounds: [],
  },
  {
    name: "spanwire.sampling.spans.dropped",
    prometheus: "spanwire_sampling_spans_dropped_total",
    instrument: "counter",
    unit: "{span}",
    attributes: ["sampling.reason"],
    bounds: [],
  },
  {
    name: "spanwire.sampling.traces.held",
    prometheus: "spanwire_sampling_traces_held",
    instrument: "gauge",
    unit: "{trace}",
    attributes: [],
    bounds: [],
  },
  {
    name: "spanwire.sampling.spans.held",
    prometheus: "spanwire_sampling_spans_held",
    instrument: "gauge",
    unit: "{span}",
    attributes: [],
    bounds: [],
  },
  {
    name: "spanwire.page.spans",
    prometheus: "spanwire_page_spans_total",
    instrument: "counter",
    unit: "{span}",
    attributes: ["webview.name", "outcome", "error.type"],
    bounds: [],
  },
];

export const PENDING_ATTRIBUTES: readonly string[] = ["sampling.reason"];

/** Values of attributes that docs/telemetry.md does not list yet. */
export const PENDING_VALUES: Readonly<Record<string, readonly string[]>> = { outcome: ["kept"] };
