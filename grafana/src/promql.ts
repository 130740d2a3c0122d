// Expressions that know their labels: one that groups by, or joins on, a label that is not there
// throws when the dashboards are built, not when somebody looks at an empty panel.

/** A PromQL expression. */
export class Expr {
  constructor(
    readonly text: string,
    /** What its series may carry. */
    readonly labels: ReadonlySet<string>,
    /** What joins its two sides, when it has two. */
    private readonly operator?: string,
  ) {}

  /** As an operand of something else. */
  get operand(): string {
    if (this.operator === undefined) {
      return this.text;
    }
    return this.text.includes("\n") ? `(\n${indent(this.text)}\n)` : `(${this.text})`;
  }

  /** The same at the left of an operator: a chain of one needs no parentheses. */
  leftOf(operator: string): string {
    // All of PromQL's operators but `^` are left-associative.
    return this.operator === operator && operator !== "unless" ? this.text : this.operand;
  }

  need(labels: readonly string[]): void {
    for (const label of labels) {
      if (!this.labels.has(label)) {
        throw new Error(`no label ${label} on ${this.text}`);
      }
    }
  }
}

/** How two sides find each other; names as Prometheus has them. */
export interface Matching {
  readonly on?: readonly string[];
  /** What the left side, which may be many, takes over from the right one. */
  readonly groupLeft?: readonly string[];
}

type Arithmetic = "+" | "-" | "*" | "/";
type Comparison = ">" | ">=" | "<" | "<=" | "==" | "!=";
type SetOperator = "and" | "or" | "unless";

export function number(value: number): Expr {
  return new Expr(String(value), new Set());
}

/** A number that is written otherwise, such as a variable of Grafana's. */
export const scalar = (text: string): Expr => new Expr(text, new Set());

export const vector = (value: number): Expr => new Expr(`vector(${value})`, new Set());

export function binary(
  left: Expr,
  operator: Arithmetic | Comparison | SetOperator,
  right: Expr,
  matching: Matching = {},
): Expr {
  const words: string[] = [operator];
  if (matching.on) {
    left.need(matching.on);
    right.need(matching.on);
    words.push(`on (${matching.on.join(", ")})`);
  }
  if (matching.groupLeft) {
    right.need(matching.groupLeft);
    words.push(`group_left (${matching.groupLeft.join(", ")})`);
  }
  const middle = words.join(" ");
  const start = left.leftOf(operator);
  const oneLine = `${start} ${middle} ${right.operand}`;
  const isLong = oneLine.length > LINE_MAX || oneLine.includes("\n");
  const text = isLong ? `${start}\n${middle} ${right.operand}` : oneLine;
  return new Expr(text, labelsOf(left, operator, right, matching), operator);
}

function labelsOf(
  left: Expr,
  operator: string,
  right: Expr,
  { on, groupLeft }: Matching,
): ReadonlySet<string> {
  switch (operator) {
    // Set operators keep the series of the left side as they are.
    case "and":
    case "unless":
      return left.labels;
    case "or":
      return new Set([...left.labels, ...right.labels]);
    default:
      if (groupLeft) {
        return new Set([...left.labels, ...groupLeft]);
      }
      // Prometheus keeps only the labels of `on` in the result of an arithmetic operator.
      return on ? new Set(on) : left.labels;
  }
}

export const and = (left: Expr, right: Expr, on?: readonly string[]): Expr =>
  binary(left, "and", right, on ? { on } : {});

/** The first that there is, for each set of labels. */
export function or(first: Expr, ...others: readonly Expr[]): Expr {
  return others.reduce((left, right) => binary(left, "or", right), first);
}

/** What is missing to 1. */
export const complement = (share: Expr): Expr =>
  // By hand: in `binary` the labels would be those of the number on the left, which has none.
  new Expr(`1 - ${share.operand}`, share.labels, "-");

export const times = (left: Expr, factor: number): Expr => binary(left, "*", number(factor));
export const above = (left: Expr, bound: number): Expr => binary(left, ">", number(bound));

/**
 * The expression where it is a number.
 *
 * A quantile of nothing is NaN, which has no place in an order: a table with one is not sorted.
 */
export const seen = (expr: Expr): Expr => binary(expr, ">=", number(0));

