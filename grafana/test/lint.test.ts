// Every dashboard keeps every rule, and every rule finds what it is there for.

import assert from "node:assert/strict";
import test from "node:test";
import { dashboards, type Dashboard } from "./committed.js";
import { LINT } from "./lint.js";

for (const [name, rule] of Object.entries(LINT)) {
  test(`in every dashboard ${name}`, () => {
    for (const dashboard of dashboards) {
      assert.deepEqual(rule(dashboard), [], dashboard.title);
    }
  });
}

/** A change of a dashboard's JSON that is wrong, and what the rule says of it. */
type Mistake = readonly [from: string | RegExp, to: string, says: string];

const MISTAKES: Readonly<Record<keyof typeof LINT, readonly Mistake[]>> = {
  "the dashboard cannot be edited": [
    ['"editable":false', '"editable":true', "editable"],
    ['"editable":false,', "", "editable"],
  ],
  "the data source is the variable's everywhere": [
    ['"uid":"${datasource}"', '"uid":"mine"', "mine"],
    ['"datasource":{"type":"prometheus","uid":"${datasource}"},"fieldConfig"', '"fieldConfig"', "the panel names none"],
    [',"datasource":{"type":"prometheus","uid":"${datasource}"},"refId":"A"', ',"refId":"A"', "A names none"],
  ],
  "the variables choose the data source, the job, the instance and the webview": [
    ['"name":"instance"', '"name":"target"', "variables datasource,job,target,webview"],
    ['"query":"prometheus"', '"query":"loki"', "no data source"],
    ['"label":"Job"', '"label":""', "job has no label"],
    ['"query":"label_values(', '"query":"query_result(', "job asks for no label"],
    ['"multi":true', '"multi":false', "job does not take all"],
    ['"includeAll":true', '"includeAll":false', "job does not take all"],
    ['"allValue":".+"', '"allValue":".*"', "job does not take all"],
    ['"refresh":2', '"refresh":1', "job is not read again when the time changes"],
  ],
  "a panel has a title, a description and a unit": [
    ['"title":"Messages"', '"title":""', "has no title"],
    [/"description":"Messages that[^"]*"/, '"description":"messages"', "Messages: no description that is a sentence"],
    [/"description":"Messages that[^"]*",/, "", "Messages: no description that is a sentence"],
    ['"unit":"count:msg/s"', '"unit":""', "Messages: no unit"],
  ],
  "a panel has queries, and each a legend": [
    [/"targets":\[\{.*?\}\]/, '"targets":[]', "Messages: no query"],
    ['"legendFormat":"messages"', '"legendFormat":""', "Messages: A has no legend"],
  ],
  "a query keeps to the job, the instance and the webview that are chosen": [
    ['job=~\\"$job\\", ', "", "of any job"],
    ['job=~\\"$job\\", ', 'job=~\\".+\\", ', "of any job"],
    ['job=~\\"$job\\", ', 'job!~\\"$job\\", ', "of any job"],
    ['instance=~\\"$instance\\", ', "", "of any instance"],
    [', spanwire_webview_name=~\\"$webview\\"', "", "of any webview"],
  ],
  "a rate or an increase is over $__rate_interval, or over the time that the panel says": [
    ["[$__rate_interval]", "[5m]", "rate over 5m"],
    ["[$__rate_interval]", "[$__interval]", "rate over $__interval"],
    ["[$__rate_interval]", "[$__range]", "rate over $__range"],
    [/increase\(([^[]*)\[[^\]]*\]/, "increase($1[1m]", "increase over 1m"],
    [/increase\(([^[]*)\[[^\]]*\]/, "increase($1[1h]", "increase over 1h"],
  ],
  "a panel that has nothing to show says what that means": [
    [/"noValue":"[^"]*",?/, "", "no text for no data"],
  ],
  "a chart's counts are per second: an increase's windows overlap, and a burst would count several times": [
    [/("type":"timeseries".*?"expr":")/, "$1sum(increase(x[$__rate_interval])) or ", "an increase over"],
  ],
  "a share has decimals, or Grafana shows 1.000%": [
    [/"decimals":\d+,/g, "", "no decimals"],
  ],
  "a point alone shows: no chart hides its points": [
    ['"showPoints":"auto"', '"showPoints":"never"', "it hides points"],
  ],
  "a column of quantiles has no value that is not a number, which no order has": [
    [/ >= 0/g, "", "may be NaN"],
  ],
  "a quantile in a card or a table is over minutes: of a few messages it is their maximum": [
    [/\[5m\]/g, "[$__rate_interval]", "is over seconds"],
  ],
  "a counter is read as an increase": [
    [/rate\(([^[]*)\[\$__rate_interval\]\)/, "$1", "spanwire_ipc_messages_total as it is"],
    [/ unless spanwire_\w+_total/, " unless spanwire_ipc_retries_total", "as it is"],
  ],
};

/** The dashboard of messages with one mistake, made in its panels when the rule is about these. */
function withMistake(from: string | RegExp, to: string, inPanels: boolean): Dashboard {
  const ipc = dashboards.find(({ uid }) => uid === "spanwire-ipc")!;
  const before = JSON.stringify(inPanels ? ipc.panels : ipc).replaceAll(/(?:\\n| )+/g, " ");
  // A dollar sign of a text is one; that of a pattern's replacement names a group.
  const after = before.replace(from, from instanceof RegExp ? to : to.replaceAll("$", "$$$$"));
  assert.notEqual(after, before, `there is no ${from}`);
  const made = JSON.parse(after);
  return inPanels ? { ...ipc, panels: made } : made;
}

test("every rule finds each mistake that it is there for", () => {
  assert.deepEqual(Object.keys(MISTAKES), Object.keys(LINT));
  for (const [name, mistakes] of Object.entries(MISTAKES)) {
    for (const [from, to, says] of mistakes) {
      const found = LINT[name]?.(withMistake(from, to, /^a /.test(name))) ?? [];
      assert.ok(found.some((what) => what.includes(says)), `${name}, ${says}: ${found.join("; ")}`);
    }
  }
});
