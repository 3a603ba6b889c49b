import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../base/index.ts";
import { augmentPatch } from "./augmentation.ts";

const still = {
  flip: 0,
  rotate90: 0,
  intensityScale: 0,
  intensityShift: 0,
  gamma: 0,
  noise: 0,
  biasField: 0,
  lowResolution: 0,
  channelDropout: 0,
};

function patchOf(
  sides: readonly [number, number, number],
  channels: number,
): { image: Float32Array; labels: Uint8Array } {
  const volume = sides[0] * sides[1] * sides[2];
  const image = Float32Array.from({ length: channels * volume }, (_, i) => (i % 7 === 0 ? 0 : i + 1));
  return { image, labels: Uint8Array.from({ length: volume }, (_, i) => i % 251) };
}

describe("augmentPatch", () => {
  it("leaves a patch alone where every amount is zero", () => {
    const { image, labels } = patchOf([4, 3, 2], 2);
    const before = image.slice();
    augmentPatch([4, 3, 2], 2, still, createRandom("a"), image, labels);
    expect(image).toEqual(before);
  });

  it("moves image and labels together, and loses no voxel", () => {
    const side = fc.integer({ min: 2, max: 4 });
    fc.assert(
      fc.property(side, side, side, fc.string(), (x, y, z, seed) => {
        const { image, labels } = patchOf([x, y, z], 1);
        const valueOfLabel = new Map(Array.from(labels, (label, i) => [label, image[i]]));
        augmentPatch([x, y, z], 1, { ...still, flip: 0.5, rotate90: 1 }, createRandom(seed), image, labels);
        expect(new Set(labels).size).toBe(labels.length);
        Array.from(labels, (label, i) => expect(image[i]).toBe(valueOfLabel.get(label)));
      }),
    );
  });

  it("reaches all 48 rigid placements of a cube", () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 2000 && seen.size < 48; seed++) {
      const { image, labels } = patchOf([2, 2, 2], 1);
      augmentPatch([2, 2, 2], 1, { ...still, flip: 0.5, rotate90: 1 }, createRandom(seed), image, labels);
      seen.add(labels.join());
    }
    expect(seen.size).toBe(48);
  });

  it("thick slices keep a channel's mean, and never all channels are blank", () => {
    const { image, labels } = patchOf([4, 4, 4], 2);
    image.fill(3);
    image[0] = 7;
    const before = image.reduce((sum, v) => sum + v, 0);
    augmentPatch([4, 4, 4], 2, { ...still, lowResolution: 1 }, createRandom("s"), image, labels);
    expect(image.reduce((sum, v) => sum + v, 0)).toBeCloseTo(before, 3);
    expect(Math.max(...image)).toBeLessThan(7);
    for (let seed = 0; seed < 50; seed++) {
      const patch = patchOf([2, 2, 2], 2);
      augmentPatch([2, 2, 2], 2, { ...still, channelDropout: 0.7 }, createRandom(seed), patch.image, patch.labels);
      expect(patch.image.some((v) => v !== 0)).toBe(true);
    }
  });

  it("varies intensities inside the brain only", () => {
    const { image, labels } = patchOf([4, 4, 4], 1);
    const outside = Array.from(image, (value) => value === 0);
    augmentPatch(
      [4, 4, 4],
      1,
      { ...still, intensityScale: 0.2, intensityShift: 0.2, gamma: 0.3, noise: 0.1, biasField: 0.4, lowResolution: 1 },
      createRandom(3),
      image,
      labels,
    );
    Array.from(image, (value, i) => expect(value === 0).toBe(outside[i]));
    expect(image[1]).not.toBe(2);
  });
});
