// What a finding is: a question of the engineer on call, the evidence that answers it, whose fault it is,
// and what to do. Alerts and `spanwire doctor --diagnose` are made from the same ones.

import type { Expr } from "../promql.js";
import { SeriesOf } from "../series.js";

/** Where in the app the time or the message is lost. */
export type Stage = "ui thread" | "handler" | "queue" | "wire" | "page" | "operation" | "host" | "app" | "telemetry";

/** Critical: users notice, now. Warning: look at it today. */
export type Severity = "critical" | "warning";

/** How a value is written: seconds, a share, bytes, how many, how many a second, or bytes a second. */
export type Unit = "s" | "1" | "By" | "{}" | "{}/s" | "By/s";

/** What an expression looks back over: the window of an alert, or the one that the doctor is given. */
export interface Lookback {
  /** Series with rates over the window. */
  readonly recent: SeriesOf;
  /** The same over two minutes at most, for what must not have happened at all. */
  readonly short: SeriesOf;
  /** The hour before the window, by which growth is judged. */
  readonly before: SeriesOf;
  /** From the begin of that hour until now, in seconds. */
  readonly beforeS: string;
  /** The window as a range selector has it. */
  readonly window: string;
  /** A little more than the window, in seconds. */
  readonly youngS: string;
  /** A duration as Prometheus writes it. */
  text(seconds: number): string;
  /** A time in seconds, as expressions compare with it. */
  seconds(seconds: number): number;
}

/** What takes the most of what the finding is about. */
export interface Culprit {
  /** What it says of each. Labels stand in braces, and so does `{value}`. */
  readonly says: string;
  readonly unit: Unit;
  readonly expr: (of: Lookback) => Expr;
}

/** What the finding makes of other findings. */
export interface Explanation {
  readonly ids: readonly string[];
  /** Labels that both must have in common, beside the instance. */
  readonly same: readonly string[];
  /** What the other calls such a label, where it is not the same. */
  readonly as?: Readonly<Record<string, string>>;
  /** Only where nothing is named as the other's culprit. */
  readonly ifUnblamed?: boolean;
  /** Only where the other's value is below this, in its unit. */
  readonly below?: number;
}

/** What the alert of a finding says. Templates of Prometheus are filled in. */
export interface AlertText {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
}

/** The spans to show an example of. Labels stand in braces. */
export interface TraceQuery {
  readonly operation?: string;
  readonly tags?: Readonly<Record<string, string>>;
  /** Only spans that took at least as long as the value. */
  readonly isSlow?: boolean;
}

export interface Finding {
  readonly id: string;
  readonly question: string;
  readonly stage: Stage;
  readonly severity: Severity;
  /** What it says when it holds. Labels stand in braces, and so does `{value}`. */
  readonly says: string;
  readonly unit: Unit;
  /** The evidence: a series for each case in which it holds, and no series otherwise. */
  readonly evidence: (of: Lookback) => Expr;
  readonly culprit?: Culprit;
  readonly explains?: readonly Explanation[];
  readonly remedy: string;
  readonly trace?: TraceQuery;
  readonly alert?: AlertText;
  /** Alerts that are about the same, and are made elsewhere. */
  readonly otherAlerts?: readonly string[];
}

/** The labels that a text has in braces. */
export const labelsIn = (text: string): string[] =>
  [...text.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name).filter((name) => name !== "value");

/** The doctor's: it writes its job and its window in place of what begins with a dollar. */
export const DOCTOR: Lookback = {
  recent: new SeriesOf(
    { target: 'job="$job"' },
    { range: "$window", youngS: "$young_s", restarts: "newest" },
  ),
  short: new SeriesOf({ target: 'job="$job"' }, { range: "$short", youngS: "$young_s", restarts: "newest" }),
  before: new SeriesOf({ target: 'job="$job"' }, { range: "$before", at: "offset $window" }),
  beforeS: "$before_s",
  window: "$window",
  youngS: "$young_s",
  text: (seconds) => `${seconds}s`,
  seconds: (seconds) => seconds,
};
