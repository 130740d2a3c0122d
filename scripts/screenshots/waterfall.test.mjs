import assert from "node:assert/strict";
import test from "node:test";
import { waterfall } from "./waterfall.mjs";

const span = (name, kind, start, end, depth = 0, events = []) => ({ name, kind, start, end, depth, events });

test("a span's bar has its part of the time, and a mark for each event", () => {
  const { html } = waterfall([span("click", "internal", 0, 40), span("save", "client", 10, 30, 1, [{ name: "posted", at: 20 }])], 1000);
  const bars = [...html.matchAll(/<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="16"/g)].map(([, x, width]) => [Number(x), Number(width)]);
  const [[start, whole], [from, half]] = bars;
  assert.deepEqual([from - start, half], [whole / 4, whole / 2]);
  const [, mark] = html.match(/<circle cx="([\d.]+)"/);
  assert.equal(Number(mark) - start, whole / 2);
});

test("a name is text, whatever it contains", () => {
  const { html } = waterfall([span('<img src="x">&', "server", 0, 1)], 1000);
  assert.ok(!html.includes("<img"));
  assert.ok(html.includes("&#60;img src=&#34;x&#34;&#62;&#38;"));
});
