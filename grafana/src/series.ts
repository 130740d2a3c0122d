// Spanwire's series as expressions: selectors whose metric and labels are checked, and what every
// dashboard and rule does with them.

import { above, aggregate, and, binary, call, Expr, or, quantile, scalar, sum } from "./promql.js";
import { label, metric, METRICS, prometheusLabel, prometheusType, type Metric } from "./semconv.js";
import { INSTANCE, JOB, SERVER_METRICS, TARGET } from "./server.js";

/** Matchers by attribute, as `=~"a|b"`. */
export type Where = Readonly<Record<string, string>>;

export const is = (value: string): string => `="${value}"`;
export const isNot = (value: string): string => `!="${value}"`;
export const oneOf = (...values: readonly string[]): string => `=~"${values.join("|")}"`;
export const noneOf = (...values: readonly string[]): string => `!~"${values.join("|")}"`;

/** Which part of a histogram. */
export type Part = "_bucket" | "_sum" | "_count";

/** What a dashboard's variables, or nothing in a rule, narrow every selector to. */
export interface Narrowing {
  /** Matchers of the target's labels. */
  readonly target: string;
  /** The matcher of `spanwire.webview.name` on metrics that have it. */
  readonly webview?: string;
}

/** What has the part of a native histogram. */
const NATIVE = { _sum: "histogram_sum", _count: "histogram_count" } as const;

/** A gauge that every app with telemetry has from its start, whatever the route. */
const PRESENCE = "spanwire.error_rate.threshold";

/** What rates and increases look back over. */
export interface Window {
  /** As a range selector has it: `$__rate_interval` or a duration. */
  readonly range: string;
  /** Its length in seconds, where an expression can say it. */
  readonly seconds?: string;
  /** A little more than it in seconds, where an expression can say it. */
  readonly youngS?: string;
  /** At which time it ends for every point of a chart, as a modifier: `@ end()`. */
  readonly at?: string;
  /**
   * Whose counts are in it when an app was started anew within: those of every process, or those of the
   * newest alone, so that an app begins without what the process before it did.
   */
  readonly restarts?: "all" | "newest";
}

export class SeriesOf {
  constructor(
    private readonly narrowing: Narrowing,
    private readonly window: Window,
  ) {}

  /** The same with another window. */
  over(window: Window): SeriesOf {
    return new SeriesOf(this.narrowing, window);
  }

  gauge(name: string, where: Where = {}): Expr {
    return this.select(need(metric(name), "gauge"), where);
  }

  /** The most that a gauge was in a time. */
  atMost(name: string, time: string): Expr {
    const gauge = this.gauge(name);
    return new Expr(`max_over_time(${gauge.text}[${time}])`, gauge.labels);
  }

  /** A counter's, or a histogram's part's, increase per second. */
  rate(name: string, where: Where = {}, part?: Part): Expr {
    return this.ranged("rate", name, where, part);
  }

  increase(name: string, where: Where = {}, part?: Part): Expr {
    return this.ranged("increase", name, where, part);
  }

  /**
   * The increase, with the first of a series in it.
   *
   * A series of failures does not exist before the first one, and `increase` needs two values: it
   * would show 0 for a single failure. So the value itself is taken as long as the series was not
   * there a window ago, where the app was: otherwise Prometheus is what is new, and the value may
   * be old.
   */
  grown(name: string, where: Where = {}, part?: Part): Expr {
    const increase = this.exactly(name, where, part);
    const young = this.young();
    if (this.window.restarts === "newest" && young) {
      // All that a young process counted is of this window, and what its instance counted before is not its own.
      const own = this.counted(name, where, part, (of) => and(of, young, TARGET));
      // A series that ended with the process before is in the window too, and nothing of it is the new one's.
      const old = binary(increase, "unless", young, { on: TARGET });
      // In this order: `or` takes the first side that has a series for its labels.
      return or(own, this.appeared(name, where, part), old);
    }
    return or(this.appeared(name, where, part, young), increase);
  }

