//! A page that floods the host, and counts what the host floods it with.

/// On `flood` it emits `count` events `flooded`, and lets the engine breathe `turns` times; then it
/// says `flooded`, with how many the wire has `taken` and the time in `ms`. It counts the events
/// `tick` in `ticks`.
pub const FLOODING_PAGE: &str = r#"
  const breathe = () => new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = resolve;
    port2.postMessage(0);
  });
  // As large as a message is at about 100 bytes on the wire.
  const data = { asset: "hills at dusk", tags: ["sky", "hills"], rating: 4.5, seen: true };
  spanwire.on("flood", async ({ count, turns }) => {
    let taken = 0;
    const began = performance.now();
    for (let turn = 0; turn < turns; turn++) {
      for (let at = 0; at < count / turns; at++) taken += spanwire.emit("flooded", data);
      if (turns > 1) await breathe();
    }
    say("flooded", { taken, ms: performance.now() - began });
  });
  window.ticks = 0;
  spanwire.on("tick", () => ticks++);
  spanwire.on("ping", () => {});
  spanwire.invoke("echo", 1).then(() => say("up"));
"#;
