// What the page shows.

export const CHANNELS = 24;

const bars = [];
const faders = [];
const names = [];

export function build(onFader) {
  const main = document.querySelector("#channels");
  for (let channel = 0; channel < CHANNELS; channel += 1) {
    const strip = document.createElement("div");
    strip.className = "channel";
    const rail = document.createElement("div");
    rail.className = "rail";
    const bar = document.createElement("div");
    bar.className = "level";
    rail.append(bar);
    const fader = document.createElement("input");
    fader.type = "range";
    fader.addEventListener("input", () => onFader(channel, fader.value / 100));
    const name = document.createElement("span");
    strip.append(rail, fader, name);
    main.append(strip);
    bars.push(bar);
    faders.push(fader);
    names.push(name);
  }
}

export const fader = (channel) => faders[channel];

export function showChannel(channel, { name, gain }) {
  names[channel].textContent = `${name} ${gain.toFixed(2)}`;
}

export function showLevels(levels) {
  levels.forEach((level, channel) => (bars[channel].style.height = `${level}%`));
}

// Reads the height of each bar in small steps after each write, so the engine lays out each time.
export function showLevelsSmoothly(levels) {
  for (let step = 1; step <= 18; step += 1) {
    levels.forEach((level, channel) => {
      const bar = bars[channel];
      bar.style.height = `${(level * step) / 18}%`;
      names[channel].style.paddingTop = `${bar.offsetHeight % 3}px`;
    });
  }
}

export function showPosition(seconds, marker) {
  document.querySelector("#position").textContent = `${seconds.toFixed(1)} ${marker}`;
}

export function showStatus(text) {
  document.querySelector("#status").textContent = text;
}

export function showFiles(files) {
  document.querySelector("#library").replaceChildren(
    ...files.map((file) => {
      const item = document.createElement("li");
      item.textContent = file;
      return item;
    }),
  );
}

// Draws one line for each byte.
export function draw(id, bytes) {
  const canvas = document.querySelector(id);
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.strokeStyle = "#6aa9ff";
  context.beginPath();
  bytes.forEach((value, index) => {
    const x = (index / bytes.length) * canvas.width;
    context.lineTo(x, canvas.height - (value % canvas.height));
  });
  context.stroke();
}

// The strength of each frequency, by the definition and not by a fast transform.
export function spectrum(samples) {
  const strengths = [];
  for (let k = 0; k < samples.length / 2; k += 1) {
    let re = 0;
    let im = 0;
    for (let n = 0; n < samples.length; n += 1) {
      const angle = (2 * Math.PI * k * n) / samples.length;
      re += samples[n] * Math.cos(angle);
      im -= samples[n] * Math.sin(angle);
    }
    strengths.push(Math.hypot(re, im));
  }
  return strengths;
}
