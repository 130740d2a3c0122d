// What is on a virtual display, as a PNG: Xvfb writes its frame buffer into a file in X's own format.

import { deflateSync } from "node:zlib";

const BLACK = 0;

/** The pixels of an XWD file of 32 bits a pixel, as Xvfb writes it: rows of `0xRRGGBB`. */
export function pixels(file) {
  const word = (index) => file.readUInt32BE(index * 4);
  const [headerSize, version, , , width, height] = [0, 1, 2, 3, 4, 5].map(word);
  const [isBigEndian, bitsPerPixel, bytesPerLine, colours] = [word(7) === 1, word(11), word(12), word(19)];
  if (version !== 7 || bitsPerPixel !== 32) {
    throw new Error(`the frame buffer has version ${version} and ${bitsPerPixel} bits a pixel, not 7 and 32`);
  }
  const start = headerSize + colours * 12;
  return Array.from({ length: height }, (_, y) =>
    Uint32Array.from({ length: width }, (_, x) => {
      const at = start + y * bytesPerLine + x * 4;
      return (isBigEndian ? file.readUInt32BE(at) : file.readUInt32LE(at)) & 0xffffff;
    }),
  );
}

/** Without the rows below and the columns beside the window: an empty display is black. */
export function cropped(rows) {
  const height = rows.findLastIndex((row) => row.some((pixel) => pixel !== BLACK)) + 1;
  const width = Math.max(0, ...rows.map((row) => row.findLastIndex((pixel) => pixel !== BLACK) + 1));
  return rows.slice(0, height).map((row) => row.subarray(0, width));
}

const CRCS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) {
    crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  }
  return crc;
});
const crc32 = (bytes) => ~bytes.reduce((crc, byte) => CRCS[(crc ^ byte) & 0xff] ^ (crc >>> 8), -1) >>> 0;

/** A chunk of a PNG: length, type, data, checksum. */
function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, checksum]);
}

/** A PNG of these pixels, with 8 bits for each colour. */
export function png(rows) {
  const [height, width] = [rows.length, rows[0]?.length ?? 0];
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8);
  // Each line begins with the number of its filter: none.
  const lines = rows.map((row) => Buffer.from([0, ...Array.from(row).flatMap((p) => [p >> 16, (p >> 8) & 0xff, p & 0xff])]));
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(Buffer.concat(lines))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}
