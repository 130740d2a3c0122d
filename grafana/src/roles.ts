// The host process and its webview's, told apart by a label of ours.

import { or, relabelled, sum, type Expr } from "./promql.js";
import { label } from "./semconv.js";

/** `host`, or `webview` and the process's type. */
export const ROLE = "role";

/** A sum by role, and by the labels given. */
export function byRole(host: Expr, webview: Expr, ...by: readonly string[]): Expr {
  const type = label("webview.process.type");
  return sum(
    or(relabelled(host, ROLE, "host"), relabelled(webview, ROLE, "webview $1", type)),
    ...by,
    ROLE,
  );
}
