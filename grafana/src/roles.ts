// The host process and its webview's, told apart by a label of ours.

import { binary, or, relabelled, sum, sumWithout, type Expr } from "./promql.js";
import { label } from "./semconv.js";
import type { SeriesOf } from "./series.js";
import { TARGET } from "./server.js";

/** `host`, or `webview` and the process's type. */
export const ROLE = "role";

/** A sum by role, and by the labels given. */
export function byRole(host: Expr, webview: Expr, ...by: readonly string[]): Expr {
  const type = label("spanwire.webview.process.type");
  return sum(
    // The label tells both apart: without it `or` would leave out the second.
    or(relabelled(host, ROLE, "host"), relabelled(webview, ROLE, "webview $1", type)),
    ...by,
    ROLE,
  );
}

/**
 * A share of all cores in all modes together: `cpu.mode` is on Linux alone, and there each mode is a
 * series.
 */
export const allModes = (cpu: Expr): Expr => sumWithout(cpu, label("cpu.mode"));

const HOST_MEMORY = "process.memory.usage";
const WEBVIEW_MEMORY = "spanwire.webview.process.memory.usage";

/** Bytes by role. */
export const memoryByRole = (of: SeriesOf): Expr =>
  byRole(of.gauge(HOST_MEMORY), of.gauge(WEBVIEW_MEMORY));

/** Shares of the memory of the machine that each app is on, by role. */
export function memoryShareByRole(of: SeriesOf): Expr {
  const share = (name: string): Expr =>
    binary(of.gauge(name), "/", of.gauge("system.memory.limit"), { on: TARGET, groupLeft: [] });
  return byRole(share(HOST_MEMORY), share(WEBVIEW_MEMORY));
}
