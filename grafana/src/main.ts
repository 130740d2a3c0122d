// Writes the dashboards, the rules and the catalogue of findings, which are committed: using them needs no Node.
//
//   npm run build                            writes them
//   npm run build -- --check                 fails when they are not what the source builds
//   npm run build -- --shrunk FACTOR FOLDER  writes the rules with all their times divided by it

import { resolve } from "node:path";
import { build } from "./board.js";
import { BOARDS } from "./dashboards/index.js";
import { DASHBOARDS, FINDINGS, ROOT, RULES, stale, write, type Files } from "./files.js";
import { catalogue } from "./findings/index.js";
import { ruleFiles } from "./rules/index.js";

function files(): Files {
  const all = new Map<string, string>();
  for (const board of BOARDS) {
    all.set(`${DASHBOARDS}/${board.name}.json`, `${JSON.stringify(build(board), null, 2)}\n`);
  }
  for (const [name, text] of ruleFiles()) {
    all.set(`${RULES}/${name}`, text);
  }
  all.set(FINDINGS, catalogue());
  return all;
}

const [flag, factor, folder] = process.argv.slice(2);
switch (flag) {
  case undefined:
    write(ROOT, files());
    break;
  case "--check": {
    const changed = stale(files());
    for (const path of changed) {
      console.error(`${path} is not what grafana/src builds: npm --prefix grafana run build`);
    }
    process.exitCode = changed.length > 0 ? 1 : 0;
    break;
  }
  case "--shrunk":
    if (!(Number(factor) > 0) || !folder) {
      throw new Error("--shrunk takes a factor and a folder");
    }
    // `make stack` waits for alerts; nobody wants to wait for an hour's worth of them.
    write(resolve(process.env["INIT_CWD"] ?? ".", folder), ruleFiles(Number(factor)));
    break;
  default:
    throw new Error(`unknown argument ${flag}`);
}
