import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Triple } from "../imaging/index.ts";
import { centredStart, predictVolume, widthAround } from "./sliding-window.ts";

/** Two classes: logits are the image and its negative, so windows that agree must give the volume's own answer. */
const pointwise = (window: Float32Array): Promise<Float32Array> => {
  const logits = new Float32Array(2 * window.length);
  logits.set(window);
  logits.set(
    window.map((v) => -v),
    window.length,
  );
  return Promise.resolve(logits);
};

describe("predictVolume", () => {
  it("of a pointwise network does not depend on how windows fall", async () => {
    const side = fc.integer({ min: 3, max: 13 });
    await fc.assert(
      fc.asyncProperty(side, side, side, fc.constantFrom(0, 0.25, 0.5, 0.75), async (x, y, z, overlap) => {
        const dims: Triple = [x, y, z];
        const image = Float32Array.from({ length: x * y * z }, (_, i) => Math.sin(i * 1.7));
        const probabilities = await predictVolume(
          image,
          dims,
          1,
          { patch: [4, 6, 5], channels: 2, outputs: "classes", overlap },
          pointwise,
        );
        image.forEach((v, i) => expect(probabilities[i]).toBeCloseTo(1 / (1 + Math.exp(-2 * v)), 5));
      }),
      { numRuns: 40 },
    );
  });

  it("covers every voxel with as few windows as the overlap allows, and says how far it is", async () => {
    const seen: string[] = [];
    await predictVolume(
      new Float32Array(8 * 4 * 4),
      [8, 4, 4],
      1,
      { patch: [4, 4, 4], channels: 2, outputs: "classes", overlap: 0.5 },
      pointwise,
      (done, total) => seen.push(`${done}/${total}`),
    );
    expect(seen).toEqual(["1/3", "2/3", "3/3"]);
  });

  it("probabilities sum to one and the most probable class wins", async () => {
    const image = Float32Array.of(-1, 2, 0.5, -3, 1, -1, 1, 1);
    const probabilities = await predictVolume(
      image,
      [2, 2, 2],
      1,
      { patch: [4, 4, 4], channels: 2, outputs: "classes", overlap: 0.5 },
      pointwise,
    );
    image.forEach((_, i) => expect(probabilities[i] + probabilities[8 + i]).toBeCloseTo(1, 6));
    const foreground = Array.from(image, (_, i) => Number(probabilities[8 + i] > probabilities[i]));
    expect(foreground).toEqual([1, 0, 0, 1, 0, 1, 0, 0]);
  });

  it("centres windows on the mid-sagittal plane where asked", async () => {
    const seen: number[] = [];
    const firstOfRow = (window: Float32Array): Promise<Float32Array> => {
      seen.push(window[0], window[7]);
      return pointwise(window);
    };
    const image = Float32Array.from({ length: 6 * 2 * 2 }, (_, i) => 1 + (i % 6));
    const predict = (midlineX: number): Promise<Float32Array> =>
      predictVolume(
        image,
        [6, 2, 2],
        1,
        { patch: [8, 2, 2], channels: 2, outputs: "classes", overlap: 0.5, midlineX },
        firstOfRow,
      );
    const probabilities = await predict(3.5);
    expect(seen).toEqual([1, 0]);
    image.forEach((v, i) => expect(probabilities[i]).toBeCloseTo(1 / (1 + Math.exp(-2 * v)), 5));
    await expect(predict(1.5)).resolves.toBeInstanceOf(Float32Array);
    await expect(predict(4.5)).rejects.toMatchObject({ code: "internal" });
  });

  it("grows a centred window by the network's stride until it holds both sides", () => {
    expect(widthAround(3.5, 6, 8, 4)).toBe(8);
    expect(widthAround(4.5, 6, 8, 4)).toBe(12);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 90 }), fc.double({ min: 0, max: 1, noNaN: true }), (size, share) => {
        const plane = share * (size - 1);
        const width = widthAround(plane, size, 8, 4);
        const start = centredStart(plane, width);
        expect([start <= 0, start + width >= size, (width - 8) % 4]).toEqual([true, true, 0]);
        if (width === 8) return;
        const before = centredStart(plane, width - 4);
        expect(before > 0 || before + width - 4 < size).toBe(true);
      }),
    );
  });
});
