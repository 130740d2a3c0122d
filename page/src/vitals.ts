// The web vitals that are durations, as far as the engine has them: WebKitGTK has no more than
// `ttfb` and `fcp`. Definitions and thresholds are those of https://web.dev/articles/vitals.

import { now, stamp } from "./clock.js";
import { keepListening } from "./dom_listeners.js";
import { send } from "./outbox.js";
import { append, bare, list, type List, page, removeListener, watch } from "./primordials.js";

type Name = "ttfb" | "fcp" | "lcp" | "inp";

interface Entry extends PerformanceEntry {
  readonly responseStart?: number;
  readonly interactionId?: number;
}

interface Interaction {
  id: number;
  duration: number;
}

/** Milliseconds: up to the first is good, up to the second could be better. */
const THRESHOLDS = {
  ttfb: { good: 800, fair: 1_800 },
  fcp: { good: 1_800, fair: 3_000 },
  lcp: { good: 2_500, fair: 4_000 },
  inp: { good: 200, fair: 500 },
};
const INPUTS: List<string> = bare(["keydown", "pointerdown", "click"]);
/** Shorter events are no trouble, and many. */
const EVENT_MS_MIN = 40;
/** One interaction in so many may be worse than what is told of them. */
const OUTLIER_OF = 50;
const INTERACTIONS = 10;
/** What the engines that number interactions count them by. */
const ID_STEP = 7;

const say = (name: Name, value: number): void => {
  // A custom protocol has no times of a network; and no time is from the future.
  if (!(value >= 0)) return;
  const { good, fair } = THRESHOLDS[name];
  const rating = value <= good ? "good" : value <= fair ? "needs_improvement" : "poor";
  send(`{"kind":"vital","name":"${name}","value":${stamp(value)},"rating":"${rating}"}`);
};

const isHidden = (): boolean => page.document.visibilityState === "hidden";

/** Starts measuring; returns what ends it, for when the page is hidden or goes. */
export const watchVitals = (): (() => void) => {
  // A page that was hidden while it loaded says nothing about its speed.
  let hiddenAt = isHidden() ? 0 : Infinity;

  watch<Entry>("navigation", ({ responseStart }, stop) => {
    if (responseStart && responseStart <= now()) say("ttfb", responseStart);
    stop();
  });

  watch<Entry>("paint", ({ name, startTime }, stop) => {
    if (name !== "first-contentful-paint") return;
    if (startTime < hiddenAt) say("fcp", startTime);
    stop();
  });

  let largest = -1;
  let painted = watch<Entry>("largest-contentful-paint", ({ startTime }) => {
    if (startTime < hiddenAt) largest = startTime;
  });
  const finishLargest = (): void => {
    if (!painted) return;
    painted.take();
    painted.stop();
    painted = null;
    say("lcp", largest);
  };
  if (painted) {
    // What is painted after the user did something is no part of loading. Not `once`, which an
    // event of the page's own would use up.
    const used = (event: Event): void => {
      if (!event.isTrusted) return;
      finishLargest();
      for (let at = 0; at < INPUTS.length; at++) removeListener(page, INPUTS[at] as string, used, true);
    };
    for (let at = 0; at < INPUTS.length; at++) keepListening(INPUTS[at] as "click", used, true);
  }

  // The longest interactions since the page was shown. One has several events: the longest counts.
  let longest = list<Interaction>();
  let firstId = Infinity;
  let lastId = 0;
  const interacted = ({ interactionId: id, duration, entryType }: Entry): void => {
    if (!id && entryType !== "first-input") return;
    const key = id ?? 0;
    if (key && key < firstId) firstId = key;
    if (key > lastId) lastId = key;
    let shortest: Interaction | undefined;
    for (let at = 0; at < longest.length; at++) {
      const other = longest[at] as Interaction;
      if (other.id === key) {
        if (duration > other.duration) other.duration = duration;
        return;
      }
      if (!shortest || other.duration < shortest.duration) shortest = other;
    }
    if (longest.length < INTERACTIONS) append(longest, { id: key, duration });
    else if (shortest && duration > shortest.duration) {
      shortest.id = key;
      shortest.duration = duration;
    }
  };
  const events = watch<Entry>("event", interacted, EVENT_MS_MIN);
  // It is there for shorter ones, too, so that a page which is quick has a value at all.
  const firstInput = events && watch<Entry>("first-input", interacted);
  const finishInteractions = (): void => {
    events?.take();
    firstInput?.take();
    if (!longest.length) return;
    const count = lastId > firstId ? (lastId - firstId) / ID_STEP + 1 : 1;
    let skip = count / OUTLIER_OF;
    let worst = 0;
    // The worst but for the outliers: each round finds the next one below.
    for (let below = Infinity, round = 0; round < longest.length && skip >= 0; round++, skip--) {
      let next: Interaction | undefined;
      for (let at = 0; at < longest.length; at++) {
        const one = longest[at] as Interaction;
        if (one.duration < below && (!next || one.duration > next.duration)) next = one;
      }
      if (!next) break;
      worst = below = next.duration;
    }
    say("inp", worst);
    longest = list();
    firstId = Infinity;
    lastId = 0;
  };

  const finish = (): void => {
    finishLargest();
    finishInteractions();
  };
  keepListening(
    "visibilitychange",
    (event) => {
      if (!event.isTrusted || !isHidden()) return;
      if (event.timeStamp < hiddenAt) hiddenAt = event.timeStamp;
      finish();
    },
    true,
  );
  return finish;
};
