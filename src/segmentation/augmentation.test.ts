import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../base/index.ts";
import { augmentPatch } from "./augmentation.ts";

const still = {
  flip: 0,
  rotate90: 0,
  rotation: 0,
  stretch: 0,
  intensityScale: 0,
  intensityShift: 0,
  gamma: 0,
  noise: 0,
  biasField: 0,
  lowResolution: 0,
  limitedCoverage: 0,
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

  it("cuts a channel's coverage to a box that leaves at least three fifths", () => {
    for (let seed = 0; seed < 30; seed++) {
      const image = new Float32Array(10 * 20 * 30).fill(2);
      augmentPatch([10, 20, 30], 1, { ...still, limitedCoverage: 1 }, createRandom(seed), image, new Uint8Array(6000));
      const left = image.filter((value) => value === 2).length / 6000;
      expect(left).toBeGreaterThanOrEqual(0.6);
      expect(left).toBeLessThan(1);
      const corners = [0, 9, 190, 5800, 5999].map((i) => image[i]);
      expect(corners).toContain(0);
    }
  });

  it("adds noise of the deviation that was drawn, and other noise in each row", () => {
    const sides = [32, 32, 16] as const;
    const image = new Float32Array(32 * 32 * 16).fill(5);
    const labels = new Uint8Array(image.length);
    augmentPatch(sides, 1, { ...still, noise: 0.5 }, createRandom("n"), image, labels);
    const drawn = image.map((value) => value - 5);
    const deviation = Math.sqrt(drawn.reduce((sum, v) => sum + v * v, 0) / drawn.length);
    // The augmentation's own draws, in its order: three flips, one turn, thick slices, gamma, scale, shift, noise.
    const random = createRandom("n");
    for (let i = 0; i < 5; i++) random.uniform();
    for (let i = 0; i < 3; i++) random.uniform();
    expect(deviation).toBeCloseTo(random.between(0, 0.5), 2);
    expect(new Set(Array.from({ length: 512 }, (_, row) => drawn[32 * row])).size).toBeGreaterThan(500);
  });

  it("follows the power of gamma to a thousandth of the range", () => {
    const image = Float32Array.from({ length: 4096 }, (_, i) => 1 + i);
    const before = image.slice();
    augmentPatch([16, 16, 16], 1, { ...still, gamma: 0.5 }, createRandom("g"), image, new Uint8Array(4096));
    const middle = (image[2048] - 1) / 4095;
    const gamma = Math.log(middle) / Math.log((before[2048] - 1) / 4095);
    expect(gamma).toBeGreaterThan(0.5);
    expect(gamma).toBeLessThan(1.5);
    for (let i = 40; i < 4096; i += 97) {
      expect((image[i] - 1) / 4095).toBeCloseTo(((before[i] - 1) / 4095) ** gamma, 3);
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
