// Alerts are made from findings: name, severity, texts and runbook, and mostly the evidence too.

import { finding } from "../findings/index.js";
import type { Lookback } from "../findings/finding.js";
import type { Expr } from "../promql.js";
import { ANY, HOUR, type Alert, type Times } from "./rule.js";

/** What an alert looks back over. */
export function lookback(times: Times, seconds: number): Lookback {
  return {
    recent: times.over(seconds),
    short: times.over(Math.min(seconds, 120)),
    before: ANY.over({ range: times.text(HOUR), at: `offset ${times.text(seconds)}` }),
    beforeS: String(times.seconds(HOUR + seconds)),
    window: times.text(seconds),
    // As in `Times.over`: more than the window, since the first scrape comes after the start.
    youngS: String(times.seconds(1.2 * seconds)),
    text: (value) => times.text(value),
    seconds: (value) => times.seconds(value),
  };
}

interface Terms {
  /** How long it must hold, in seconds. */
  readonly forS?: number;
  readonly labels?: Readonly<Record<string, string>>;
}

/** The alert of a finding, whose evidence is over that time, or is made of what is recorded. */
export function alertOf(id: string, evidence: Lookback | Expr, terms: Terms = {}): Alert {
  const of = finding(id);
  if (!of.alert) {
    throw new Error(`the finding ${id} has no alert`);
  }
  return {
    alert: of.alert.name,
    expr: "recent" in evidence ? of.evidence(evidence) : evidence,
    severity: of.severity,
    summary: of.alert.summary,
    description: of.alert.description,
    ...terms,
  };
}
