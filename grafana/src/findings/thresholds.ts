// From where on something is a finding. Alerts and the doctor have the same.

/** Seconds from which a window that does not react is felt. */
export const FELT_S = 0.1;
/** Failures in the window from which their share says something. */
export const FAILURES_MIN = 3;
/** Messages in the window from which their p95 or p99 says something: of a handful it is the slowest one. */
export const TIMED_MIN = 10;
/** The share of an event's calls that time out from which it counts as never answering. */
export const TIMED_OUT_MIN = 0.25;
/** Seconds after which a call is assumed to get no answer. */
export const UNSETTLED_S = 300;
/** Open calls of one event that are no accident when the oldest is this old: a dialog is one call. */
export const PILED_UP_MIN = 5;
export const PILED_UP_S = 30;
/** From where on a queue counts as nearly full. */
export const FULL = 0.8;
/** The share of the page's time from which what is sent to it waits. */
export const SATURATED = 0.6;
/** The share of all cores in use from which whatever wants to run waits. */
export const CPU_SATURATED = 0.95;
/** The share of all cores from which one process of the app's is to blame for a busy machine. */
export const BLAMED_CPU_MIN = 0.4;
/** Seconds by which other programs make a UI thread late: what is later has a cause in the app. */
export const LATE_BY_OTHERS_S = 0.25;
/** The share of scrapes without an answer from which an app that answers again stood still. */
export const STOOD_STILL_MIN = 0.1;
/** Loads in the window, beside the first, from which a page is not at rest. */
export const RELOADS_MIN = 4;
/** Messages a second of one event from which it is a flood: no screen shows more than a few hundred. */
export const FLOOD_PER_S = 500;
/** Calls a second of one event from which they are a loop: a call a frame is 60. */
export const CALLS_PER_S = 100;
/** The share of an event's calls that the page withdraws from which their answers come too late for it. */
export const WITHDRAWN_MIN = 0.5;
/** By how much something has grown when it is another thing than before. */
export const GROWN = 10;
/** Messages a second below which growth is a beginning. */
export const GROWN_RATE_MIN = 20;
/** Bytes below which a payload is small, however much it has grown. */
export const GROWN_SIZE_MIN = 64 * 1024;
/** Bytes on average from which a payload is felt: a webview takes some milliseconds to parse it. */
export const LARGE_BYTES = 512 * 1024;
/** Growth of memory that is worth a look: both as it is and as a share. */
export const MEMORY_MIN_BYTES = 64 * 1024 * 1024;
export const MEMORY_MIN_SHARE = 0.2;
/** What a start may take until the page shows something: Android vitals calls a longer cold start excessive. */
export const STARTUP_BUDGET_S = 5;
/** What one phase of a start may take: half of it all. */
export const STARTUP_PHASE_S = STARTUP_BUDGET_S / 2;
/** The share of a thread's time from which something is to blame for it. */
export const BLAMED_MIN = 0.05;
/** The share of an event's handlers that kept the UI thread from which that event blocks it. */
export const BLOCKING_MIN = 0.3;