  /**
   * The same per second.
   *
   * In a chart a rate is what adds up: the windows of its points overlap, so a burst is in several of
   * them, and an increase of a few scrapes is extrapolated to the whole window.
   */
  grownRate(name: string, where: Where = {}, part?: Part): Expr {
    const { seconds } = this.window;
    if (seconds === undefined) {
      throw new Error(`how long ${this.window.range} is cannot be said`);
    }
    return or(binary(this.appeared(name, where, part), "/", scalar(seconds)), this.rate(name, where, part));
  }

  /**
   * The increase of the newest process of each app alone, and not of the one before it in the same window.
   *
   * It is shorter than `grown`, and lacks the first of a series of an app that runs for longer.
   */
  ownIncrease(name: string, where: Where = {}, part?: Part): Expr {
    return this.own((expr) => expr, this.increase(name, where, part), name, where, part);
  }

  /** The same per second that the process was there. */
  ownRate(name: string, where: Where = {}, part?: Part): Expr {
    const perSecond = (expr: Expr): Expr => binary(expr, "/", this.gauge("process.uptime"), { on: TARGET, groupLeft: [] });
    return this.own(perSecond, this.rate(name, where, part), name, where, part);
  }

  /** The mean of a histogram, of the newest process alone. */
  ownMean(name: string, by: readonly string[], where: Where = {}): Expr {
    const all = sum(this.ownIncrease(name, where, "_sum"), ...by);
    return binary(all, "/", above(sum(this.ownIncrease(name, where, "_count"), ...by), 0));
  }

  /** A quantile of a histogram, of the newest process alone. */
  ownQuantile(share: number, name: string, by: readonly string[] = [], where: Where = {}): Expr {
    return quantile(share, sum(this.ownIncrease(name, where, "_bucket"), ...by, "le"));
  }

  /** All that a young process counted, as `of` has it, and what else there is. */
  private own(of: (counted: Expr) => Expr, others: Expr, name: string, where: Where, part?: Part): Expr {
    const young = this.young();
    if (!young) {
      throw new Error(`whether a process is younger than ${this.window.range} cannot be said`);
    }
    const counted = this.counted(name, where, part, (series) => and(series, young, TARGET));
    return or(of(counted), binary(others, "unless", young, { on: TARGET }));
  }

  /**
   * The increase, to the last one where one process counted all of it: `increase` is extrapolated to the
   * whole window, so it is 12,502 where 12,500 were lost.
   */
  private exactly(name: string, where: Where, part?: Part): Expr {
    const { range, seconds } = this.window;
    const increase = this.increase(name, where, part);
    if (seconds === undefined) {
      return increase;
    }
    const isOld = binary(this.gauge("process.uptime"), ">", scalar(seconds));
    const counted = this.counted(name, where, part, (of) => and(binary(of, "-", offset(of, range)), isOld, TARGET));
    return or(counted, increase);
  }

  /** The values of series that were not there a window ago, where the app was there or is young. */
  private appeared(name: string, where: Where, part?: Part, young?: Expr): Expr {
    const present = offset(this.gauge(PRESENCE), this.window.range);
    const watched = young ? or(present, young) : present;
    const begun = (of: Expr): Expr => binary(of, "unless", offset(of, this.window.range));
    return this.counted(name, where, part, (of) => and(begun(of), watched, TARGET));
  }

  /** Whether all that the app counted is of this window. */
  private young(): Expr | undefined {
    const { youngS } = this.window;
    // More than the window, since the app's first scrape comes some time after its start.
    return youngS === undefined ? undefined : binary(this.gauge("process.uptime"), "<", scalar(youngS));
  }

  /** The mean of a histogram. */
  mean(name: string, by: readonly string[], where: Where = {}): Expr {
    const all = sum(this.rate(name, where, "_sum"), ...by);
    return binary(all, "/", above(sum(this.rate(name, where, "_count"), ...by), 0));
  }

  /** A quantile of a histogram, for each set of the labels. */
  quantile(share: number, name: string, by: readonly string[] = [], where: Where = {}): Expr {
    return quantile(share, this.buckets(name, by, where));
  }

