import { describe, expect, it } from "vitest";
import { MODALITIES, type Triple, type Volume } from "../imaging/index.ts";
import { type Scans, UNMOVED } from "./align-case.ts";
import type { Atlas } from "./atlas.ts";
import { checkIntensities, checkPlacement } from "./check-aligned.ts";

/** 4 mm voxels around the origin. A ball of 62 mm has about one litre, within what a brain may have. */
const DIMS: Triple = [40, 40, 40];
const RAS = [4, 0, 0, -78, 0, 4, 0, -78, 0, 0, 4, -78, 0, 0, 0, 1] as const;
const RADIUS = 62;

function ball(centre: Triple, radius: number): Uint8Array {
  return Uint8Array.from({ length: 40 ** 3 }, (_, i) => {
    const at = [i % 40, Math.floor(i / 40) % 40, Math.floor(i / 1600)].map((k) => -78 + 4 * k);
    return Math.hypot(...at.map((x, axis) => x - centre[axis])) <= radius ? 1 : 0;
  });
}

const brain = (centre: Triple = [0, 0, 0], radius = RADIUS): Volume<Uint8Array> => ({
  dims: DIMS,
  affineVoxelToRas: [...RAS],
  data: ball(centre, radius),
});
const atlas: Atlas = {
  name: "ball",
  digest: "",
  brain: { ...brain(), data: Float32Array.from(ball([0, 0, 0], RADIUS)) },
  grid: { dims: DIMS, affineVoxelToRas: [...RAS] },
};
const motions = { t1: UNMOVED, t1ce: UNMOVED, t2: UNMOVED, flair: UNMOVED };
const whole = { dims: DIMS, affineVoxelToRas: [...RAS] } as const;
const scans = { t1: whole, t1ce: whole, t2: whole, flair: whole };

describe("the brain on the atlas", () => {
  it("passes with its figures where all is right (control)", () => {
    const { brainMl, atlasOverlap, coverage } = checkPlacement(brain(), atlas, motions, scans);
    expect(brainMl).toBeCloseTo((4 / 3) * Math.PI * 6.2 ** 3, -2);
    expect(atlasOverlap).toBe(1);
    expect(coverage).toEqual({ t1: 1, t1ce: 1, t2: 1, flair: 1 });
  });

  it("is refused where there is none", () => {
    expect(() => checkPlacement(brain([0, 0, 0], -1), atlas, motions, scans)).toThrow(
      expect.objectContaining({ code: "brain-not-found", actual: "0 ml" }),
    );
  });

  it("passes 12 mm off the atlas's, and is refused 28 mm off, where the overlap is below 0.75", () => {
    expect(checkPlacement(brain([12, 0, 0]), atlas, motions, scans).atlasOverlap).toBeGreaterThan(0.75);
    expect(() => checkPlacement(brain([28, 0, 0]), atlas, motions, scans)).toThrow(
      expect.objectContaining({ code: "registration-failed", actual: expect.stringMatching(/^0\.[67]\d\d$/) }),
    );
  });

  it("may lack up to 30 % in a scan, and no more", () => {
    const cut = (slices: number) => ({ ...scans, flair: { ...whole, dims: [40, 40, slices] as Triple } });
    const { coverage } = checkPlacement(brain(), atlas, motions, cut(26));
    expect(coverage).toMatchObject({ t1: 1, t1ce: 1, t2: 1 });
    expect(coverage.flair).toBeGreaterThan(0.7);
    expect(coverage.flair).toBeLessThan(0.85);
    expect(() => checkPlacement(brain(), atlas, motions, cut(22))).toThrow(
      expect.objectContaining({ code: "series-incomplete", subject: "flair" }),
    );
  });

  it("is looked for where a scan was moved to", () => {
    const away = [1, 0, 0, 100, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] as const;
    expect(() => checkPlacement(brain(), atlas, { ...motions, t2: [...away] }, scans)).toThrow(
      expect.objectContaining({ code: "series-incomplete", subject: "t2" }),
    );
  });
});

describe("intensities within the brain", () => {
  const scan = (...data: number[]): Volume<Float32Array> => ({
    dims: [data.length, 1, 1],
    affineVoxelToRas: [...UNMOVED],
    data: Float32Array.from(data),
  });
  const scansWith = (t2: Volume<Float32Array>): Scans =>
    Object.fromEntries(MODALITIES.map((modality) => [modality, modality === "t2" ? t2 : scan(0, 1, 2)])) as Scans;

  it("pass where they are those of a magnitude image (control)", () => {
    expect(() => checkIntensities(scansWith(scan(0, 5, 9)))).not.toThrow();
  });

  it.each([
    ["one negative", scan(0, 5, -1), "1 voxels"],
    ["NaN", scan(0, 5, Number.NaN), "1 voxels of none"],
    ["infinite", scan(0, 5, Number.POSITIVE_INFINITY), "1 voxels of none"],
    ["none but zeros", scan(0, 0, 0), "none"],
  ])("are refused: %s", (_, t2, actual) => {
    expect(() => checkIntensities(scansWith(t2))).toThrow(
      expect.objectContaining({ code: "intensity-invalid", subject: "t2", actual }),
    );
  });
});
