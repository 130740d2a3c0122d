// The picture of a display has its pixels, and nothing of the display beside the window.

import assert from "node:assert/strict";
import test from "node:test";
import { inflateSync } from "node:zlib";
import { cropped, pixels, png } from "./framebuffer.mjs";

/** A frame buffer as Xvfb writes it: a header of 100 bytes and a name, then lines. */
function frameBuffer(rows, { bitsPerPixel = 32 } = {}) {
  const [height, width] = [rows.length, rows[0].length];
  const words = [160, 7, 2, 24, width, height, 0, 0, 32, 0, 32, bitsPerPixel, width * 4, 4, 0xff0000, 0xff00, 0xff, 8, 256, 2];
  const file = Buffer.alloc(160 + 2 * 12 + width * height * 4);
  words.forEach((word, index) => file.writeUInt32BE(word, index * 4));
  rows.flat().forEach((pixel, index) => file.writeUInt32LE(pixel, 160 + 24 + index * 4));
  return file;
}

test("the window is cut out of the display", () => {
  const display = [
    [0x112233, 0, 0x445566, 0],
    [0, 0, 0, 0],
    [0x778899, 0, 0, 0],
    [0, 0, 0, 0],
  ];
  const rows = cropped(pixels(frameBuffer(display)));
  assert.deepEqual(rows.map((row) => [...row]), [[0x112233, 0, 0x445566], [0, 0, 0], [0x778899, 0, 0]]);
});

test("a picture has the pixels in its order", () => {
  const file = png([Uint32Array.of(0x112233, 0x445566), Uint32Array.of(0, 0xffffff)]);
  assert.equal(file.subarray(1, 4).toString(), "PNG");
  assert.deepEqual([file.readUInt32BE(16), file.readUInt32BE(20)], [2, 2]);
  const data = file.subarray(41, 41 + file.readUInt32BE(33));
  assert.deepEqual([...inflateSync(data)], [0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0, 0, 0, 0, 0xff, 0xff, 0xff]);
  // That of every PNG's last chunk, by the specification.
  assert.equal(file.subarray(-4).toString("hex"), "ae426082");
});

test("another form of frame buffer is an error that says which", () => {
  assert.throws(() => pixels(frameBuffer([[0]], { bitsPerPixel: 16 })), /version 7 and 16 bits/);
});
