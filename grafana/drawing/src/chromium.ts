// The browser, and the page that draws in it. Nothing is loaded but from this folder.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium, type Browser, type Page } from "playwright-core";
import type { Seen, Sheet } from "./model.js";

/** This runs as `dist/main.js`. */
const HERE = dirname(dirname(fileURLToPath(import.meta.url)));
const ICONS = join(HERE, "node_modules/@grafana/ui/dist/public/img/icons");
const ORIGIN = "http://drawing.invalid";
const HTML = `<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="/page.css">
<style>body { margin: 0 }</style><div id="root"></div><script src="/page.js"></script>`;

const ROW_HEIGHT = 38;
const HEAD_HEIGHT = 80;

/** Until the last chart has been drawn: each draws in a frame after React has placed it. */
const FRAMES_MAX = 60;

export async function launch(): Promise<Browser> {
  const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
  if (executablePath === undefined) {
    throw new Error("Chromium is missing: scripts/install-packages pictures");
  }
  const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"];
  return chromium.launch({ executablePath, args });
}

/** Draws a dashboard, writes its picture to a file, and gives what is seen of its panels. */
export async function draw(browser: Browser, sheet: Sheet, picture?: string): Promise<Seen[]> {
  const rows = Math.max(...sheet.panels.map(({ panel: { gridPos } }) => gridPos.y + gridPos.h));
  // As high as the dashboard: what is out of sight is not drawn, a table's rows among it.
  const viewport = { width: sheet.width, height: rows * ROW_HEIGHT + HEAD_HEIGHT };
  const page = await browser.newPage({ viewport });
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.route("**/*", (route) => {
    const path = new URL(route.request().url()).pathname;
    const [, icon] = /img\/icons\/(.+)$/.exec(path) ?? [];
    const file = icon ? join(ICONS, icon) : join(HERE, "dist", path);
    if (path === "/") {
      return route.fulfill({ contentType: "text/html", body: HTML });
    }
    return existsSync(file) ? route.fulfill({ path: file }) : route.fulfill({ status: 404 });
  });
  await page.goto(`${ORIGIN}/`);
  await page.evaluate((given) => window.draw(given), sheet);
  const seen = await settled(page);
  if (complaints.length > 0) {
    throw new Error(`${sheet.title}: ${complaints.join("\n")}`);
  }
  if (picture) {
    await page.screenshot({ path: picture });
  }
  await page.close();
  return seen;
}

/** What is seen once it is the same for some frames. */
async function settled(page: Page): Promise<Seen[]> {
  await page.waitForSelector("[data-panel]");
  await page.evaluate(async (frames) => {
    for (let frame = 0; frame < frames; frame += 1) {
      await new Promise(requestAnimationFrame);
    }
    await document.fonts.ready;
  }, FRAMES_MAX);
  return page.evaluate(() => window.seen());
}
