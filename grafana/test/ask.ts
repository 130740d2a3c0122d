// Asks a running Grafana whether it took the provisioning, and every query of every panel.
//
//   npm --prefix grafana run ask -- http://127.0.0.1:3000
//
// It needs a Grafana that lets anyone in as an administrator, and that asks a Prometheus. A query
// without an answer is none that failed: much of what the panels show does not happen in a while.

import { setTimeout as pause } from "node:timers/promises";
import { dashboards, panelsOf, type Target } from "./committed.js";

const SOURCES = ["spanwire-prometheus", "spanwire-jaeger"];
/** How often it is asked whether it has started, once a second. */
const ATTEMPTS = 60;

interface Answer {
  readonly error?: string;
  readonly frames?: readonly { readonly data: { readonly values: readonly unknown[][] } }[];
}

const server = process.argv[2];
if (!server) {
  console.error("usage: npm --prefix grafana run ask -- URL");
  process.exit(2);
}

async function get(path: string): Promise<unknown> {
  const answer = await fetch(new URL(path, server));
  if (!answer.ok) {
    throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  }
  return answer.json();
}

async function started(): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    try {
      return ((await get("/api/health")) as { version: string }).version;
    } catch (error) {
      if (attempt === ATTEMPTS) {
        throw error;
      }
      await pause(1000);
    }
  }
}

/** What Grafana's page does before it asks: its server fills in the intervals, and nothing else. */
function filledIn(expr: string): string {
  return expr.replaceAll(/=~"\$(job|instance|webview)"/g, '=~".*"');
}

async function ask(target: Target): Promise<Answer> {
  const query = {
    ...target,
    expr: filledIn(target.expr),
    datasource: { uid: SOURCES[0], type: "prometheus" },
    intervalMs: 1000,
    maxDataPoints: 500,
  };
  const answer = await fetch(new URL("/api/ds/query", server), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ queries: [query], from: "now-5m", to: "now" }),
  });
  const text = await answer.text();
  try {
    const { results } = JSON.parse(text) as { results: Record<string, Answer> };
    return results[target.refId] ?? { error: `no result: ${text}` };
  } catch {
    return { error: `${answer.status} ${text}` };
  }
}

const failed: string[] = [];
console.log(`Grafana ${await started()}`);
for (const uid of SOURCES) {
  await get(`/api/datasources/uid/${uid}`).catch((error) => failed.push(String(error)));
}
for (const dashboard of dashboards) {
  const { uid, title } = dashboard;
  try {
    await get(`/api/dashboards/uid/${uid}`);
  } catch (error) {
    failed.push(String(error));
    continue;
  }
  let asked = 0;
  let answered = 0;
  for (const panel of panelsOf(dashboard)) {
    for (const target of panel.targets ?? []) {
      asked++;
      const { error, frames } = await ask(target);
      if (error !== undefined) {
        failed.push(`${title}, ${panel.title}, ${target.refId}: ${error}`);
      } else if (frames?.some(({ data }) => (data.values[0]?.length ?? 0) > 0)) {
        answered++;
      }
    }
  }
  console.log(`${title}: ${asked} queries, of which ${answered} have data`);
}
for (const failure of failed) {
  console.error(failure);
}
process.exitCode = failed.length > 0 ? 1 : 0;