/** The larger, or the smaller, of two expressions for each set of the labels, and the one that there is. */
export const larger = (one: Expr, other: Expr, ...by: readonly string[]): Expr => either("max", by, one, other);
export const smaller = (one: Expr, other: Expr, ...by: readonly string[]): Expr => either("min", by, one, other);

function either(how: "max" | "min", by: readonly string[], ...exprs: readonly Expr[]): Expr {
  // A label tells them apart, or `or` would leave out the second.
  const [first, ...others] = exprs.map((expr, place) => relabelled(expr, "side", String(place)));
  return aggregate(how, by, or(first!, ...others));
}

/** `part` of `whole`: nothing while the whole is zero, where a division gives NaN. */
export const ratio = (part: Expr, whole: Expr): Expr => binary(part, "/", above(whole, 0));

/** The expression, and zero where only `others` has series. */
export const orZeroOf = (expr: Expr, others: Expr): Expr => or(expr, times(others, 0));

export type Aggregation = "sum" | "min" | "max" | "avg" | "count" | "topk" | "quantile";

/** An aggregation that keeps the labels given. */
export function aggregate(
  aggregation: Aggregation,
  by: readonly string[],
  expr: Expr,
  parameter?: number,
): Expr {
  expr.need(by);
  const group = by.length > 0 ? ` by (${by.join(", ")}) ` : "";
  const before = parameter === undefined ? [] : [parameter];
  // topk picks series and leaves them as they are.
  const labels = aggregation === "topk" ? expr.labels : new Set(by);
  return new Expr(`${aggregation}${group}${list(...before, expr)}`, labels);
}

export const sum = (expr: Expr, ...by: readonly string[]): Expr => aggregate("sum", by, expr);
export const topk = (count: number, expr: Expr): Expr => aggregate("topk", [], expr, count);

/**
 * The series that are the most by another expression, one that is the same for all points of a chart:
 * `topk` alone chooses anew for each, and its lines are in pieces.
 */
export const mostBy = (count: number, expr: Expr, by: Expr, ...labels: readonly string[]): Expr =>
  and(expr, topk(count, above(by, 0)), labels);

/** A sum that keeps all labels but those given, those of the target among them. */
export function sumWithout(expr: Expr, ...without: readonly string[]): Expr {
  expr.need(without);
  const labels = new Set([...expr.labels].filter((label) => !without.includes(label)));
  return new Expr(`sum without (${without.join(", ")}) ${list(expr)}`, labels);
}

/** A function of one vector that keeps its labels. */
export const call = (name: string, expr: Expr, ...after: readonly (string | number)[]): Expr =>
  new Expr(`${name}${list(expr, ...after)}`, expr.labels);

/** The quantile of a histogram's buckets that are summed already. */
export function quantile(share: number, buckets: Expr): Expr {
  buckets.need(["le"]);
  const labels = new Set([...buckets.labels].filter((label) => label !== "le"));
  return new Expr(`histogram_quantile${list(share, buckets)}`, labels);
}

/** The expression with one more label: `value`, in which `$1` is all of the label `from`. */
export function relabelled(expr: Expr, to: string, value: string, from?: string): Expr {
  if (from !== undefined) {
    expr.need([from]);
  }
  // `label_replace` needs a source: the empty pattern fits a label that is not there.
  const source = from === undefined ? ['""', '""'] : [`"${from}"`, '"(.*)"'];
  const text = `label_replace${list(expr, `"${to}"`, `"${value}"`, ...source)}`;
  return new Expr(text, new Set([...expr.labels, to]));
}

/** The expression with `value` as `label` where a series has none. */
export function labelOr(expr: Expr, label: string, value: string): Expr {
  expr.need([label]);
  return new Expr(`label_replace${list(expr, `"${label}"`, `"${value}"`, `"${label}"`, '""')}`, expr.labels);
}

/** Arguments in parentheses, on lines of their own when one has several. */
function list(...parts: readonly (Expr | string | number)[]): string {
  const texts = parts.map((part) => (part instanceof Expr ? part.text : String(part)));
  return texts.some((text) => text.includes("\n"))
    ? `(\n${texts.map(indent).join(",\n")}\n)`
    : `(${texts.join(", ")})`;
}

/** A line longer than this is broken before an operator. */
const LINE_MAX = 100;

function indent(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}
