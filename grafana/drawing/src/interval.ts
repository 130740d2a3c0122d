// Grafana's intervals: how far apart a panel's points are, and what its variables stand for.

/** Up to which interval, in seconds, which one is taken; Grafana rounds to those that people read easily. */
const ROUNDED: readonly (readonly [below: number, interval: number])[] = [
  [1.5, 1],
  [3.5, 2],
  [7.5, 5],
  [12.5, 10],
  [17.5, 15],
  [25, 20],
  [45, 30],
  [90, 60],
  [210, 120],
  [450, 300],
  [750, 600],
  [Infinity, 900],
];

/** Seconds from one point to the next, of a panel with room for that many. */
export function stepOf(rangeS: number, points: number, scrapeS: number): number {
  const needed = Math.max(rangeS / points, scrapeS);
  return ROUNDED.find(([below]) => needed < below)![1];
}

/** The times at which a range has its samples. */
export function gridOf(fromS: number, toS: number, stepS: number): number[] {
  const first = Math.floor(fromS / stepS) * stepS;
  const last = Math.floor(toS / stepS) * stepS;
  return Array.from({ length: Math.round((last - first) / stepS) + 1 }, (_, place) => first + place * stepS);
}

/** What Grafana puts in for the variables of an expression, with all of everything chosen. */
export function filledIn(expr: string, rangeS: number, stepS: number, scrapeS: number): string {
  const rateS = Math.max(stepS + scrapeS, 4 * scrapeS);
  const values: Readonly<Record<string, string>> = {
    __rate_interval_ms: String(rateS * 1_000),
    __rate_interval: `${rateS}s`,
    __interval: `${stepS}s`,
    __range_s: String(rangeS),
    __range: `${rangeS}s`,
    job: ".+",
    instance: ".+",
    webview: ".+",
  };
  return expr.replaceAll(/\$(?:(\w+)|\{(\w+)(?::\w+)?\})/g, (all, plain?: string, braced?: string) => {
    const name = plain ?? braced ?? "";
    // `$1` is a regular expression's.
    if (/^\d/.test(name)) {
      return all;
    }
    const value = values[name];
    if (value === undefined) {
      throw new Error(`no value of ${all} in ${expr}`);
    }
    return value;
  });
}

/** How long `now-15m` is, in seconds. */
export function rangeOf(from: string): number {
  const [, count, unit = ""] = /^now-(\d+)([smh])$/.exec(from) ?? [];
  const seconds = { s: 1, m: 60, h: 3600 }[unit];
  if (count === undefined || seconds === undefined) {
    throw new Error(`${from} is not understood`);
  }
  return Number(count) * seconds;
}
