// Reads expressions with as little knowledge of how they were made as possible: what is written to
// the files is checked, not what the source meant to write.

export interface Selector {
  /** Empty when it is a matcher of `__name__`. */
  readonly metric: string;
  readonly matchers: readonly { label: string; operator: string; value: string }[];
}

export interface Read {
  readonly selectors: readonly Selector[];
  /** Labels in `by`, `without`, `on` and `group_left`. */
  readonly grouped: readonly string[];
  /** Labels that `label_replace` makes. */
  readonly made: readonly string[];
}

const TOKEN = /"(?:[^"\\]|\\.)*"|\d[\w.]*|[A-Za-z_:$][\w:$]*|=~|!~|!=|[^\s]/g;
const LISTS = new Set(["by", "without", "on", "ignoring", "group_left", "group_right"]);
const WORDS = new Set(["and", "or", "unless", "offset", "bool"]);

export function readExpr(expr: string): Read {
  const tokens: string[] = expr.match(TOKEN) ?? [];
  const selectors: Selector[] = [];
  const grouped: string[] = [];
  const made: string[] = [];
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at]!;
    if (LISTS.has(token)) {
      const end = tokens.indexOf(")", at);
      grouped.push(...tokens.slice(at + 2, end).filter((name) => name !== ","));
      at = end;
    } else if (token === "label_replace") {
      made.push(unquoted(nextString(tokens, at)));
    } else if (token === "{") {
      at = readMatchers(tokens, at, "", selectors);
    } else if (/^[A-Za-z_:]/.test(token) && !WORDS.has(token) && tokens[at + 1] !== "(") {
      const isAggregation = LISTS.has(tokens[at + 1] ?? "") && !isOperand(tokens[at + 1]!);
      if (tokens[at + 1] === "{") {
        at = readMatchers(tokens, at + 1, token, selectors);
      } else if (!isAggregation) {
        selectors.push({ metric: token, matchers: [] });
      }
    }
  }
  return { selectors, grouped, made };
}

/** What comes after an operand, and not after the name of an aggregation. */
const isOperand = (word: string): boolean => word !== "by" && word !== "without";

function readMatchers(tokens: string[], open: number, metric: string, to: Selector[]): number {
  const close = tokens.indexOf("}", open);
  const inner = tokens.slice(open + 1, close).filter((token) => token !== ",");
  const matchers = [];
  for (let at = 0; at < inner.length; at += 3) {
    const [label = "", operator = "", value = ""] = inner.slice(at, at + 3);
    matchers.push({ label, operator, value: unquoted(value) });
  }
  to.push({ metric, matchers });
  return close;
}

/** The first string after the inner expression of `label_replace` whose strings are no matchers. */
function nextString(tokens: readonly string[], from: number): string {
  let braces = 0;
  for (const token of tokens.slice(from)) {
    braces += token === "{" ? 1 : token === "}" ? -1 : 0;
    if (braces === 0 && token.startsWith('"')) {
      return token;
    }
  }
  throw new Error("label_replace without a label");
}

const unquoted = (token: string): string => token.slice(1, -1);

/** An expression as Grafana sends it. */
export function filledIn(expr: string): string {
  return expr
    .replaceAll("$__rate_interval_ms", "60000")
    .replaceAll("$__rate_interval", "1m")
    .replaceAll("$__range_s", "3600")
    .replaceAll("$__range", "1h")
    .replaceAll(/\$(job|instance|webview)\b/g, ".+");
}
