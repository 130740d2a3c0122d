// A trace as a page: a line for each span, with its part of the time and its events.

const ROW_HEIGHT = 30;
const HEAD_HEIGHT = 64;
const NAME_WIDTH = 330;
const MS_WIDTH = 70;
const TICKS = 5;

/** Of each kind of span, as in the report: the page is warm, the app is blue. */
const COLOURS = { client: "#d97706", producer: "#7c3aed", server: "#2563eb", consumer: "#ea580c", internal: "#64748b" };
/** Where each kind of span is taken. */
const PLACES = { client: "the page's call", producer: "an event to the page", server: "the app's handler", consumer: "the page's code", internal: "spans of your own, and replies" };

const escaped = (text) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

/** The page, and how high it is. `spans` are in their order, with times in milliseconds since the first began. */
export function waterfall(spans, width) {
  const whole = Math.max(...spans.map(({ end }) => end));
  const room = width - NAME_WIDTH - MS_WIDTH - 24;
  const x = (ms) => NAME_WIDTH + MS_WIDTH + (ms / whole) * room;
  const height = HEAD_HEIGHT + spans.length * ROW_HEIGHT + 52;
  const ticks = Array.from({ length: TICKS + 1 }, (_, index) => {
    const ms = (whole / TICKS) * index;
    return `<line x1="${x(ms)}" x2="${x(ms)}" y1="${HEAD_HEIGHT - 12}" y2="${height - 48}" stroke="#e2e8f0"/>
<text x="${x(ms)}" y="${HEAD_HEIGHT - 20}" text-anchor="middle" fill="#64748b">${ms.toFixed(0)} ms</text>`;
  });
  const rows = spans.map((span, index) => row(span, HEAD_HEIGHT + index * ROW_HEIGHT, x));
  const kinds = Object.keys(COLOURS).filter((kind) => spans.some((span) => span.kind === kind));
  let left = 16;
  const legend = kinds.map((kind) => {
    const text = `${kind} (${PLACES[kind]})`;
    const drawn = `<rect x="${left}" y="${height - 30}" width="12" height="12" rx="2" fill="${COLOURS[kind]}"/>
<text x="${left + 18}" y="${height - 20}" fill="#334155" font-size="11">${text}</text>`;
    left += 34 + text.length * 5.6;
    return drawn;
  });
  const html = `<!doctype html><meta charset="utf-8"><style>body { margin: 0 } svg { font: 13px Inter, sans-serif; background: #fff }</style>
<svg width="${width}" height="${height}"><text x="16" y="28" font-size="16" font-weight="600" fill="#0f172a">${escaped(spans[0].name)}: one trace, ${spans.length} spans, ${whole.toFixed(1)} ms</text>
${[...ticks, ...rows, ...legend].join("\n")}</svg>`;
  return { html, height };
}

function row({ depth, name, kind, start, end, events }, top, x) {
  const middle = top + ROW_HEIGHT / 2;
  const marks = events.map(({ at }) => `<circle cx="${x(at)}" cy="${middle}" r="3.5" fill="#fff" stroke="#0f172a"/>`);
  return `<text x="${16 + depth * 18}" y="${middle + 4}" fill="#0f172a">${escaped(name)}</text>
<text x="${NAME_WIDTH + MS_WIDTH - 14}" y="${middle + 4}" text-anchor="end" fill="#334155">${(end - start).toFixed(1)} ms</text>
<rect x="${x(start)}" y="${middle - 8}" width="${Math.max(2, x(end) - x(start))}" height="16" rx="3" fill="${COLOURS[kind] ?? COLOURS.internal}"/>
${marks.join("")}`;
}
