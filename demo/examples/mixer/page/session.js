// What the page does by itself, as a user at the desk would.

import {
  CHANNELS,
  build,
  draw,
  fader,
  showChannel,
  showFiles,
  showLevels,
  showLevelsSmoothly,
  showPosition,
  showStatus,
  spectrum,
} from "./desk.js";

const PARAMETERS = 16;
const features = new Set();
const gains = new Array(CHANNELS).fill(0.5);
let marker = { current: { name: "verse" } };
let turn = 0;
let piece = 0;
let echoes = 0;
let isLoadingPreset = false;
let isRefreshing = false;

let begun = 0;
// Each begins a little later than the one before it, so that they do not all come at once.
const every = (ms, work) => setTimeout(() => setInterval(work, ms), (begun += 1) * 70);

build((channel, value) => {
  gains[channel] = value;
  spanwire.emit("fader.set", { channel, value });
});

spanwire.on("meter.levels", (levels) =>
  features.has("layout") ? showLevelsSmoothly(levels) : showLevels(levels),
);

spanwire.on("transport.position", (seconds) => {
  if (features.has("markers")) {
    // The song has no marker at this place.
    marker = { current: undefined };
  }
  showPosition(seconds, marker.current.name);
});

spanwire.on("fader.moved", ({ channel, value }) => {
  const moved = fader(channel);
  moved.value = value * 100;
  if (features.has("echo")) {
    moved.dispatchEvent(new Event("input"));
  }
});

spanwire.on("peaks.ready", ([, peaks]) => draw("#peaks", peaks));

function moveFader() {
  // Five moves go round and round.
  if (features.has("echo") && (echoes += 1) > 5) {
    return;
  }
  const moved = fader((turn += 1) % CHANNELS);
  moved.value = (turn * 7) % 100;
  moved.dispatchEvent(new Event("input"));
}

async function refresh() {
  if (isRefreshing) {
    return;
  }
  isRefreshing = true;
  try {
    if (features.has("single")) {
      for (let channel = 0; channel < CHANNELS; channel += 1) {
        for (let parameter = 0; parameter < PARAMETERS; parameter += 1) {
          showChannel(channel, await spanwire.invoke("channel.get", channel));
        }
      }
    } else {
      (await spanwire.invoke("channels.list")).forEach((strip, channel) =>
        showChannel(channel, strip),
      );
    }
  } finally {
    isRefreshing = false;
  }
}

async function loadPreset() {
  if (isLoadingPreset) {
    return;
  }
  isLoadingPreset = true;
  for (;;) {
    try {
      await spanwire.invoke("preset.load", turn);
      break;
    } catch (error) {
      showStatus(error.message);
    }
  }
  isLoadingPreset = false;
}

async function search() {
  try {
    showFiles(await spanwire.invoke("library.search", `kick ${turn}`, { timeoutMs: 800 }));
  } catch (error) {
    showStatus(error.message);
  }
}

async function settings() {
  const settings = await spanwire.invoke("desk.settings");
  features.clear();
  settings.features.forEach((feature) => features.add(feature));
}

await settings();
await refresh();

every(500, moveFader);
every(250, () => spanwire.emit("peaks.request", { track: turn % CHANNELS, piece: (piece += 1) }));
every(1_000, () =>
  spanwire.invoke("channel.gain", { channel: turn % CHANNELS, value: gains[turn % CHANNELS] }),
);
every(1_000, settings);
every(1_000, () => spanwire.invoke("undo.push", gains));
every(1_000, async () => draw("#waveform", await spanwire.invoke("waveform.read", turn)));
every(2_000, refresh);
every(2_000, search);
every(3_000, loadPreset);
every(3_000, () => spanwire.invoke("mix.save", { gains, notes: "take two ".repeat(400) }));
every(4_000, () => spanwire.invoke("plugin.open", "reverb"));
every(4_000, () =>
  ["drums", "keys", "voice"].forEach((folder) => spanwire.invoke("library.scan", folder)),
);
every(600, () => {
  if (features.has("spectrum")) {
    spectrum(Array.from({ length: 4_096 }, (_, n) => Math.sin(n * gains[n % CHANNELS])));
  }
});
setTimeout(() => every(1_000, () => features.has("reload") && location.reload()), 2_000);
