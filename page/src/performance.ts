// The performance client of older systems, over what the page script has: metrics go to the host by
// `record`, and the page keeps the last of them for its snapshots.

import type { Spanwire } from "./api.js";
import { MISSING, refusal } from "./error.js";

/** What a metric belongs to: one of these, or a name of the app's own. */
export type MetricCategory =
  | "network"
  | "rendering"
  | "cpu"
  | "memory"
  | "gpu"
  | "storage"
  | "ipc"
  | "user_experience"
  // Of any text, of which an editor knows the others.
  | (string & {});

/** A value that was measured at some time. */
export interface Metric {
  /** Tells it apart; records of one id are values of one thing. */
  readonly id: string;
  /** What was measured, as an event is named: use few, fixed names. */
  readonly name: string;
  /** `Rendering` and `UserExperience` are taken for `rendering` and `user_experience`. */
  readonly category: MetricCategory;
  /** A finite number. */
  readonly value: number;
  /** Best as UCUM writes it: `ms`, `By`, `%`. None when it is empty or left out. */
  readonly unit?: string | undefined;
  /** Milliseconds since 1970. Default: now. */
  readonly timestamp?: number | undefined;
  /** What else is known of it. It stays in the page. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** A metric as the client keeps it. */
export interface RecordedMetric extends Metric {
  readonly unit: string;
  readonly timestamp: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The page at one moment. */
export interface Snapshot {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  /** Of each id the last metric that was recorded. */
  readonly metrics: readonly RecordedMetric[];
  /** Bytes of the page's JavaScript heap; `null` where the engine does not tell, as WebKit does not. */
  readonly memory_usage: number | null;
  /** Always `null`: no engine tells a page. The host's client has the processes' share. */
  readonly cpu_usage: null;
  /** How many metrics it has. */
  metric_count(): number;
}

/** Records metrics and takes snapshots of the page. */
export interface PerformanceClient {
  /**
   * Records a metric: the host gets its name, category, unit and value, and exports the last value.
   *
   * Rejects with `INVALID_NAME` or `MALFORMED` where it is not valid, and with `BACKEND_GONE` outside
   * of a Spanwire webview and where the host does not listen any more.
   */
  record_metric(metric: Metric): Promise<void>;
  /** The metrics that were recorded last, the oldest first; at most 1,000. */
  get_metrics(): Promise<RecordedMetric[]>;
  /** The last metric of that id, if it is kept. */
  get_metric(id: string): Promise<RecordedMetric | undefined>;
  /** Looks at the page now. */
  create_snapshot(): Promise<Snapshot>;
}

/** Beyond it the oldest metric goes. */
const METRICS_MAX = 1_000;

const find = (): Spanwire | undefined => (typeof window === "undefined" ? undefined : window.spanwire);

const categoryName = (category: string): string => category.replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase();

const heapBytes = (): number | null => {
  const { memory } = performance as Performance & { memory?: { usedJSHeapSize?: unknown } };
  const used = memory?.usedJSHeapSize;
  return typeof used === "number" ? used : null;
};

const newId = (): string => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
};

/** A client of this page. Each keeps metrics of its own. */
export const createPerformanceClient = (): PerformanceClient => {
  let metrics: RecordedMetric[] = [];

  const record = ({ id, name, category, value, unit, timestamp, metadata }: Metric): void => {
    if (typeof id !== "string" || id === "") throw refusal("MALFORMED", "a metric's id is empty");
    if (typeof value !== "number" || !Number.isFinite(value)) {
      throw refusal("MALFORMED", "a metric's value is not a finite number");
    }
    if (typeof category !== "string") throw refusal("MALFORMED", "a metric's category is no text");
    const spanwire = find();
    if (!spanwire) throw refusal("BACKEND_GONE", MISSING);
    const group = categoryName(category);
    const options = unit ? { category: group, unit } : { category: group };
    if (!spanwire.record(name, value, options)) {
      throw refusal("BACKEND_GONE", "the host does not listen any more");
    }
    metrics.push({
      id,
      name,
      category: group,
      value,
      unit: unit ?? "",
      timestamp: timestamp ?? Date.now(),
      metadata: { ...metadata },
    });
    if (metrics.length > METRICS_MAX) metrics = metrics.slice(-METRICS_MAX);
  };

  const last = (): RecordedMetric[] => {
    const byId = new Map<string, RecordedMetric>();
    for (const metric of metrics) {
      // A metric that is recorded again moves to the end.
      byId.delete(metric.id);
      byId.set(metric.id, metric);
    }
    return [...byId.values()];
  };

  // Each is async, so that what is thrown rejects the promise.
  return Object.freeze({
    record_metric: async (metric: Metric) => record(metric),
    get_metrics: async () => [...metrics],
    get_metric: async (id: string) => last().find((metric) => metric.id === id),
    create_snapshot: async () => {
      const taken = last();
      return Object.freeze({
        id: newId(),
        timestamp: Date.now(),
        metrics: taken,
        memory_usage: heapBytes(),
        cpu_usage: null,
        metric_count: () => taken.length,
      });
    },
  });
};
