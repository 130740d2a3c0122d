// What happens while the dashboards watch: the app does well, then faults come and go, and the last one
// stays until everything is drawn.

import { pause, type Stage } from "./stage.js";

interface Act {
  readonly faults: readonly string[];
  /** Seconds for pictures, in which things have time to be seen; and for a check, which is to be quick. */
  readonly pictureS: number;
  readonly checkS: number;
}

const ACTS: readonly Act[] = [
  { faults: [], pictureS: 45, checkS: 15 },
  { faults: ["failing-handler", "failing-operation", "failing-page"], pictureS: 25, checkS: 8 },
  { faults: ["full-queue"], pictureS: 20, checkS: 8 },
  { faults: ["blocked-ui"], pictureS: 15, checkS: 6 },
  { faults: [], pictureS: 20, checkS: 2 },
];

/** What stays: Live and the verdict show it. */
export const LAST = { fault: "slow-listener", pictureS: 50, checkS: 15 } as const;

export async function play(stage: Stage, isBrief: boolean): Promise<void> {
  const seconds = ({ pictureS, checkS }: { pictureS: number; checkS: number }) => (isBrief ? checkS : pictureS);
  for (const act of ACTS) {
    for (const fault of act.faults) {
      await stage.begin(fault);
    }
    await pause(seconds(act));
    for (const fault of act.faults) {
      await stage.end(fault);
    }
  }
  await stage.begin(LAST.fault);
  await pause(seconds(LAST));
}
