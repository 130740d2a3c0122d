// Series as an app that has everything would have them, made from `semconv.json`.

import { METRICS, prometheusLabel, type Metric } from "../src/semconv.js";

export interface InputSeries {
  readonly series: string;
  readonly values: string;
}

const TARGET = { job: "spanwire", instance: "app" };

/** Some values of each attribute; the queue of a webview has its name. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  "spanwire.webview.name": ["main"],
  "spanwire.ipc.direction": ["inbound", "outbound"],
  "spanwire.ipc.event": ["save"],
  "spanwire.queue.name": ["main", "jobs"],
  "spanwire.queue.worker.state": ["busy", "idle"],
  "spanwire.operation.name": ["load"],
  "spanwire.page.state": ["loading", "ready", "unresponsive", "gone"],
  "spanwire.page.load.type": ["first", "reload"],
  "browser.web_vital.name": ["fcp"],
  "browser.web_vital.rating": ["good"],
  "spanwire.measurement.name": ["fps"],
  "spanwire.measurement.category": ["render"],
  "spanwire.measurement.unit": ["1"],
  "spanwire.startup.phase": ["window", "first_paint"],
  "spanwire.threshold.kind": ["operation_error_rate"],
  "spanwire.webview.process.type": ["web"],
  "thread.name": ["app", "_OTHER"],
  "cpu.mode": ["user", "system"],
  "system.memory.state": ["used"],
  "otel.component.type": ["exporter"],
  "otel.component.name": ["exporter/0"],
  "server.address": ["localhost"],
  "server.port": ["4318"],
  "spanwire.sampling.reason": ["slow", "trace_full"],
};

/** How something ends, with the reason. */
const ENDS: readonly Readonly<Record<string, string>>[] = [
  { "spanwire.outcome": "ok" },
  { "spanwire.outcome": "kept" },
  { "spanwire.outcome": "spooled" },
  { "spanwire.outcome": "replayed" },
  { "spanwire.outcome": "written" },
  { "spanwire.outcome": "failed", "error.type": "handler_error" },
  { "spanwire.outcome": "dropped", "error.type": "queue_full" },
];

function labelSets(of: Metric): Record<string, string>[] {
  const takes = (name: string): boolean => of.attributes.includes(name);
  const ends = takes("spanwire.outcome") ? ENDS : takes("error.type") ? [{}, { "error.type": "failed" }] : [{}];
  let sets: Record<string, string>[] = ends.map((end) =>
    Object.fromEntries(Object.entries(end).filter(([name]) => takes(name))),
  );
  for (const name of of.attributes.filter((name) => name !== "spanwire.outcome" && name !== "error.type")) {
    const values = VALUES[name];
    if (!values) {
      throw new Error(`test/series.ts has no value of ${name}`);
    }
    sets = sets.flatMap((set) => values.map((value) => ({ ...set, [name]: value })));
  }
  return sets;
}

export function series(name: string, labels: Record<string, string>, values: string): InputSeries {
  const all = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return { series: `${name}{${all.join(", ")}}`, values };
}

function seriesOf(metric: Metric): InputSeries[] {
  return labelSets(metric).flatMap((attributes) => {
    const named = Object.entries(attributes).map(([name, value]) => [prometheusLabel(name), value]);
    const labels = { ...TARGET, ...(Object.fromEntries(named) as Record<string, string>) };
    const rising = "0+10x100";
    if (metric.instrument !== "histogram") {
      const values = metric.instrument === "counter" ? rising : "1x100";
      return [series(metric.prometheus, labels, values)];
    }
    // One without bounds has no buckets.
    const bounds = metric.bounds.length > 0 ? [...metric.bounds.map(String), "+Inf"] : [];
    return [
      ...bounds.map((le) => series(`${metric.prometheus}_bucket`, { ...labels, le }, rising)),
      series(`${metric.prometheus}_sum`, labels, "0+1x100"),
      series(`${metric.prometheus}_count`, labels, rising),
    ];
  });
}

/** An app that has every series, beside a target that is down. */
export const everything: readonly InputSeries[] = [
  ...METRICS.flatMap(seriesOf),
  ...["up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_series_added"].map((name) =>
    series(name, TARGET, "1x100"),
  ),
  series("up", { ...TARGET, instance: "down" }, "0x100"),
  series("target_info", { ...TARGET, service_name: "paint-tool", service_version: "1", spanwire_tauri_way: "seam" }, "1x100"),
];
