import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Triple } from "../imaging/index.ts";
import { evaluateLabelMaps, type RegionScores } from "./metrics.ts";

const REGIONS = { WT: [1, 2, 3], TC: [1, 3], ET: [3] };
const UNIT: Triple = [1, 1, 1];

/** The definitions as they stand in the header, with sets and searches. */
function byDefinition(p: Uint8Array, r: Uint8Array, dims: Triple, spacingMm: Triple, classes: number[]): RegionScores {
  const a = voxelsOf(p, dims, classes);
  const b = voxelsOf(r, dims, classes);
  const both = [...a].filter((voxel) => b.has(voxel)).length;
  const neither = p.length - a.size - b.size + both;
  const divide = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole);
  const empty = a.size === 0 || b.size === 0;
  return {
    dice: divide(2 * both, a.size + b.size),
    sensitivity: divide(both, b.size),
    specificity: divide(neither, p.length - b.size),
    hd95: empty
      ? null
      : Math.max(directed95(surfaceOf(a), surfaceOf(b), spacingMm), directed95(surfaceOf(b), surfaceOf(a), spacingMm)),
  };
}

function voxelsOf(labels: Uint8Array, [nx, ny]: Triple, classes: number[]): Set<string> {
  const voxels = new Set<string>();
  labels.forEach((label, i) => {
    const place = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))];
    if (classes.includes(label)) voxels.add(place.join());
  });
  return voxels;
}

function surfaceOf(region: Set<string>): number[][] {
  const faces = [
    [1, 0, 0],
    [-1, 0, 0],
    [0, 1, 0],
    [0, -1, 0],
    [0, 0, 1],
    [0, 0, -1],
  ];
  const places = [...region].map((voxel) => voxel.split(",").map(Number));
  return places.filter((place) => faces.some((face) => !region.has(place.map((at, axis) => at + face[axis]).join())));
}

function directed95(from: number[][], to: number[][], spacingMm: Triple): number {
  const distances = from
    .map((a) => Math.min(...to.map((b) => Math.hypot(...a.map((at, axis) => (at - b[axis]) * spacingMm[axis])))))
    .sort((a, b) => a - b);
  const place = 0.95 * (distances.length - 1);
  const [below, above] = [distances[Math.floor(place)], distances[Math.ceil(place)]];
  return below + (place % 1) * (above - below);
}

const side = fc.integer({ min: 1, max: 6 });
const spacing = fc.double({ min: 0.3, max: 4, noNaN: true });
const pair = fc
  .tuple(fc.tuple(side, side, side), fc.tuple(spacing, spacing, spacing), fc.integer({ min: 1, max: 12 }))
  .chain(([dims, spacingMm, sparsity]) => {
    const voxels = dims[0] * dims[1] * dims[2];
    const map = fc
      .array(fc.integer({ min: 0, max: 3 * sparsity }), { minLength: voxels, maxLength: voxels })
      .map((draws) => Uint8Array.from(draws, (draw) => (draw > 3 ? 0 : draw)));
    return fc.tuple(map, map).map(([prediction, reference]) => ({ dims, spacingMm, prediction, reference }));
  });

function expectClose(actual: RegionScores, expected: RegionScores): void {
  for (const figure of ["dice", "hd95", "sensitivity", "specificity"] as const) {
    const wanted = expected[figure];
    if (wanted === null) expect(actual[figure], figure).toBeNull();
    else expect(actual[figure], figure).toBeCloseTo(wanted, 9);
  }
}

