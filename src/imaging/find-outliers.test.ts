/** Scores and percentiles beside Python's statistics (bench/oracle/outlier_vectors.py), and which cases are told. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { findOutliers, type MeasuredCase, robustZ } from "./find-outliers.ts";
import { measureCase } from "./measure-case.ts";

const VECTORS = JSON.parse(readFileSync(new URL("./testdata/outlier-vectors.json", import.meta.url), "utf8")) as {
  readonly scores: readonly { readonly values: readonly number[]; readonly z: readonly number[] }[];
  readonly percentiles: { readonly values: readonly number[]; readonly median: number; readonly p99: number };
};

function casesWith(values: readonly number[], measure: keyof MeasuredCase["measures"] = "brain, ml"): MeasuredCase[] {
  return values.map((value, i) => ({ id: `case-${i}`, measures: { [measure]: value } }));
}

describe("robustZ", () => {
  it("scores as the reference does", () => {
    for (const { values, z } of VECTORS.scores) {
      const scores = robustZ(values);
      for (const [i, expected] of z.entries()) expect(scores[i]).toBeCloseTo(expected, 9);
    }
  });
});

describe("measureCase", () => {
  const affineVoxelToRas = [1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1];
  const { values, median, p99 } = VECTORS.percentiles;

  it("counts what is not zero, by voxels of 6 cubic millimetres, and knows percentiles and regions", () => {
    const dims = [10, 10, 1] as const;
    const channel = { dims, affineVoxelToRas, data: new Float32Array(100) };
    channel.data.set(values, 20);
    const labels = { dims, affineVoxelToRas, data: new Uint8Array(100) };
    labels.data.set([1, 2, 2, 3, 3, 3], 30);
    const loaded = { modalities: ["t1"] as const, channels: [channel], labelMap: labels };
    const rounded = (value: number): number => Number(value.toPrecision(4));
    expect(measureCase(loaded)).toEqual({
      "finest voxel side, mm": 1,
      "coarsest voxel side, mm": 3,
      "brain, ml": rounded(0.006 * values.length),
      "t1, median": rounded(median),
      "t1, 99th percentile": rounded(p99),
      "WT, ml": 0.036,
      "TC, ml": 0.024,
      "ET, ml": 0.018,
    });
    expect(measureCase({ ...loaded, channels: [], modalities: [] })).toEqual({});
  });
});

describe("findOutliers", () => {
  it("names the case that lies far from the others, by factors where all are positive", () => {
    expect(findOutliers(casesWith([1400, 1380, 1450, 1500, 1290, 610]))).toEqual([
      expect.objectContaining({ caseId: "case-5", measure: "brain, ml", value: 610, median: 1390 }),
    ]);
    expect(findOutliers(casesWith([10, 20, 40, 80, 160, 320]))).toEqual([]);
  });

  it("compares nothing where there are too few, and no trifles where the others are equal", () => {
    expect(findOutliers(casesWith([1400, 1380, 1450, 610]))).toEqual([]);
    expect(findOutliers(casesWith([1, 1, 1, 1, 1, 1, 1.04], "coarsest voxel side, mm"))).toEqual([]);
    const [found] = findOutliers(casesWith([1, 1, 1, 1, 1, 1, 5], "coarsest voxel side, mm"));
    expect(found).toMatchObject({ caseId: "case-6", value: 5, median: 1 });
  });

  it("tells a label map without tumour, but not one without a part of it", () => {
    const regions = casesWith([30, 31, 29, 30, 0], "WT, ml");
    expect(findOutliers(regions)).toEqual([{ caseId: "case-4", measure: "WT, ml", value: 0, median: 30, z: null }]);
    expect(findOutliers(casesWith([30, 31, 29, 30, 28, 0], "ET, ml"))).toEqual([]);
  });
});
