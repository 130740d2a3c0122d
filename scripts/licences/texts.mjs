// Tells licences by their texts: Go's modules have nothing else that says which they are under.

/** Words by which a text is known. */
const KNOWN = [
  ["AGPL-3.0", /GNU Affero General Public License|\bAGPL/i],
  ["LGPL-3.0", /GNU (Lesser|Library) General Public License/i],
  ["GPL-3.0", /GNU General Public License/i],
  ["SSPL-1.0", /Server Side Public License/i],
  ["BUSL-1.1", /Business Source License/i],
  ["EPL-2.0", /Eclipse Public License/i],
  ["CDDL-1.0", /Common Development and Distribution License/i],
  ["CC-BY-SA-4.0", /Attribution-ShareAlike 4\.0/i],
  ["CC-BY-4.0", /Creative Commons Attribution 4\.0/i],
  ["CC0-1.0", /CC0 1\.0 Universal/i],
  ["MPL-2.0", /Mozilla Public License,? (Version|v\.?) ?2\.0/i],
  ["Apache-2.0", /Apache License,? Version 2\.0/i],
  ["MIT", /Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files/i],
  ["BSD-3-Clause", /Redistribution and use in source and binary forms.*(neither the name|nor the names of|may not be used to endorse)/i],
  ["BSD-2-Clause", /Redistribution and use in source and binary forms/i],
  ["ISC", /Permission to use, copy, modify, and(\/or)? distribute this software for any purpose with or without fee is hereby granted/i],
  ["Zlib", /This software is provided 'as-is', without any express or implied warranty/i],
];

/** What a text speaks of without being under it. */
const MENTIONED = new Map([
  ["MPL-2.0", ["AGPL-3.0", "LGPL-3.0", "GPL-3.0"]],
  ["BSD-3-Clause", ["BSD-2-Clause"]],
]);

/** The licences that a text has, by their SPDX names, all of which hold; none when it is unknown. */
export function licencesOf(text) {
  const plain = text.replaceAll(/[\s*#>]+|\/\/+/g, " ").replaceAll(/ +/g, " ");
  const found = KNOWN.filter(([, words]) => words.test(plain)).map(([name]) => name);
  const mentioned = found.flatMap((name) => MENTIONED.get(name) ?? []);
  return found.filter((name) => !mentioned.includes(name));
}
