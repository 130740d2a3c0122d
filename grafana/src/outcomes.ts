// What counts as a success, in one place for dashboards, alerts and objectives.

import { call, complement, or, ratio, sum, times, vector, type Expr } from "./promql.js";
import { errorType } from "./semconv.js";
import { is, isNot, noneOf, oneOf, type SeriesOf, type Where } from "./series.js";

/**
 * Ends that are nobody's failure: a newer message took the place, the app was closed, or the page
 * gave the call up. They are neither successes nor failures.
 */
const NOBODYS_FAULT = ["superseded", "shutdown", "cancelled"].map(errorType);

/** Messages that succeeded or failed. */
export const JUDGED: Where = { "error.type": noneOf(...NOBODYS_FAULT) };
/** Those that failed or were dropped. */
export const FAILED: Where = { "spanwire.outcome": isNot("ok"), ...JUDGED };
/** Those that were lost on the way. */
export const DROPPED: Where = { "spanwire.outcome": is("dropped"), ...JUDGED };

/** Operations that succeeded or failed, and those that failed. */
export const JUDGED_OPERATIONS: Where = { "error.type": isNot(errorType("cancelled")) };
export const FAILED_OPERATIONS: Where = { "error.type": noneOf("", errorType("cancelled")) };

/** Spans and log records that the collector did not take, or that had no room to wait. */
export const LOST: Where = { "error.type": isNot("") };
/** What was given up on disk. */
export const LOST_BY_SPOOL: Where = { "spanwire.outcome": is("dropped") };
/** Spans that the sampler lost, and did not leave out on purpose. */
export const LOST_BY_SAMPLER: Where = { "spanwire.sampling.reason": oneOf("trace_full", "late") };

export const MESSAGES = "spanwire.ipc.messages";
export const OPERATIONS = "spanwire.operation.duration";

/** The share of messages that succeeded; nothing while there are none. */
export const messageSuccess = (of: SeriesOf, ...by: readonly string[]): Expr =>
  success(of.grown(MESSAGES, FAILED), of.increase(MESSAGES, JUDGED), by);

/** The share of operations that succeeded; nothing while there are none. */
export const operationSuccess = (of: SeriesOf, ...by: readonly string[]): Expr =>
  success(
    of.grown(OPERATIONS, FAILED_OPERATIONS, "_count"),
    of.increase(OPERATIONS, JUDGED_OPERATIONS, "_count"),
    by,
  );

/**
 * What is missing to all when those that failed are taken away.
 *
 * The first failure of a kind is in `failed` and not in `all`, so when there is little else the
 * share would be below 0.
 */
export function success(failed: Expr, all: Expr, by: readonly string[]): Expr {
  const whole = sum(all, ...by);
  // Zero failures have no series, and then a share without this would have none either. `vector`
  // has no labels, so it fits a sum over all alone.
  const none = by.length > 0 ? times(whole, 0) : vector(0);
  return call("clamp_min", complement(ratio(or(sum(failed, ...by), none), whole)), 0);
}
