// The rule files.

import { messages } from "./messages.js";
import { budgets } from "./objectives.js";
import { operations } from "./operations.js";
import { page } from "./page.js";
import { processes } from "./process.js";
import { queues } from "./queues.js";
import { ruleFile, Times, type Group } from "./rule.js";
import { telemetry } from "./telemetry.js";

export function groups(times: Times): Group[] {
  return [messages, queues, operations, page, processes, telemetry, budgets].map((group) =>
    group(times),
  );
}

/** The files' texts by their names, with all times divided by `shrink`. */
export function ruleFiles(shrink = 1): Map<string, string> {
  const times = new Times(shrink);
  return new Map(groups(times).map((group) => [`${group.name}.yml`, ruleFile(group, times)]));
}
