// What the check of links needs of Markdown: the links of a page, and the anchors that GitHub gives it.

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)(?:\s+#+)?\s*$/;
const CODE_SPAN = /(`+)(?!`)[^]*?[^`]\1(?!`)/g;
const INLINE_LINK = /\]\(\s*(?:<([^>\n]*)>|([^\s()]*(?:\([^\s()]*\)[^\s()]*)*))(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)/g;
const DEFINITION = /^ {0,3}\[[^\]^][^\]]*\]:\s*<?([^\s>]+)/;
const HTML_LINK = /<(?:a|img|source)\b[^>]*?\b(?:href|src|srcset)="([^"]*)"/g;
const HTML_ANCHOR = /\b(?:id|name)="([^"]*)"/g;

/** The page's lines with their numbers, without those of fenced code. */
function proseLines(text) {
  const lines = [];
  let fence;
  text.split("\n").forEach((line, index) => {
    const mark = FENCE.exec(line)?.[1];
    if (fence === undefined && mark !== undefined) {
      fence = mark;
    } else if (fence === undefined) {
      lines.push({ line, number: index + 1 });
    } else if (mark !== undefined && mark[0] === fence[0] && mark.length >= fence.length) {
      fence = undefined;
    }
  });
  return lines;
}

/** Each link and picture, as `{ target, number }`: where it leads, and its line. */
export function links(text) {
  return proseLines(text).flatMap(({ line, number }) => {
    const plain = line.replace(CODE_SPAN, "``");
    const targets = [
      ...[...plain.matchAll(INLINE_LINK)].map(([, bracketed, bare]) => bracketed ?? bare),
      ...[...plain.matchAll(HTML_LINK)].map(([, target]) => target),
    ];
    const definition = DEFINITION.exec(plain);
    return [...targets, ...(definition ? [definition[1]] : [])].map((target) => ({ target, number }));
  });
}

/** A heading as GitHub shows it: without the marks of emphasis, code and links. */
const shown = (heading) =>
  heading
    .replace(/!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])/g, "$1")
    .replace(/<[^>]*>/g, "")
    .replace(/`+([^`]*)`+/g, "$1")
    .replace(/(\*{1,3})(?=\S)(.*?\S)\1/g, "$2");

/** GitHub's anchor of a heading, before a number tells equal ones apart. */
export const slug = (heading) =>
  shown(heading)
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "")
    .replace(/ /g, "-");

/** Every anchor of a page: its headings', and those written in HTML. */
export function anchors(text) {
  const found = new Set();
  for (const { line } of proseLines(text)) {
    const heading = HEADING.exec(line)?.[2];
    if (heading !== undefined) {
      const first = slug(heading);
      let anchor = first;
      for (let number = 1; found.has(anchor); number += 1) {
        anchor = `${first}-${number}`;
      }
      found.add(anchor);
    }
    for (const [, anchor] of line.replace(CODE_SPAN, "").matchAll(HTML_ANCHOR)) {
      found.add(anchor);
    }
  }
  return found;
}
