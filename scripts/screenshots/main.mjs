// Makes the pictures of the windows and of the report anew:
//
// - docs/demo.png: the demo, which uses itself;
// - docs/guide/tauri.png: the Tauri example, the same way;
// - docs/guide/report.png: the report of a history of the demo with a slow handler.
//
//   node scripts/screenshots/main.mjs --demo FILE --tauri FILE --command FILE [--out FOLDER]
//
// An option that is left out leaves its picture out; the report needs --demo and --command.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { cropped, pixels, png } from "./framebuffer.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SCREEN = "1280x1024x24";
/** By then a driven page has pictures on it. */
const SHOWN_AFTER_MS = 20_000;
const RECORDED_MS = 40_000;
const REPORT_SIZE = "1000,1560";
const COLOURS = "128";

const { values: options } = parseArgs({
  options: { demo: { type: "string" }, tauri: { type: "string" }, command: { type: "string" }, out: { type: "string" } },
});
const out = resolve(options.out ?? ROOT);
const folder = mkdtempSync(join(tmpdir(), "spanwire-screenshots-"));

/** Until a program ended. */
const ended = (child) => new Promise((resolve) => (child.exitCode === null ? child.once("exit", resolve) : resolve()));

/** Runs `body` with a display of its own, and ends that. */
async function withDisplay(body) {
  const display = spawn("Xvfb", ["-displayfd", "3", "-screen", "0", SCREEN, "-noreset", "-nolisten", "tcp", "-fbdir", folder], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  try {
    const number = await new Promise((resolve, reject) => {
      display.stdio[3].once("data", (data) => resolve(String(data).trim()));
      display.once("error", () => reject(new Error("Xvfb is missing: scripts/install-packages pictures")));
      display.once("exit", () => reject(new Error("Xvfb ended before it had a display")));
    });
    return await body(`:${number}`);
  } finally {
    display.kill();
    await ended(display);
  }
}

/** Starts an app on the display, waits, does `body`, and ends the app as Ctrl-C does. */
async function withApp(display, [program, ...args], wait, body) {
  const env = { ...process.env, DISPLAY: display, GDK_BACKEND: "x11", OTEL_EXPORTER_PROMETHEUS_PORT: "0", XDG_STATE_HOME: folder };
  delete env.WAYLAND_DISPLAY;
  // The example panics on purpose.
  delete env.RUST_BACKTRACE;
  const app = spawn(resolve(program), args, { env, stdio: ["ignore", "ignore", "inherit"] });
  try {
    await Promise.race([
      pause(wait),
      ended(app).then(() => Promise.reject(new Error(`${program} ended with ${app.exitCode} before its picture was taken`))),
    ]);
    await body();
  } finally {
    app.kill("SIGINT");
    await ended(app);
  }
}

/** Keeps a picture, with as few colours as it needs. */
function keep(path, picture) {
  const file = join(out, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, picture);
  execFileSync("pngquant", ["--force", "--ext", ".png", COLOURS, file]);
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
  execFileSync(resolve(command), ["report", history, "--out", zip], { stdio: "ignore" });
  // Node reads no ZIP files, and Python does.
  execFileSync("python3", ["-m", "zipfile", "-e", zip, join(folder, "report")]);
  const chromium = ["chromium", "chromium-browser", "google-chrome"].find((name) =>
    process.env.PATH.split(":").some((place) => existsSync(join(place, name))),
  );
  if (chromium === undefined) {
    throw new Error("Chromium is missing: scripts/install-packages pictures");
  }
  const picture = join(folder, "report.png");
  const page = `file://${join(folder, "report/report.html")}`;
  const args = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", `--user-data-dir=${join(folder, "profile")}`];
  execFileSync(chromium, [...args, `--window-size=${REPORT_SIZE}`, `--screenshot=${picture}`, page], { stdio: "ignore" });
  keep("docs/guide/report.png", readFileSync(picture));
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
} finally {
  rmSync(folder, { recursive: true, force: true });
}
