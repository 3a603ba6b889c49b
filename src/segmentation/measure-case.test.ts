import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { LabelConvention, Triple } from "../imaging/index.ts";
import { labelsToClasses, readNifti } from "../imaging/index.ts";
import { LESION_RULES, type LesionRulesName, type LesionScores } from "./lesion-wise.ts";
import { measureLabelMaps, type RegionMeasures } from "./measure-case.ts";
import type { RegionScores } from "./metrics.ts";

interface Answers extends RegionScores {
  /** By tolerance. */
  readonly nsd: readonly (number | null)[];
  readonly volumeMl: { readonly prediction: number; readonly reference: number };
  readonly lesionWise: Record<LesionRulesName, LesionScores>;
}

interface SyntheticCase {
  readonly name: string;
  readonly convention: LabelConvention;
  readonly dims: Triple;
  readonly spacingMm: Triple;
  readonly prediction: string;
  readonly reference: string;
  readonly regions: Record<string, Answers>;
}

interface RatersCase {
  readonly case: string;
  readonly prediction: string;
  readonly reference: string;
  readonly regions: Record<string, Answers>;
}

const VECTORS: {
  readonly tolerancesMm: readonly number[];
  readonly cases: readonly SyntheticCase[];
  readonly raters: readonly RatersCase[];
} = JSON.parse(readFileSync(new URL("testdata/measure-vectors.json", import.meta.url), "utf8"));

const REGIONS = { WT: [1, 2, 3], TC: [1, 3], ET: [3] };
const RULES = Object.keys(LESION_RULES) as LesionRulesName[];
const UNIT: Triple = [1, 1, 1];

/** MONAI answers in float32, the other packages in float64. */
const MONAI_ERROR = 1e-6;
/** Its percentile also places the rank in float32; metrics.test.ts holds HD95 to SciPy more tightly. */
const MONAI_HD95_ERROR = 1e-5;
const ERROR = 1e-9;

function differences(measures: RegionMeasures, wanted: Answers, tolerance: number, rules: LesionRulesName): string[] {
  const pairs: [string, number | null, number | null, number][] = [
    ["dice", measures.dice, wanted.dice, MONAI_ERROR],
    ["hd95", measures.hd95, wanted.hd95, MONAI_HD95_ERROR],
    ["sensitivity", measures.sensitivity, wanted.sensitivity, MONAI_ERROR],
    ["specificity", measures.specificity, wanted.specificity, MONAI_ERROR],
    ["nsd", measures.nsd, wanted.nsd[tolerance], ERROR],
    ["volume of prediction", measures.volumeMl.prediction, wanted.volumeMl.prediction, ERROR],
    ["volume of reference", measures.volumeMl.reference, wanted.volumeMl.reference, ERROR],
    ...(Object.keys(measures.lesionWise) as (keyof LesionScores)[]).map((key): [string, number, number, number] => [
      `lesion-wise ${key}, ${rules}`,
      measures.lesionWise[key],
      wanted.lesionWise[rules][key],
      ERROR,
    ]),
  ];
  return pairs
    .filter(([, actual, expected, error]) =>
      actual === null || expected === null
        ? actual !== expected
        : !(Math.abs(actual - expected) <= error * Math.max(1, Math.abs(expected))),
    )
    .map(([figure, actual, expected]) => `${figure}: ${actual}, not ${expected}`);
}

function unpacked(map: string, { dims, convention, name }: SyntheticCase): Uint8Array {
  const data = new Uint8Array(gunzipSync(Buffer.from(map, "base64")));
  const affineVoxelToRas = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  return labelsToClasses({ dims, data, affineVoxelToRas }, convention, name).data;
}

