// A page as any Tauri app has it: it knows nothing of the plugin.
const { invoke, Channel } = window.__TAURI__.core;
const { emit, listen } = window.__TAURI__.event;

const list = document.querySelector("ol");
const progress = document.querySelector("progress");
const canvas = document.querySelector("canvas").getContext("2d");

function say(text) {
  const line = document.createElement("li");
  line.textContent = text;
  list.prepend(line);
  while (list.children.length > 5) {
    list.lastChild.remove();
  }
}

function draw(point, n) {
  canvas.fillStyle = `hsl(${n * 4} 80% 55%)`;
  canvas.fillRect(240 + 180 * point.x * (n / 60), 130 + 100 * point.y * (n / 60), 5, 5);
}

const commands = {
  open_drawing: () => invoke("open_drawing", { name: "valley" }),
  blur: () => invoke("blur"),
  render: () => invoke("render"),
  invert: () => invoke("invert", new Uint8Array(64 * 1024)),
  save: () => invoke("save", { name: "valley" }),
  recolour: () => {
    // Its promise is never settled, so nothing waits for it.
    void invoke("recolour");
  },
  brush: () => emit("brush-chosen", { width: 4 }),
  stroke: () => {
    canvas.clearRect(0, 0, 480, 260);
    let n = 0;
    const onPoint = new Channel();
    onPoint.onmessage = (point) => draw(point, (n += 1));
    return invoke("stroke", { points: 60, onPoint });
  },
};

async function run(command) {
  const began = performance.now();
  let how;
  try {
    const answer = await commands[command]();
    how = answer instanceof ArrayBuffer ? `${answer.byteLength} bytes` : JSON.stringify(answer) ?? "done";
  } catch (error) {
    how = `failed: ${error}`;
  }
  say(`${command}: ${how} after ${Math.round(performance.now() - began)} ms`);
}

for (const button of document.querySelectorAll("button")) {
  button.addEventListener("click", () => run(button.dataset.command));
}

void listen("render-progress", ({ payload }) => (progress.value = payload));

async function drive() {
  for (;;) {
    for (const command of Object.keys(commands)) {
      await run(command);
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
  }
}

if (window.DRIVE) {
  void drive();
}
