import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyAffine } from "./affine.ts";
import type { LoadedCase } from "./load-case.ts";
import { ORIENTATIONS, reorient } from "./orientation.ts";
import { prepareCase } from "./prepare-case.ts";
import { restoreLabelMap, restoreProbabilities } from "./restore-case.ts";
import {
  BRATS_AFFINE,
  coordinates,
  expectSameVolume,
  sameBits,
  sampleClasses,
  sampleImages,
  volumeOf,
} from "./testing/sample-volumes.ts";
import { type Affine, type Triple, type Volume, voxelCount } from "./volume.ts";

const MODALITIES = ["t1", "t1ce", "t2", "flair"] as const;
const ALL = { spacingMm: 1, channels: MODALITIES };

function sampleCase(dims: Triple = [24, 20, 16], affine: Affine = BRATS_AFFINE): LoadedCase {
  const images = sampleImages(dims, affine);
  const channels = MODALITIES.map((m) => ({ ...images[m], data: Float32Array.from(images[m].data) }));
  return { id: "sample", modalities: MODALITIES, channels, labelMap: sampleClasses(dims, affine) };
}

function turned(loaded: LoadedCase, orientation: string): LoadedCase {
  const channels = loaded.channels.map((volume) => reorient(volume, orientation));
  return { ...loaded, channels, labelMap: reorient(loaded.labelMap as Volume<Uint8Array>, orientation) };
}

function oneHot(labels: Uint8Array, classes: number): Float32Array {
  const result = new Float32Array(classes * labels.length);
  for (const [i, label] of labels.entries()) result[label * labels.length + i] = 1;
  return result;
}

function dice(a: Uint8Array, b: Uint8Array): number {
  let both = 0;
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    both += a[i] > 0 && b[i] > 0 ? 1 : 0;
    sum += (a[i] > 0 ? 1 : 0) + (b[i] > 0 ? 1 : 0);
  }
  return (2 * both) / sum;
}

describe("at the resolution of the files", () => {
  it("crops to the brain with a margin, and z-scores its voxels alone", () => {
    const loaded = sampleCase();
    // An empty slab of four voxels on the low side of x.
    for (const { data } of loaded.channels) {
      for (let i = 0; i < data.length; i++) if (i % 24 < 6) data[i] = 0;
    }
    const { image, brain, dims, geometry } = prepareCase(loaded, ALL);
    expect(geometry.cropStart).toEqual([4, 0, 0]);
    expect(dims).toEqual([20, 20, 16]);
    const voxels = voxelCount(dims);
    for (let c = 0; c < 4; c++) {
      const channel = image.subarray(c * voxels, (c + 1) * voxels);
      const inside = channel.filter((_, i) => brain[i] === 1);
      const mean = inside.reduce((sum, value) => sum + value, 0) / inside.length;
      const variance = inside.reduce((sum, value) => sum + (value - mean) ** 2, 0) / inside.length;
      expect(mean).toBeCloseTo(0, 5);
      expect(variance).toBeCloseTo(1, 5);
      expect(channel.every((value, i) => brain[i] === 1 || value === 0)).toBe(true);
    }
  });

  it("computes in double precision: a large offset does not swallow the contrast", () => {
    const loaded = sampleCase();
    const plain = prepareCase(loaded, ALL).image;
    for (const { data } of loaded.channels) for (let i = 0; i < data.length; i++) if (data[i] !== 0) data[i] += 1e5;
    const shifted = prepareCase(loaded, ALL).image;
    expect(plain.every((value, i) => Math.abs(value - shifted[i]) < 1e-4)).toBe(true);
  });

  it("takes the channels in the order asked for", () => {
    const loaded = sampleCase();
    const all = prepareCase(loaded, ALL);
    const some = prepareCase(loaded, { spacingMm: 1, channels: ["flair", "t1"] });
    const voxels = voxelCount(all.dims);
    expect(sameBits(some.image.subarray(0, voxels), all.image.subarray(3 * voxels))).toBe(true);
    expect(sameBits(some.image.subarray(voxels), all.image.subarray(0, voxels))).toBe(true);
  });

  it("a channel's own zeros inside the brain stay zero and out of its figures", () => {
    const loaded = sampleCase();
    const hole = 8 * 480 + 10 * 24 + 12;
    expect(loaded.channels[0].data[hole]).not.toBe(0);
    loaded.channels[0].data[hole] = 0;
    const { image, brain, geometry } = prepareCase(loaded, ALL);
    expect(geometry.cropDims).toEqual([24, 20, 16]);
    expect(image[hole]).toBe(0);
    expect(brain[hole]).toBe(1);
  });

  it("goes there and back exactly, whatever the orientation of the files", () => {
    const reference = prepareCase(sampleCase(), ALL);
    for (const orientation of ORIENTATIONS) {
      const loaded = turned(sampleCase(), orientation);
      const prepared = prepareCase(loaded, ALL);
      expect(sameBits(prepared.image, reference.image)).toBe(true);
      expect(sameBits(prepared.labels, reference.labels)).toBe(true);
      const labels = prepared.labels as Uint8Array;
      expectSameVolume(restoreLabelMap(labels, prepared.geometry), loaded.labelMap);
      expectSameVolume(
        restoreProbabilities(oneHot(labels, 4), 4, prepared.geometry, { kind: "mostProbable" }),
        loaded.labelMap,
      );
    }
  });
});