describe("measureLabelMaps", () => {
  it.each(VECTORS.cases)("equals MONAI, surface-distance, cc3d and SciPy on $name", (each) => {
    const [prediction, reference] = [each.prediction, each.reference].map((map) => unpacked(map, each));
    for (const [i, rules] of RULES.entries()) {
      const toleranceMm = VECTORS.tolerancesMm[i];
      const options = { toleranceMm, lesionRules: LESION_RULES[rules] };
      const measures = measureLabelMaps(prediction, reference, each.dims, each.spacingMm, REGIONS, options);
      expect(Object.keys(measures)).toEqual(Object.keys(each.regions));
      for (const [region, wanted] of Object.entries(each.regions)) {
        expect(differences(measures[region], wanted, i, rules), region).toEqual([]);
      }
    }
  });

  it("is held to vectors in which every rule comes into play", () => {
    const scores = VECTORS.cases.flatMap(({ regions }) =>
      Object.values(regions).flatMap(({ lesionWise }) => Object.values(lesionWise)),
    );
    for (const key of ["found", "missed", "falseFindings", "leftOut"] as const) {
      expect(scores.filter((score) => score[key] > 1).length, key).toBeGreaterThan(3);
    }
    expect(new Set(VECTORS.cases.map(({ convention }) => convention)).size).toBe(2);
    expect(new Set(VECTORS.cases.map(({ spacingMm }) => spacingMm.join())).size).toBeGreaterThan(4);
  });

  it("tells a figure that is off by little (the comparison itself can fail)", () => {
    const [each] = VECTORS.cases;
    const [prediction, reference] = [each.prediction, each.reference].map((map) => unpacked(map, each));
    const changed = reference.slice();
    changed[changed.lastIndexOf(2)] = 0;
    const options = { toleranceMm: VECTORS.tolerancesMm[0], lesionRules: LESION_RULES.glioma };
    const { WT } = measureLabelMaps(prediction, changed, each.dims, each.spacingMm, REGIONS, options);
    expect(differences(WT, each.regions.WT, 0, "glioma").length).toBeGreaterThan(3);
  });

  it("gives a region of neither map no surface distance, and lesion scores of 1 and 0 mm", () => {
    const nothing = new Uint8Array(27);
    const { WT } = measureLabelMaps(nothing, nothing, [3, 3, 3], UNIT, REGIONS);
    expect(WT).toMatchObject({ dice: null, hd95: null, nsd: null, volumeMl: { prediction: 0, reference: 0 } });
    expect(WT.lesionWise).toEqual({ dice: 1, hd95: 0, found: 0, missed: 0, falseFindings: 0, leftOut: 0 });
  });

  it("follows the lesion rules that docs/METRICS.md shows", () => {
    const page = readFileSync(new URL("../../docs/METRICS.md", import.meta.url), "utf8");
    const shown = [...page.matchAll(/^\| `(\w+)` \| BraTS-[^|]*\| (\d+) \| (\d+) \|$/gm)].map(
      ([, name, growSteps, leastMm3]) => [name, { growSteps: Number(growSteps), leastMm3: Number(leastMm3) }],
    );
    expect(Object.fromEntries(shown)).toEqual(LESION_RULES);
  });

  it("refuses maps of another grid", () => {
    expect(() => measureLabelMaps(new Uint8Array(8), new Uint8Array(9), [2, 2, 2], UNIT, REGIONS)).toThrow(
      /geometry-mismatch/,
    );
  });
});

const { CONSILIUM_RATERS: raters } = process.env;

describe.skipIf(raters === undefined)(
  "measureLabelMaps on real label maps (skipped unless CONSILIUM_RATERS names the folder)",
  () => {
    it("equals the packages on every pair", { timeout: 300_000 }, async () => {
      expect(VECTORS.raters.length).toBeGreaterThanOrEqual(10);
      for (const each of VECTORS.raters) {
        const [prediction, reference] = await Promise.all(
          [each.prediction, each.reference].map(async (file) => {
            const { volume } = await readNifti(join(raters ?? "", each.case, file));
            return labelsToClasses(volume, "brats2021", file);
          }),
        );
        for (const [i, rules] of RULES.entries()) {
          const options = { toleranceMm: VECTORS.tolerancesMm[i], lesionRules: LESION_RULES[rules] };
          const measures = measureLabelMaps(prediction.data, reference.data, prediction.dims, UNIT, REGIONS, options);
          for (const [region, wanted] of Object.entries(each.regions)) {
            const where = `${each.case} ${each.prediction} ${region}`;
            expect(differences(measures[region], wanted, i, rules), where).toEqual([]);
          }
        }
      }
    });
  },
);
