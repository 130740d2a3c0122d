// Recording rules and alerts, and how they become the files that Prometheus reads.

import { stringify } from "yaml";
import { binary, Expr, type Matching } from "../promql.js";
import { runbookFile } from "../runbooks.js";
import { label, metric } from "../semconv.js";
import { INSTANCE, JOB, TARGET } from "../server.js";
import { SeriesOf, type Window } from "../series.js";

/** Times as rules have them, all of them divided by a factor for who cannot wait for an hour. */
export class Times {
  constructor(private readonly shrink: number) {}

  /** A duration as Prometheus writes it. */
  text(seconds: number): string {
    const ms = Math.round((seconds * 1_000) / this.shrink);
    // The largest unit that divides it: Prometheus takes whole numbers alone.
    const unit = UNITS.find(([size]) => ms % size === 0) ?? UNITS[UNITS.length - 1]!;
    return `${ms / unit[0]}${unit[1]}`;
  }

  /** A time in seconds, as expressions compare with it. */
  seconds(seconds: number): number {
    return seconds / this.shrink;
  }

  /**
   * Spanwire's series, with rates over that time. What counts is the newest process of each instance: an
   * app that was started anew begins without the alerts of the one before, but for those of a budget.
   */
  over(seconds: number, restarts: Window["restarts"] = "newest"): SeriesOf {
    const youngS = String((1.2 * seconds) / this.shrink);
    return new SeriesOf({ target: "" }, { range: this.text(seconds), youngS, restarts });
  }
}

const UNITS = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "m"],
  [1_000, "s"],
  [1, "ms"],
] as const;

export const MINUTE = 60;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** What is computed at each evaluation and kept. */
export interface Recording {
  readonly record: string;
  readonly expr: Expr;
}

/** A recorded series; matchers by Prometheus' labels. */
export function recorded(
  { record, expr }: Recording,
  matchers: Readonly<Record<string, string>> = {},
): Expr {
  expr.need(Object.keys(matchers));
  const all = Object.entries(matchers).map(([name, matcher]) => `${name}${matcher}`);
  return new Expr(all.length > 0 ? `${record}{${all.join(", ")}}` : record, expr.labels);
}

/** A function of a series over time, such as `max_over_time`. */
export function overTime(name: string, series: Expr, window: string, ago?: string): Expr {
  const offset = ago === undefined ? "" : ` offset ${ago}`;
  return new Expr(`${name}(${series.text}[${window}]${offset})`, series.labels);
}

/** Critical: users notice, now. Warning: somebody should look, today. */
export type Severity = "critical" | "warning";

export interface Alert {
  readonly alert: string;
  readonly expr: Expr;
  /** How long it must hold, in seconds. */
  readonly forS?: number;
  readonly severity: Severity;
  readonly labels?: Readonly<Record<string, string>>;
  readonly summary: string;
  /** `{{ $labels.x }}` and `{{ $value }}` are filled in. */
  readonly description: string;
}

export interface Group {
  readonly name: string;
  /** What the file's head says. */
  readonly about: string;
  readonly recordings: readonly Recording[];
  readonly alerts: readonly Alert[];
}

export function ruleFile(group: Group, times: Times): string {
  const rules = [
    ...group.recordings.map(({ record, expr }) => ({ record, expr: expr.text })),
    ...group.alerts.map((alert) => alertRule(alert, times)),
  ];
  const file = { groups: [{ name: `spanwire-${group.name}`, rules }] };
  const head = [
    group.about,
    "Needs Prometheus 2.42 or newer, and no feature flag. For exemplars it takes --enable-feature=exemplar-storage,",
    "for metrics over OTLP --web.enable-otlp-receiver (before 3.0 --enable-feature=otlp-write-receiver, since 2.47).",
    "Built from grafana/src/rules by `npm --prefix grafana run build`.",
  ];
  const comment = head.map((line) => `# ${line}\n`).join("");
  // `lineWidth: 0` folds no line: an expression has its own line breaks.
  return `${comment}\n${stringify(file, { lineWidth: 0 })}`;
}

function alertRule(of: Alert, times: Times): object {
  const labels = { severity: of.severity, ...of.labels };
  const texts = [of.summary, of.description, ...Object.values(labels)];
  for (const text of texts) {
    // At build time: Prometheus would write an empty text for a label that the alert's series lack.
    of.expr.need([...text.matchAll(/\$labels\.(\w+)/g)].map(([, name]) => name ?? ""));
  }
  return {
    alert: of.alert,
    expr: of.expr.text,
    ...(of.forS === undefined ? {} : { for: times.text(of.forS) }),
    labels,
    annotations: {
      summary: of.summary,
      description: of.description,
      runbook: runbookFile(of.alert),
    },
  };
}

/** A threshold in force, which is a gauge of each instance. */
export interface Threshold {
  readonly gauge: string;
  /** A template's function that makes it readable. */
  readonly format: "humanizePercentage" | "humanizeDuration";
}

export const ERROR_RATE: Threshold = {
  gauge: "spanwire.error_rate.threshold",
  format: "humanizePercentage",
};
export const SLOW_MESSAGE: Threshold = {
  gauge: "spanwire.ipc.slow.threshold",
  format: "humanizeDuration",
};

/** Where a series is above the threshold that its instance has. */
export function aboveThreshold(left: Expr, { gauge }: Threshold): Expr {
  // An instance has one threshold and many series.
  const matching: Matching = { on: TARGET, groupLeft: [] };
  return binary(left, ">", ANY.gauge(gauge), matching);
}

/** The threshold in force as a label's text. */
export function thresholdLabel({ gauge, format }: Threshold): string {
  const selector = `${metric(gauge).prometheus}{${JOB}=%q, ${INSTANCE}=%q}`;
  const query = `printf ${JSON.stringify(selector)} $labels.${JOB} $labels.${INSTANCE} | query`;
  return `{{ with ${query} }}{{ . | first | value | ${format} }}{{ end }}`;
}

/** Series without a time: gauges. */
export const ANY = new SeriesOf({ target: "" }, { range: "5m" });

/** The labels as they appear in a text. */
export const WEBVIEW = label("spanwire.webview.name");
export const AT = `{{ $labels.${INSTANCE} }}`;
export const IN_WEBVIEW = `webview {{ $labels.${WEBVIEW} }} of ${AT}`;
