import { describe, expect, it } from "vitest";
import { createRandom } from "../base/index.ts";
import type { Triple } from "../imaging/index.ts";
import { drawPatch, indexClasses, type PatchSettings } from "./patches.ts";
import type { TrainingCase } from "./training-case.ts";
import { cutTurnedPatch, drawTurn } from "./turned-patch.ts";

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

/** A small tumour of class 3 in a corner, a larger one of class 2 elsewhere. */
function smallCase(): TrainingCase {
  const dims = [20, 18, 16] as const;
  const volume = dims[0] * dims[1] * dims[2];
  const labels = new Uint8Array(volume);
  const at = (x: number, y: number, z: number): number => (z * dims[1] + y) * dims[0] + x;
  labels[at(2, 2, 2)] = 3;
  for (let z = 9; z < 14; z++) for (let y = 9; y < 14; y++) for (let x = 12; x < 17; x++) labels[at(x, y, z)] = 2;
  const brain = new Uint8Array(volume).fill(1);
  const image = Float32Array.from({ length: 2 * volume }, (_, i) => i + 1);
  return { id: "case", dims, image, labels, brain, midlineX: 9.5, voxelsByClass: indexClasses(labels, brain, 4) };
}

const settings: PatchSettings = {
  patch: [8, 8, 8],
  channels: 2,
  tumourPatches: 1,
  centred: false,
  augmentation: still,
};

describe("drawPatch", () => {
  it("finds small classes as easily as large ones", () => {
    const source = smallCase();
    const [image, labels] = [new Float32Array(2 * 512), new Uint8Array(512)];
    const found = { small: 0, large: 0 };
    for (let step = 0; step < 200; step++) {
      drawPatch(source, settings, ["seed", step], image, labels);
      if (labels.includes(3)) found.small++;
      if (labels.includes(2)) found.large++;
    }
    expect(found.small).toBeGreaterThan(70);
    expect(found.large).toBeGreaterThan(70);
  });

  it("cuts image and labels at the same place, whatever was drawn before", () => {
    const source = smallCase();
    const draw = (): [Float32Array, Uint8Array] => {
      const patch: [Float32Array, Uint8Array] = [new Float32Array(2 * 512), new Uint8Array(512)];
      drawPatch(source, settings, ["seed", 5], ...patch);
      return patch;
    };
    const [image, labels] = draw();
    expect(draw()).toEqual([image, labels]);
    labels.forEach((label, i) => expect(source.labels[image[i] - 1]).toBe(label));
    expect(image[512] - image[0]).toBe(source.labels.length);
  });

  it("frames a case that is smaller than the patch with background", () => {
    const source = smallCase();
    const wide: PatchSettings = { ...settings, patch: [24, 24, 24] };
    const [image, labels] = [new Float32Array(2 * 24 ** 3), new Uint8Array(24 ** 3)];
    drawPatch(source, wide, ["seed"], image, labels);
    expect(labels.filter((label) => label === 2)).toHaveLength(125);
    expect(image.filter((value) => value !== 0)).toHaveLength(source.image.length);
  });

  it("turns and stretches image and labels together, and blanks nothing that the case has", () => {
    const source = smallCase();
    // A ramp along each axis, which trilinear interpolation follows exactly.
    const [width, height] = source.dims;
    const image = source.image.map((_, i) => 1000 + (i % width) + 20 * (Math.floor(i / width) % height));
    const turned = { ...settings, augmentation: { ...still, rotation: 25, stretch: 0.3 } };
    const [patch, labels] = [new Float32Array(2 * 512), new Uint8Array(512)];
    let blank = 0;
    for (let step = 0; step < 20; step++) {
      drawPatch({ ...source, image }, turned, ["seed", step], patch, labels);
      for (let at = 0; at < 512; at++) {
        if (patch[at] === 0) blank++;
        else if (labels[at] === 2) expect(patch[at]).toBeGreaterThanOrEqual(1000 + 11.5 + 20 * 8.5 - 1e-3);
      }
    }
    expect(blank / 10240).toBeLessThan(0.25);
  });

  it("is the plain patch where it is turned by nothing, and a rotation where it stretches nothing", () => {
    const source = smallCase();
    const sides: Triple = [8, 6, 4];
    const origin: Triple = [10, 8, 8];
    const identity = [1, 0, 0, 0, 1, 0, 0, 0, 1];
    const [image, labels] = [new Float32Array(2 * 192), new Uint8Array(192)];
    cutTurnedPatch(source, sides, 2, origin, identity, image, labels);
    labels.forEach((label, i) => expect(source.labels[image[i] - 1]).toBe(label));
    expect(image[0]).toBe(1 + (origin[2] * 18 + origin[1]) * 20 + origin[0]);
    // A quarter turn about z brings the case's y to the patch's x.
    cutTurnedPatch(source, [6, 6, 4], 2, origin, [0, -1, 0, 1, 0, 0, 0, 0, 1], image, labels);
    expect(image[1] - image[0]).toBe(20);
    expect(image[6] - image[0]).toBe(-1);
    for (let seed = 0; seed < 20; seed++) {
      const turn = drawTurn({ ...still, rotation: 30, stretch: 0 }, createRandom(seed)) ?? [];
      const rows = [turn.slice(0, 3), turn.slice(3, 6), turn.slice(6)];
      rows.forEach((row, a) =>
        rows.forEach((other, b) =>
          expect(row[0] * other[0] + row[1] * other[1] + row[2] * other[2]).toBeCloseTo(a === b ? 1 : 0, 10),
        ),
      );
    }
  });
});
