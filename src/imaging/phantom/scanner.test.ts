import { describe, expect, it } from "vitest";
import { createRandom } from "../../base/index.ts";
import { acquire, type Box, caseSequence, type Sequence, siteScanner } from "./scanner.ts";

const box: Box = { dims: [24, 24, 24], startMm: [90, 90, 60], spacingMm: 1 };
const plain: Sequence = {
  contrast: 1,
  sliceAxis: 2,
  sliceMm: 1,
  tilt: [0, 0],
  blurMm: 0,
  noise: 0,
  bias: 0,
  rim: 0,
  scale: 1000,
};

function checkers(): { image: Float32Array; mask: Uint8Array } {
  const random = createRandom("scanner test");
  const image = new Float32Array(24 ** 3);
  const mask = new Uint8Array(24 ** 3);
  for (let n = 0; n < image.length; n++) {
    const x = n % 24;
    mask[n] = x > 2 && x < 20 ? 1 : 0;
    image[n] = mask[n] ? random.between(0.4, 1.6) : 0;
  }
  return { image, mask };
}

/** Mean absolute difference to the neighbour along an axis, in the mask. */
function roughness({ image, mask }: { image: Float32Array; mask: Uint8Array }, stride: number): number {
  let sum = 0;
  let count = 0;
  for (let n = 0; n + stride < image.length; n++) {
    if (!mask[n] || !mask[n + stride]) continue;
    sum += Math.abs(image[n] - image[n + stride]);
    count++;
  }
  return sum / count;
}

describe("acquire", () => {
  it("leaves an image as it is where the scanner is perfect", () => {
    const { image, mask } = checkers();
    const before = Float32Array.from(image);
    acquire(image, mask, box, plain, ["seed"]);
    expect(image.every((value, n) => Math.abs(value - before[n]) < 1e-5)).toBe(true);
  });

  it("smooths along the slice axis with thick slices, and in plane with blur", () => {
    const original = checkers();
    for (const [axis, stride] of [
      [0, 1],
      [1, 24],
      [2, 576],
    ] as const) {
      const scan = checkers();
      acquire(scan.image, scan.mask, box, { ...plain, sliceAxis: axis, sliceMm: 5 }, ["seed"]);
      expect(roughness(scan, stride)).toBeLessThan(0.3 * roughness(original, stride));
    }
    const blurred = checkers();
    acquire(blurred.image, blurred.mask, box, { ...plain, blurMm: 1 }, ["seed"]);
    expect(roughness(blurred, 1)).toBeLessThan(0.5 * roughness(original, 1));
  });

  it("never reads or writes outside the mask", () => {
    const { image, mask } = checkers();
    for (let n = 0; n < image.length; n++) if (!mask[n]) image[n] = -1e6;
    acquire(image, mask, box, { ...plain, sliceMm: 5, blurMm: 1, noise: 0.02, bias: 0.1, rim: 0.1 }, ["seed"]);
    expect(image.every((value, n) => (mask[n] ? value > 0 && value < 10 : value === -1e6))).toBe(true);
  });

  it("adds Rician noise: a positive floor where there is no signal, Gaussian where there is much", () => {
    const mask = new Uint8Array(24 ** 3).fill(1);
    const dark = new Float32Array(24 ** 3);
    acquire(dark, mask, box, { ...plain, noise: 0.1 }, ["seed"]);
    const bright = new Float32Array(24 ** 3).fill(10);
    acquire(bright, mask, box, { ...plain, noise: 0.1 }, ["seed"]);
    const mean = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    const level = mean(bright);
    const deviation = Math.sqrt(mean(bright.map((value) => (value - level) ** 2)));
    // Rayleigh: mean sigma * sqrt(pi / 2).
    expect(mean(dark) / (deviation * Math.sqrt(Math.PI / 2))).toBeCloseTo(1, 1);
    expect(level).toBeCloseTo(10, 1);
  });
});

describe("caseSequence", () => {
  it("stays near its site and depends on the case", () => {
    const site = siteScanner(1, 0).t2;
    const contrasts = Array.from({ length: 40 }, (_, n) => caseSequence(site, ["case", n]).contrast / site.contrast);
    expect(Math.min(...contrasts)).toBeGreaterThan(0.7);
    expect(Math.max(...contrasts)).toBeLessThan(1.4);
    expect(new Set(contrasts).size).toBe(40);
    expect(caseSequence(site, ["case", 3])).toEqual(caseSequence(site, ["case", 3]));
  });
});
