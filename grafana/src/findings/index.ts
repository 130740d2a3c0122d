// The catalogue of findings, causes before what they bring about: alerts and the doctor are made from it.

import { runbookFile } from "../runbooks.js";
import { APP } from "./app.js";
import { DOCTOR, labelsIn, type Finding } from "./finding.js";
import { MESSAGE } from "./messages.js";
import { PAGE } from "./page.js";
import { UI_THREAD } from "./ui_thread.js";

// The doctor keeps this order within a severity: of two findings that explain a third the first is
// told.
export const FINDINGS: readonly Finding[] = [...UI_THREAD, ...PAGE, ...MESSAGE, ...APP];

/** The finding of that id. */
export function finding(id: string): Finding {
  const found = FINDINGS.find((one) => one.id === id);
  if (!found) {
    throw new Error(`no finding ${id}`);
  }
  return found;
}

/** The catalogue as the doctor reads it. */
export function catalogue(): string {
  return `${JSON.stringify({ findings: FINDINGS.map(exported) }, null, 2)}\n`;
}

function exported(of: Finding): object {
  const evidence = of.evidence(DOCTOR);
  // At build time: a label that the evidence lacks would be a gap in the doctor's sentence.
  evidence.need(labelsIn(of.says));
  const culprit = of.culprit?.expr(DOCTOR);
  culprit?.need(labelsIn(of.culprit?.says ?? ""));
  const known = new Set([...evidence.labels, ...(culprit?.labels ?? [])]);
  const traced = [of.trace?.operation ?? "", ...Object.values(of.trace?.tags ?? {})];
  for (const name of [...traced.flatMap(labelsIn), ...(of.explains ?? []).flatMap(({ same }) => same)]) {
    if (!known.has(name)) {
      throw new Error(`${of.id} has no label ${name}`);
    }
  }
  for (const { ids, as = {} } of of.explains ?? []) {
    // It throws for an id that no finding has, and for a label that the finding lacks.
    for (const id of ids) finding(id).evidence(DOCTOR).need(Object.values(as));
  }
  const alerts = [...(of.alert ? [of.alert.name] : []), ...(of.otherAlerts ?? [])];
  return {
    id: of.id,
    question: of.question,
    stage: of.stage,
    severity: of.severity,
    says: of.says,
    unit: of.unit,
    evidence: evidence.text,
    ...(of.culprit && culprit
      ? { culprit: { says: of.culprit.says, unit: of.culprit.unit, evidence: culprit.text } }
      : {}),
    explains: of.explains ?? [],
    remedy: of.remedy,
    ...(of.trace ? { trace: of.trace } : {}),
    alerts,
    ...(of.alert ? { runbook: runbookFile(of.alert.name) } : {}),
  };
}
