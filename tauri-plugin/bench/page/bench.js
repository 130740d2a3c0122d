// Measures, and hands what it found to the command `finish`.
const { invoke, transformCallback } = window.__TAURI_INTERNALS__;

/** The page's clock may be as coarse as a millisecond, so it times this many calls at once. */
const CALLS_IN_BATCH = 50;

async function calls(count) {
  const times = [];
  for (let n = 0; n < count; n += CALLS_IN_BATCH) {
    const began = performance.now();
    for (let call = 0; call < CALLS_IN_BATCH; call += 1) {
      await invoke("add", { value: call });
    }
    times.push(((performance.now() - began) * 1000) / CALLS_IN_BATCH);
  }
  return times;
}

/** What `work` took of the processor, in µs for each of `count`. */
async function used(count, work) {
  const before = await invoke("usage");
  const result = await work();
  const after = await invoke("usage");
  const each = (name) => ((after[name] - before[name]) * 1000) / count;
  return { result, host: each("host_ms"), page: each("page_ms") };
}

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function events(times, gapUs) {
  let received = 0;
  const handler = transformCallback(() => (received += 1));
  const event = `tick-${gapUs}`;
  const eventId = await invoke("plugin:event|listen", { event, target: { kind: "Any" }, handler });
  const run = await used(times, async () => {
    const took = await invoke("emit_events", { event, times, gapUs });
    while (received < times) {
      await wait(10);
    }
    return took;
  });
  await invoke("plugin:event|unlisten", { event, eventId });
  return run;
}

async function main() {
  const plan = await invoke("plan");
  await calls(plan.warm_up);
  const invokes = await used(plan.calls, () => calls(plan.calls));
  // As an app that tells of its progress does, and as fast as it can.
  const paced = await events(plan.paced_events, 2000);
  const flood = await events(plan.flood_events, 0);
  await wait(1500);
  const idle = await used(1, () => wait(plan.idle_ms));
  await invoke("finish", { report: { invokes, paced, flood, idle } });
}

main().catch((error) => invoke("finish", { report: { thrown: String(error) } }));
