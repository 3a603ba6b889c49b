import { inflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { type MontageCase, montagePng } from "./montage.ts";

const affineVoxelToRas = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

/** A brain of 4 x 3 voxels in a grid of 10 x 9 x 2, brighter in the second plane, with a label there. */
function tiny(): MontageCase {
  const dims = [10, 9, 2] as const;
  const image = new Float32Array(180);
  const labels = new Uint8Array(180);
  for (let z = 0; z < 2; z++) {
    for (let y = 4; y < 7; y++) for (let x = 3; x < 7; x++) image[x + 10 * (y + 9 * z)] = 1 + z + 0.1 * x;
  }
  labels[4 + 10 * (5 + 9)] = 3;
  const volume = { dims, data: image, affineVoxelToRas };
  return { t1: volume, t1ce: volume, t2: volume, flair: volume, labelMap: { dims, data: labels, affineVoxelToRas } };
}

describe("montagePng", () => {
  it("shows five tiles a case, cropped to the brain with a margin, and colours only the label", () => {
    const png = montagePng([tiny(), tiny()], 2);
    const view = new DataView(png.buffer, png.byteOffset);
    const [width, height] = [view.getUint32(16), view.getUint32(20)];
    expect([width, height]).toEqual([8 * 5 * 2, 7]);
    const rows = inflateSync(png.subarray(41, 41 + view.getUint32(33)));
    const pixels = new Uint8Array(width * height * 3);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width * 3; x++) {
        pixels[y * width * 3 + x] = rows[y * (width * 3 + 1) + 1 + x] + (y ? pixels[(y - 1) * width * 3 + x] : 0);
      }
    }
    const coloured: number[] = [];
    for (let n = 0; n < width * height; n++) {
      if (pixels[3 * n] !== pixels[3 * n + 1] || pixels[3 * n] !== pixels[3 * n + 2]) coloured.push(n);
    }
    // The labelled voxel (4, 5) in the fifth tile of both cases; the frame starts at (1, 2).
    expect(coloured).toEqual([3 * width + 4 * 8 + 3, 3 * width + 9 * 8 + 3]);
  });
});
