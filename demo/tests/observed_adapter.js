// A message layer of an app's own, over wry's plain `window.ipc`: what an integrator writes.
(observe) => {
  const { stringify } = JSON;
  const post = window.ipc.postMessage.bind(window.ipc);
  const page = observe((report) => post(`report ${report}`));
  const open = new Map();
  const listeners = new Map();
  let last = 0;
  Object.assign(window, {
    observedPage: page,
    post: (text) => {
      page.flush();
      post(text);
    },
    ask: (command, asset) =>
      page.call(
        (call) =>
          new Promise((resolve, reject) => {
            open.set(++last, { resolve, reject });
            post(`ask ${call.posted()} ${stringify([last, command, asset])}`);
          }),
      ),
    answer: (id, ok, value) => {
      const { resolve, reject } = open.get(id);
      open.delete(id);
      (ok ? resolve : reject)(value);
    },
    listen: (name, listener) => listeners.set(name, page.listener(name, listener)),
    tell: (number, name, value) => page.delivered(number, () => listeners.get(name)?.(value)),
  });
}