describe("evaluateLabelMaps", () => {
  it("equals the definitions on random label maps", () => {
    fc.assert(
      fc.property(pair, ({ dims, spacingMm, prediction, reference }) => {
        const scores = evaluateLabelMaps(prediction, reference, dims, spacingMm, REGIONS);
        expect(Object.keys(scores)).toEqual(Object.keys(REGIONS));
        for (const [region, classes] of Object.entries(REGIONS)) {
          expectClose(scores[region], byDefinition(prediction, reference, dims, spacingMm, classes));
        }
      }),
      { numRuns: 300 },
    );
  });

  it("gives 1 and 0 mm for equal maps", () => {
    const map = Uint8Array.from({ length: 125 }, (_, i) => (i % 5 < 3 && i > 30 ? 3 : 0));
    expect(evaluateLabelMaps(map, map, [5, 5, 5], UNIT, REGIONS).ET).toEqual({
      dice: 1,
      hd95: 0,
      sensitivity: 1,
      specificity: 1,
    });
  });

  it("measures one voxel beside another in millimetres along each axis", () => {
    const dims: Triple = [4, 4, 4];
    const at = (x: number, y: number, z: number): Uint8Array => {
      const map = new Uint8Array(64);
      map[(z * 4 + y) * 4 + x] = 1;
      return map;
    };
    const hd95 = (other: Uint8Array): number | null =>
      evaluateLabelMaps(at(0, 0, 0), other, dims, [0.5, 2, 7], { one: [1] }).one.hd95;
    expect(hd95(at(3, 0, 0))).toBe(1.5);
    expect(hd95(at(0, 2, 0))).toBe(4);
    expect(hd95(at(0, 0, 1))).toBe(7);
  });

  it("leaves undefined what is 0/0: a region in neither map, in one map, everywhere", () => {
    const nothing = new Uint8Array(8);
    const all = new Uint8Array(8).fill(1);
    const score = (p: Uint8Array, r: Uint8Array): RegionScores =>
      evaluateLabelMaps(p, r, [2, 2, 2], UNIT, { one: [1] }).one;
    expect(score(nothing, nothing)).toEqual({ dice: null, hd95: null, sensitivity: null, specificity: 1 });
    expect(score(all, nothing)).toEqual({ dice: 0, hd95: null, sensitivity: null, specificity: 0 });
    expect(score(nothing, all)).toEqual({ dice: 0, hd95: null, sensitivity: 0, specificity: null });
    expect(score(all, all)).toEqual({ dice: 1, hd95: 0, sensitivity: 1, specificity: null });
  });

  it("refuses maps of another grid and a spacing of zero", () => {
    const map = new Uint8Array(8);
    expect(() => evaluateLabelMaps(map, new Uint8Array(9), [2, 2, 2], UNIT, REGIONS)).toThrow(/geometry-mismatch/);
    expect(() => evaluateLabelMaps(map, map, [2, 2, 2], [1, 0, 1], REGIONS)).toThrow(/geometry-invalid/);
  });
});

interface VectorRow {
  readonly case: string;
  readonly prediction: string;
  readonly reference: string;
  readonly spacing: Triple;
  readonly regions: Record<string, RegionScores>;
}

const { CONSILIUM_VECTORS: vectors, CONSILIUM_RATERS: raters } = process.env;

describe.skipIf(vectors === undefined || raters === undefined)(
  "evaluateLabelMaps on real label maps (skipped unless CONSILIUM_VECTORS and CONSILIUM_RATERS name the folders)",
  () => {
    it("equals NumPy and SciPy to 1e-6 on every row", { timeout: 60_000 }, () => {
      const rows: VectorRow[] = JSON.parse(readFileSync(join(vectors ?? "", "metrics.json"), "utf8"));
      expect(rows.length).toBeGreaterThanOrEqual(10);
      for (const row of rows) {
        const [prediction, reference] = [row.prediction, row.reference].map((file) =>
          labelsOf(join(raters ?? "", row.case, file)),
        );
        const scores = evaluateLabelMaps(prediction, reference, [240, 240, 155], row.spacing, {
          WT: [1, 2, 4],
          TC: [1, 4],
          ET: [4],
        });
        for (const [region, wanted] of Object.entries(row.regions)) {
          for (const figure of ["dice", "hd95", "sensitivity", "specificity"] as const) {
            const [actual, expected] = [scores[region][figure], wanted[figure]];
            const where = `${row.case} ${row.prediction} ${region} ${figure}`;
            if (expected === null) expect(actual, where).toBeNull();
            else expect(Math.abs((actual ?? Number.NaN) - expected), where).toBeLessThan(1e-6);
          }
        }
      }
    });
  },
);

/** Voxels of a uint8 label map, read here by the NIfTI-1 offset of the data so that this test needs no other part. */
function labelsOf(path: string): Uint8Array {
  const bytes = gunzipSync(readFileSync(path));
  expect(bytes.readInt16LE(70), "datatype, 2 being uint8").toBe(2);
  return new Uint8Array(bytes.subarray(bytes.readFloatLE(108)));
}
