// What waits in queues, that between two scrapes among it.

import { larger, smaller, sum, aggregate, type Expr } from "./promql.js";
import { label } from "./semconv.js";
import { TARGET } from "./server.js";
import type { SeriesOf, Where } from "./series.js";

export const QUEUE = label("spanwire.queue.name");
const EACH = [...TARGET, QUEUE];

/**
 * Messages that wait in each queue.
 *
 * A burst comes and goes between two scrapes, of which the size then tells nothing. By Little's law
 * the seconds that messages waited, per second, are how many waited on average; where they waited for
 * longer than the window that says too much, and the most that ever waited is its bound.
 */
export function waiting(of: SeriesOf, where: Where = {}): Expr {
  const onAverage = sum(of.rate("spanwire.queue.wait.duration", where, "_sum"), ...EACH);
  const bounded = smaller(onAverage, peak(of, where), ...EACH);
  return larger(of.gauge("spanwire.queue.size", where), bounded, ...EACH);
}

/** The most that ever waited at once in each queue since its app started. */
export const peak = (of: SeriesOf, where: Where = {}): Expr =>
  aggregate("max", EACH, of.gauge("spanwire.queue.peak", where));
