"use strict";

// What goes wrong here when the demo is told so: see `--faults`.

spanwire.on("fault.call", ({ event, times, timeoutMs }) => {
  const options = timeoutMs === null ? undefined : { timeoutMs };
  // What comes of it is in the metrics.
  for (let time = 0; time < times; time++) spanwire.invoke(event, null, options).catch(() => {});
});

spanwire.on("fault.busy", ({ ms }) => {
  for (const end = performance.now() + ms; performance.now() < end; );
});

spanwire.on("fault.throw", () => {
  Promise.reject(new Error("nobody catches this"));
  setTimeout(() => {
    throw new Error("nor this");
  });
  throw new Error("a listener of the page failed");
});