describe("at another resolution", () => {
  it("averages eight voxels into one, over the brain's part of them", () => {
    const dims: Triple = [8, 8, 8];
    const data = Float32Array.from({ length: 512 }, (_, i) => 1 + ((i * 31) % 17));
    // One corner block is brain by half, another by less.
    const zero = [0, 1, 8, 9, 6, 7, 14, 15, 70];
    for (const i of zero) data[i] = 0;
    const channels = [volumeOf(dims, data)];
    const loaded: LoadedCase = { id: "blocks", modalities: ["t1"], channels };
    const full = prepareCase(loaded, { spacingMm: 1, channels: ["t1"] });
    const half = prepareCase(loaded, { spacingMm: 2, channels: ["t1"] });
    expect(half.dims).toEqual([4, 4, 4]);
    for (let i = 0; i < 64; i++) {
      const [x, y, z] = coordinates(i, half.dims);
      const block = [0, 1, 2, 3, 4, 5, 6, 7].map(
        (b) => (2 * z + (b >> 2)) * 64 + (2 * y + ((b >> 1) & 1)) * 8 + 2 * x + (b & 1),
      );
      const inside = block.filter((at) => full.brain[at] === 1);
      expect(half.brain[i]).toBe(inside.length >= 4 ? 1 : 0);
      const mean = inside.reduce((sum, at) => sum + full.image[at], 0) / inside.length;
      expect(half.image[i]).toBeCloseTo(half.brain[i] === 1 ? mean : 0, 5);
    }
    expect(half.brain[0]).toBe(1);
    expect(half.brain[3]).toBe(0);
  });

  it("decides labels from the outermost region to the innermost", () => {
    const block = (...labels: number[]): number | undefined => {
      const volume = volumeOf([2, 2, 2], Float32Array.from([1, 2, 3, 4, 5, 6, 7, 8]));
      const labelMap = volumeOf([2, 2, 2], Uint8Array.from(labels));
      const loaded: LoadedCase = { id: "block", modalities: ["t1"], channels: [volume], labelMap };
      return prepareCase(loaded, { spacingMm: 2, channels: ["t1"] }).labels?.[0];
    };
    expect(block(0, 0, 0, 0, 0, 2, 2, 2)).toBe(0);
    expect(block(0, 0, 0, 0, 2, 2, 2, 2)).toBe(2);
    // No class has the most voxels here, yet most of it is tumour.
    expect(block(0, 0, 0, 1, 1, 2, 2, 3)).toBe(1);
    expect(block(0, 0, 0, 2, 2, 2, 1, 3)).toBe(2);
    expect(block(0, 0, 1, 3, 2, 2, 1, 3)).toBe(3);
    expect(block(3, 3, 3, 3, 3, 3, 3, 3)).toBe(3);
  });

  it("brings anisotropic, oblique files to isotropic voxels in the same place", () => {
    const cos = Math.cos(0.2);
    const sin = Math.sin(0.2);
    const affine: Affine = [-cos, sin, 0, 30, -sin, -cos, 0, 40, 0, 0, 3, -20, 0, 0, 0, 1];
    const loaded = sampleCase([24, 20, 8], affine);
    const { dims, geometry } = prepareCase(loaded, { ...ALL, spacingMm: 1.5 });
    expect(dims).toEqual([16, 14, 16]);
    // The lower corner of the grid is that of the crop.
    const corner = applyAffine(geometry.affineVoxelToRas, [-0.5, -0.5, -0.5]);
    const [x, y, z] = geometry.cropStart;
    const expected = applyAffine(affine, [x - 0.5, y - 0.5, z - 0.5]);
    for (let axis = 0; axis < 3; axis++) expect(corner[axis]).toBeCloseTo(expected[axis], 9);
  });

  it("covers the files' grid exactly on the way back, whatever spacing and orientation", () => {
    const dimensions = fc.tuple(
      fc.integer({ min: 9, max: 16 }),
      fc.integer({ min: 9, max: 16 }),
      fc.integer({ min: 9, max: 16 }),
    );
    fc.assert(
      fc.property(
        dimensions,
        fc.double({ min: 0.5, max: 2.5, noNaN: true }),
        fc.constantFrom(...ORIENTATIONS),
        (dims, spacingMm, to) => {
          const loaded = turned(sampleCase(dims), to);
          const { labels = new Uint8Array(), geometry } = prepareCase(loaded, { ...ALL, spacingMm });
          const original = loaded.labelMap as Volume<Uint8Array>;
          for (const back of [
            restoreLabelMap(labels, geometry),
            restoreProbabilities(oneHot(labels, 4), 4, geometry, { kind: "mostProbable" }),
          ]) {
            expect(back.dims).toEqual(original.dims);
            expect(back.affineVoxelToRas).toEqual(original.affineVoxelToRas);
            expect(back.data.length).toBe(original.data.length);
            if (spacingMm <= 1) expect(dice(back.data, original.data)).toBeGreaterThan(0.8);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it("survives a crossing of a worker's boundary", () => {
    const { labels = new Uint8Array(), geometry } = prepareCase(sampleCase(), { ...ALL, spacingMm: 2 });
    const copy = JSON.parse(JSON.stringify(geometry));
    expectSameVolume(restoreLabelMap(labels, copy), restoreLabelMap(labels, geometry));
  });

  it("gives the same bits twice", () => {
    const options = { ...ALL, spacingMm: 1.7 };
    expect(sameBits(prepareCase(sampleCase(), options).image, prepareCase(sampleCase(), options).image)).toBe(true);
  });
});

describe("refused", () => {
  it("a channel that was not loaded", () => {
    const { labelMap: _, ...loaded } = sampleCase();
    const only = { ...loaded, modalities: ["t1"] as const, channels: loaded.channels.slice(0, 1) };
    expect(() => prepareCase(only, ALL)).toThrowError(expect.objectContaining({ code: "modality-missing" }));
  });

  it("a spacing that is no resolution", () => {
    for (const spacingMm of [0, 0.05, 100, Number.NaN]) {
      expect(() => prepareCase(sampleCase(), { ...ALL, spacingMm })).toThrowError(
        expect.objectContaining({ code: "geometry-invalid" }),
      );
    }
  });

  it("a constant channel", () => {
    const loaded = sampleCase();
    loaded.channels[1].data.fill(5);
    expect(() => prepareCase(loaded, ALL)).toThrowError(
      expect.objectContaining({ code: "intensity-invalid", subject: "case sample, t1ce" }),
    );
  });

  it("results of another size", () => {
    const { geometry } = prepareCase(sampleCase(), ALL);
    expect(() => restoreLabelMap(new Uint8Array(5), geometry)).toThrowError(
      expect.objectContaining({ code: "geometry-mismatch" }),
    );
    expect(() => restoreProbabilities(new Float32Array(5), 4, geometry, { kind: "mostProbable" })).toThrowError(
      expect.objectContaining({ code: "geometry-mismatch" }),
    );
  });
});

describe("a channel that the case lacks", () => {
  const whole = sampleCase();
  const without: LoadedCase = { ...whole, modalities: ["t1", "t2"], channels: [whole.channels[0], whole.channels[2]] };

  it("is zero where it may be missing; the others stay as they are", () => {
    const all = prepareCase(whole, ALL);
    const some = prepareCase(without, { ...ALL, mayMiss: ["t1ce", "flair"] });
    const channel = (image: Float32Array, c: number): Float32Array =>
      image.subarray((c * image.length) / 4, ((c + 1) * image.length) / 4);
    for (const c of [0, 2]) expect(sameBits(channel(some.image, c), channel(all.image, c))).toBe(true);
    for (const c of [1, 3]) expect(channel(some.image, c).every((value) => value === 0)).toBe(true);
  });

  it("is refused where it may not, and so is a case with none of the channels", () => {
    expect(() => prepareCase(without, { ...ALL, mayMiss: ["t1ce"] })).toThrow(/expected flair/);
    const none = { spacingMm: 1, channels: ["t1ce", "flair"], mayMiss: ["t1ce", "flair"] } as const;
    expect(() => prepareCase(without, none)).toThrow(/at least one of t1ce, flair/);
  });
});
