"use strict";

// Imports go on in the background, one after the other, until they are done or stopped.

const FILES = 120;
const IMPORTS_SHOWN = 2;

const imports = new Map();
let lastImport = 0;

const startImport = async () => {
  const job = ++lastImport;
  const row = importRow(job);
  const abort = new AbortController();
  row.button.addEventListener("click", () => abort.abort());
  try {
    const { imported } = await traced("ui.import", () =>
      call("assets.import", { job, files: FILES }, { signal: abort.signal }),
    );
    row.finish("done", `Imported ${imported} pictures`, "done");
    search();
  } catch (error) {
    // Where it stopped comes from Rust: see `import.stopped`.
    if (error.code === "CANCELLED") row.finish("stopped", row.label.textContent, "stopping");
    else row.finish("failed", friendly(error).text, error.code);
  }
};

const importRow = (job) => {
  $("imports").querySelector(".empty")?.remove();
  const item = make("li", "");
  const label = make("span", "label", "Waiting for the import before");
  const button = make("button", "", "Stop");
  button.type = "button";
  button.setAttribute("aria-label", `Stop import ${job}`);
  const bar = make("progress", "");
  bar.max = FILES;
  bar.value = 0;
  bar.setAttribute("aria-label", `Import ${job}`);
  item.append(label, button, bar);
  $("imports").prepend(item);
  const finish = (state, text, end) => {
    item.className = state;
    label.textContent = text;
    item.querySelector("button, .end").replaceWith(make("span", "end", end));
    if (state === "done") bar.value = FILES;
    tidy();
  };
  const row = { item, label, button, bar, finish };
  imports.set(job, row);
  tidy();
  return row;
};

// What has ended makes room; what runs stays.
const tidy = () => {
  for (const [job, { item }] of imports) {
    if (imports.size <= IMPORTS_SHOWN) return;
    if (!item.className) continue;
    item.remove();
    imports.delete(job);
  }
};

spanwire.on("import.progress", ({ job, done, files, name }) => {
  log("in", "import.progress", `${done}/${files}`);
  const row = imports.get(job);
  if (!row || row.item.className) return;
  row.bar.value = done;
  row.label.textContent = `${done} of ${files} · ${name}`;
});

// The same thing the way of the platform.
window.addEventListener("import.stopped", ({ detail: { job, done } }) => {
  log("in", "import.stopped", `after ${done}`);
  imports.get(job)?.finish("stopped", `Stopped after ${done} of ${FILES} pictures`, "stopped");
  search();
});

$("import").addEventListener("click", startImport);
