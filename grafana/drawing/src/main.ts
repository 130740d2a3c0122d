// Draws the dashboards of a story, and checks what is seen.
//
//   node dist/main.js --demo PROGRAM [--out FOLDER]                  plays the story, then draws
//   node dist/main.js --prometheus URL [--range SECONDS] [--out FOLDER]
//                                                                    draws what another Prometheus has
//
// `--dashboards FOLDER` draws others than those of this repository. With --out it writes pictures, and the story is long enough to see something; without, it checks alone.

import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { complaintsOf } from "./check.js";
import { draw, launch } from "./chromium.js";
import { rangeOf } from "./interval.js";
import type { Dashboard } from "./model.js";
import { Prometheus } from "./prometheus.js";
import { QUIET } from "./quiet.js";
import { sheetOf } from "./sheet.js";
import { SCRAPE_S, Stage } from "./stage.js";
import { play } from "./story.js";

const WIDTH = 1600;
const COLORS = 128;

// This runs as `dist/main.js`.
const { values: options } = parseArgs({
  options: {
    demo: { type: "string" },
    prometheus: { type: "string" },
    range: { type: "string" },
    out: { type: "string" },
    dashboards: { type: "string", default: fileURLToPath(new URL("../../dashboards/", import.meta.url)) },
  },
});

async function main(): Promise<void> {
  if (options.prometheus !== undefined) {
    await drawAll(options.prometheus, Number(options.range ?? 300));
    return;
  }
  if (options.demo === undefined) {
    throw new Error("--demo says which program to look at");
  }
  const stage = new Stage();
  try {
    await stage.start(options.demo);
    const began = Date.now();
    await play(stage, options.out === undefined);
    await drawAll(stage.prometheusUrl, Math.round((Date.now() - began) / 1_000));
  } finally {
    await stage.stop();
  }
}

/** Draws every dashboard over the last seconds, or over less where it shows less by itself. */
async function drawAll(url: string, rangeS: number): Promise<void> {
  if (options.out !== undefined) {
    mkdirSync(options.out, { recursive: true });
  }
  const browser = await launch();
  const complaints: string[] = [];
  const pictures: string[] = [];
  for (const file of readdirSync(options.dashboards).sort()) {
    const dashboard = JSON.parse(readFileSync(join(options.dashboards, file), "utf8")) as Dashboard;
    const toS = Math.floor(Date.now() / 1_000);
    const shownS = Math.min(rangeS, rangeOf(dashboard.time.from));
    const sheet = await sheetOf(dashboard, new Prometheus(url), {
      fromS: toS - shownS,
      toS,
      width: WIDTH,
      scrapeS: SCRAPE_S,
    });
    const picture = options.out && join(options.out, file.replace(/\.json$/, ".png"));
    if (picture) {
      pictures.push(picture);
    }
    const seen = await draw(browser, sheet, picture);
    const found = complaintsOf(dashboard.uid, sheet, seen, QUIET);
    console.log(`drawing: ${dashboard.title}: ${seen.length} panels, ${found.length} complaints`);
    complaints.push(...found);
  }
  await browser.close();
  if (pictures.length > 0) {
    // They are committed: with fewer colours they are a third of the size, and look the same.
    execFileSync("pngquant", ["--force", "--ext", ".png", String(COLORS), ...pictures]);
  }
  complaints.forEach((complaint) => console.error(`drawing: ${complaint}`));
  process.exitCode = complaints.length > 0 ? 1 : 0;
}

await main();
