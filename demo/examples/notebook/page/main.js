// The page of a note-taking app, which its own timers use.
const { invoke, emit, on } = spanwire;

const list = document.querySelector("ul");
const footer = document.querySelector("footer");
for (let id = 0; id < 20; id += 1) list.append(document.createElement("li"));

/** A call whose failure the app shows, and survives. */
const ask = (event, data, options) =>
  invoke(event, data, options).catch((error) => {
    footer.textContent = `${event}: ${error.message}`;
  });

const show = (id) => {
  list.children[id % 20].textContent = `Note ${id}, synced`;
};
on("note.synced", show);
on("sync.status", (text) => {
  footer.textContent = text;
});
on("preview.drawn", ([id]) => {
  list.children[id % 20].textContent = `Drawing ${id}`;
});

const note = { id: 0, length: 0, text: "Milk, bread, a present for Ada. ".repeat(20) };
setInterval(() => emit("note.edited", { id: note.id, length: (note.length += 1) }), 200);
setInterval(() => ask("note.save", { id: note.id, text: note.text }), 500);
setInterval(() => ask("note.open", (note.id = (note.id + 1) % 20)), 400);
setInterval(() => ask("note.outline", note.id), 900);
setInterval(() => ask("note.format", note.id), 700);
setInterval(() => ask("note.pin", note.id), 1000);
const search = setInterval(() => ask("notes.search", "milk"), 1000);

/** What the app is told to do wrong. */
window.faults = {
  leakListeners() {
    setInterval(() => {
      for (let added = 0; added < 3; added += 1) {
        on("note.synced", (id) => {
          const until = performance.now() + 0.5;
          while (performance.now() < until) show(id);
        });
      }
    }, 400);
  },
  askForEachTitle() {
    setInterval(() => {
      for (let id = 0; id < 500; id += 1) ask("note.title", id);
    }, 1000);
  },
  throwInTimer() {
    setInterval(() => {
      list.children[99].textContent = "Reminder";
    }, 200);
  },
  checkSpelling() {
    setInterval(() => ask("spelling.check", note.text), 2000);
  },
  leakMemory() {
    window.undo = [];
    setInterval(() => window.undo.push(new Uint8Array(2_000_000).fill(7)), 100);
  },
  searchWithTimeout() {
    clearInterval(search);
    setInterval(() => ask("notes.search", "milk", { timeoutMs: 3000 }), 1000);
  },
  exportAll() {
    setInterval(() => ask("notes.export"), 2000);
  },
  useOldNames() {
    setInterval(() => emit("note.renmaed", note.id), 200);
    setInterval(() => ask("tags.lst"), 1000);
  },
  layOut() {
    setInterval(() => {
      const until = performance.now() + 2000;
      while (performance.now() < until) show(note.id);
    }, 3000);
  },
  saveScan() {
    setInterval(() => ask("note.save", { id: note.id, text: "x".repeat(2_000_000) }), 1000);
  },
  throwInListener() {
    on("note.synced", () => {
      list.children[99].textContent = "Badge";
    });
  },
  searchAsTyped() {
    clearInterval(search);
    setInterval(() => ask("notes.search", "milk", { signal: AbortSignal.timeout(100) }), 200);
  },
};
