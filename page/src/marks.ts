// The page's own performance marks and measures, as records.

import { isName } from "./names.js";
import { watch } from "./primordials.js";
import { record } from "./record.js";

/** Records each mark's time and each measure's duration, in seconds, under its own name. */
export const watchMarks = (): void => {
  const one = (category: string, name: string, ms: number): void => {
    // The host would refuse another.
    if (isName(name)) record(name, ms / 1e3, { unit: "s", category });
  };
  watch("mark", ({ name, startTime }) => one("mark", name, startTime));
  watch("measure", ({ name, duration }) => one("measure", name, duration));
};
