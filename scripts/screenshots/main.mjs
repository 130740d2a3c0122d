// Makes the pictures of the windows and of the report anew:
//
// - docs/demo.png: the demo, which uses itself;
// - docs/guide/tauri.png: the Tauri example, the same way;
// - docs/guide/report.png: the report of a history of the demo with a slow handler;
// - docs/guide/trace.png: the trace of a call, from the demo's example read_a_trace.
//
//   node scripts/screenshots/main.mjs --demo FILE --tauri FILE --command FILE --traces FILE [--out FOLDER]
//
// An option that is left out leaves its picture out; the report needs --demo and --command.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { end, run, start } from "../children.mjs";
import { cropped, pixels, png } from "./framebuffer.mjs";
import { waterfall } from "./waterfall.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SCREEN = "1280x1024x24";
/** By then a driven page has pictures on it. */
const SHOWN_AFTER_MS = 20_000;
const RECORDED_MS = 40_000;
const REPORT_SIZE = "1000,1560";
const TRACE_WIDTH = 1000;
const COLOURS = "128";

const { values: options } = parseArgs({
  options: { demo: { type: "string" }, tauri: { type: "string" }, command: { type: "string" }, traces: { type: "string" }, out: { type: "string" } },
});
const out = resolve(options.out ?? ROOT);
const folder = mkdtempSync(join(tmpdir(), "spanwire-screenshots-"));

/** Runs `body` with a display of its own, and ends that. */
async function withDisplay(body) {
  const display = start("Xvfb", ["-displayfd", "3", "-screen", "0", SCREEN, "-noreset", "-nolisten", "tcp", "-fbdir", folder], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  try {
    const ended = display.ended.then((how) => Promise.reject(new Error(`Xvfb ended ${how}`)));
    const number = await Promise.race([new Promise((resolve) => display.stdio[3].once("data", resolve)), ended]);
    return await body(`:${String(number).trim()}`);
  } finally {
    await end(display, "SIGTERM");
  }
}

/** Starts an app on the display, waits, does `body`, and ends the app as Ctrl-C does. */
async function withApp(display, [program, ...args], wait, body) {
  const env = { ...process.env, DISPLAY: display, GDK_BACKEND: "x11", OTEL_EXPORTER_PROMETHEUS_PORT: "0", XDG_STATE_HOME: folder };
  delete env.WAYLAND_DISPLAY;
  // The example panics on purpose.
  delete env.RUST_BACKTRACE;
  const app = start(resolve(program), args, { env, stdio: ["ignore", "ignore", "inherit"] });
  const waiting = new AbortController();
  let how;
  try {
    await Promise.race([
      pause(wait, undefined, { signal: waiting.signal }),
      app.ended.then((early) => Promise.reject(new Error(`${program} ended ${early} before its picture was taken`))),
    ]);
    await body();
  } finally {
    waiting.abort();
    how = await end(app, "SIGINT");
  }
  // One of them has no handler of that signal.
  if (how !== "with 0" && how !== "by SIGINT") {
    throw new Error(`${program} ended ${how} when it was interrupted`);
  }
}

/** Keeps a picture, with as few colours as it needs. */
function keep(path, picture) {
  const file = join(out, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, picture);
  run("pngquant", ["--force", "--ext", ".png", COLOURS, file]);
  console.log(`screenshots: ${file}`);
}

const shown = () => png(cropped(pixels(readFileSync(join(folder, "Xvfb_screen0")))));

/** The picture of a window whose page uses itself. */
const window = (path, program) =>
  withDisplay((display) => withApp(display, [program, "--drive"], SHOWN_AFTER_MS, () => keep(path, shown())));

/** The report of a demo in which a handler is slow. */
async function report(demo, command) {
  const history = join(folder, "history.db");
  const faulty = [demo, "--drive", "--fault", "slow-handler", "--history", history];
  await withDisplay((display) => withApp(display, faulty, RECORDED_MS, () => undefined));
  const zip = join(folder, "report.zip");
  run(resolve(command), ["report", history, "--out", zip]);
  // Node reads no ZIP files, and Python does.
  run("python3", ["-m", "zipfile", "-e", zip, join(folder, "report")]);
  picture("docs/guide/report.png", join(folder, "report/report.html"), REPORT_SIZE);
}

/** The trace of a call as a waterfall. */
async function trace(program) {
  const printed = await withDisplay((display) => {
    const env = { ...process.env, DISPLAY: display, GDK_BACKEND: "x11" };
    return run(resolve(program), ["--json"], { env });
  });
  const call = JSON.parse(printed).find(({ title }) => title === "A call");
  const { html, height } = waterfall(call.spans, TRACE_WIDTH);
  const page = join(folder, "trace.html");
  writeFileSync(page, html);
  picture("docs/guide/trace.png", page, `${TRACE_WIDTH},${height}`);
}

/** Keeps the picture of a page, as Chromium draws it. */
function picture(path, page, size) {
  const chromium = ["chromium", "chromium-browser", "google-chrome"].find((name) =>
    process.env.PATH.split(":").some((place) => existsSync(join(place, name))),
  );
  if (chromium === undefined) {
    throw new Error("Chromium is missing: scripts/install-packages pictures");
  }
  const file = join(folder, "picture.png");
  const args = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", `--user-data-dir=${join(folder, "profile")}`];
  run(chromium, [...args, `--window-size=${size}`, `--screenshot=${file}`, `file://${page}`]);
  keep(path, readFileSync(file));
}

try {
  if (options.demo) {
    await window("docs/demo.png", options.demo);
  }
  if (options.tauri) {
    await window("docs/guide/tauri.png", options.tauri);
  }
  if (options.demo && options.command) {
    await report(options.demo, options.command);
  }
  if (options.traces) {
    await trace(options.traces);
  }
} catch (error) {
  console.error(`screenshots: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
