// The names that Spanwire emits, from `semconv.json`: what is not in there throws, so no dashboard
// and no alert can ask for it.

import { read, SEMCONV } from "./files.js";

export interface Metric {
  readonly name: string;
  /** What Prometheus calls it; of a histogram without `_bucket`, `_sum` and `_count`. */
  readonly prometheus: string;
  readonly instrument: "counter" | "updowncounter" | "gauge" | "histogram";
  readonly unit: string;
  readonly attributes: readonly string[];
  readonly bounds: readonly number[];
}

interface Semconv {
  readonly metrics: readonly Metric[];
  readonly attributes: readonly string[];
  readonly errorTypes: readonly string[];
  readonly exportErrorTypes: readonly string[];
}

/** What semconv.json says. */
export const NAMES = JSON.parse(read(SEMCONV)) as Semconv;

const byName = new Map(NAMES.metrics.map((metric) => [metric.name, metric]));
const attributes = new Set(NAMES.attributes);
const errorTypes = new Set([...NAMES.errorTypes, ...NAMES.exportErrorTypes]);

/** What to do about a name that is not there. */
const IF_NEW = `in ${SEMCONV}; if it is new in src/semconv.rs, \`make semconv ARGS=--write\` puts it there`;

export const METRICS: readonly Metric[] = NAMES.metrics;

/** The metric of that dotted name. */
export function metric(name: string): Metric {
  const found = byName.get(name);
  if (!found) {
    throw new Error(`no metric ${name} ${IF_NEW}`);
  }
  return found;
}

/** The type that Prometheus has for a metric: it knows no up-down counters. */
export function prometheusType(of: Metric): "counter" | "gauge" | "histogram" {
  return of.instrument === "updowncounter" ? "gauge" : of.instrument;
}

/** What Prometheus calls an attribute. */
export function label(attribute: string): string {
  if (!attributes.has(attribute)) {
    throw new Error(`no attribute ${attribute} ${IF_NEW}`);
  }
  return prometheusLabel(attribute);
}

export function prometheusLabel(attribute: string): string {
  return attribute.replaceAll(".", "_");
}

/** A value of `error.type` that is in its closed set. */
export function errorType(value: string): string {
  if (!errorTypes.has(value)) {
    throw new Error(`no error type ${value} ${IF_NEW}`);
  }
  return value;
}
