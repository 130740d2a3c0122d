import type { Quiet } from "./check.js";

/** What has nothing to show in the story, and why. */
export const QUIET: Quiet = {
  "spanwire-ipc": { "Deliveries of startup": "nothing is sent before the page is there" },
  "spanwire-live": {
    "Operations OK": "no operation may have ended in the last seconds",
    "Running operations": "no operation may have run at a scrape",
  },
  "spanwire-operations": {
    "Operations OK": "no operation may have ended in the last seconds",
    "Running operations": "no operation may have run at a scrape",
  },
  "spanwire-telemetry": {
    "Targets down": "all targets are up",
    "Not exported, by reason": "the receiver takes all that it is sent",
  },
};
