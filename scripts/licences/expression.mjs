// Reads licences as SPDX writes them: `(MIT OR Apache-2.0) AND Unicode-3.0`.

/** Whether an expression can be kept with licences that are allowed. */
export function isAllowed(expression, allow) {
  // Before there was SPDX, crates wrote a slash for OR.
  const tokens = expression.replaceAll("/", " OR ").match(/[()]|[^\s()]+/g) ?? [];
  let at = 0;
  const any = () => {
    let is = all();
    while (tokens[at] === "OR") {
      at += 1;
      const right = all();
      is = is || right;
    }
    return is;
  };
  const all = () => {
    let is = one();
    while (tokens[at] === "AND") {
      at += 1;
      const right = one();
      is = is && right;
    }
    return is;
  };
  const one = () => {
    if (tokens[at] === "(") {
      at += 1;
      const is = any();
      at += 1;
      return is;
    }
    let name = tokens[at] ?? "";
    at += 1;
    if (tokens[at] === "WITH") {
      name += ` WITH ${tokens[at + 1]}`;
      at += 2;
    }
    return allow.has(name);
  };
  const is = any();
  // What cannot be read to its end allows nothing.
  return is && at === tokens.length;
}