  /** A histogram's buckets per second. */
  buckets(name: string, by: readonly string[] = [], where: Where = {}): Expr {
    return sum(this.rate(name, where, "_bucket"), ...by, "le");
  }

  /** A gauge that has the same value on every instance: the smallest that is in force. */
  threshold(name: string): Expr {
    return aggregate("min", [], this.gauge(name));
  }

  /** A series that Prometheus itself writes. */
  server(name: string, matchers = ""): Expr {
    const labels = SERVER_METRICS.get(name);
    if (!labels) {
      throw new Error(`${name} is not in server.ts`);
    }
    const all = [this.narrowing.target, matchers].filter(Boolean).join(", ");
    return new Expr(all ? `${name}{${all}}` : name, new Set([...TARGET, ...labels]));
  }

  /** Every series of Spanwire's, whatever it measures. */
  everything(): Expr {
    const spaces = [...new Set(METRICS.map(({ name }) => name.split(".")[0]))].sort();
    const all = [`__name__=~"(${spaces.join("|")})_.+"`, this.narrowing.target];
    return new Expr(`{${all.filter(Boolean).join(", ")}}`, new Set(TARGET));
  }

  private ranged(how: string, name: string, where: Where, part?: Part): Expr {
    const at = this.window.at ? ` ${this.window.at}` : "";
    return this.counted(
      name,
      where,
      part,
      (of) => new Expr(`${how}(${of.text}[${this.window.range}]${at})`, of.labels),
    );
  }

  /**
   * A counter, or a histogram's part, with what is made of its selector.
   *
   * A histogram without bounds is a sum and a count where it is scraped, and a native histogram
   * where it comes over OTLP.
   */
  private counted(name: string, where: Where, part: Part | undefined, make: (of: Expr) => Expr): Expr {
    const of = need(metric(name), part ? "histogram" : "counter");
    const scraped = make(this.select(of, where, part));
    if (!part || of.bounds.length > 0) {
      return scraped;
    }
    if (part === "_bucket") {
      throw new Error(`${name} has no buckets`);
    }
    // A native histogram is one series without a suffix, whose functions take sum and count out of
    // it.
    const native = make(this.select(of, where));
    return or(scraped, call(NATIVE[part], native));
  }

  private select(of: Metric, where: Where, part?: Part): Expr {
    const { target, webview } = this.narrowing;
    const matchers = target ? [target] : [];
    if (webview && of.attributes.includes(WEBVIEW) && !(WEBVIEW in where)) {
      // Only on metrics that have the label: a matcher for one that is missing would match nothing.
      matchers.push(`${label(WEBVIEW)}${webview}`);
    }
    for (const [attribute, matcher] of Object.entries(where)) {
      if (attribute === "le" && part === "_bucket") {
        matchers.push(`le${matcher}`);
        continue;
      }
      // `le` belongs to the format and not to the metric's attributes, so it is handled before.
      if (!of.attributes.includes(attribute)) {
        throw new Error(`${of.name} has no attribute ${attribute}`);
      }
      matchers.push(`${label(attribute)}${matcher}`);
    }
    const labels = new Set([JOB, INSTANCE, ...of.attributes.map(prometheusLabel)]);
    if (part === "_bucket") {
      labels.add("le");
    }
    const name = `${of.prometheus}${part ?? ""}`;
    return new Expr(matchers.length > 0 ? `${name}{${matchers.join(", ")}}` : name, labels);
  }
}

/** A bucket's bound as its label has it, which must be one of the histogram's. */
export function bucket(name: string, bound: number): string {
  if (!metric(name).bounds.includes(bound)) {
    throw new Error(`${name} has no bucket up to ${bound}`);
  }
  return is(String(bound));
}

export function offset(expr: Expr, by: string): Expr {
  return new Expr(`${expr.text} offset ${by}`, expr.labels);
}

function need(found: Metric, type: ReturnType<typeof prometheusType>): Metric {
  const is = prometheusType(found);
  if (is !== type) {
    throw new Error(`${found.name} is a ${is}, not a ${type}`);
  }
  return found;
}

const WEBVIEW = "spanwire.webview.name";
