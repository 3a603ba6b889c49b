import { describe, expect, it } from "vitest";
import { MODALITIES } from "../../study/index.ts";
import { makePhantom } from "./phantom.ts";
import { bestThresholdDice, type ThresholdCase } from "./threshold-dice.ts";

/** What the project promises of its phantoms: no single threshold finds the tumours. */
const GUARD = 0.65;

function caseOf(images: number[], labels: number[]): ThresholdCase {
  const image = { data: images };
  return { t1: image, t1ce: image, t2: image, flair: image, labelMap: { data: labels } };
}

describe("bestThresholdDice", () => {
  it("is one where a threshold separates, on either side", () => {
    const brain = [0, 10, 11, 12, 13, 14, 30, 31, 32];
    expect(bestThresholdDice([caseOf(brain, [0, 0, 0, 0, 0, 0, 1, 2, 3])]).pooled.best).toBe(1);
    expect(bestThresholdDice([caseOf(brain, [0, 2, 2, 0, 0, 0, 0, 0, 0])]).pooled.best).toBe(1);
  });

  it("counts by hand on a case that overlaps", () => {
    // Above 2: 4 voxels, of which 2 of 3 tumour voxels: 2 * 2 / (4 + 3). Everything: 2 * 3 / (8 + 3).
    const { pooled } = bestThresholdDice([caseOf([1, 1, 2, 2, 3, 3, 3, 3], [0, 1, 0, 0, 1, 1, 0, 0])]);
    expect(pooled.t1).toBeCloseTo(4 / 7, 12);
  });

  it("pools voxels over cases with one threshold, where each case alone may have its own", () => {
    const bright = caseOf([1, 2, 3, 9], [0, 0, 0, 1]);
    const dark = caseOf([1, 9, 8, 7], [1, 0, 0, 0]);
    const scores = bestThresholdDice([bright, dark]);
    expect(scores.perCase.cases).toEqual([1, 1]);
    expect(scores.pooled.best).toBeLessThan(1);
  });

  it("stays under the guard on phantoms, and above it where phantoms are made easy", () => {
    const cases = Array.from({ length: 10 }, (_, caseIndex) =>
      makePhantom({ seed: 1, caseIndex, siteIndex: caseIndex % 3, spacingMm: 5 }),
    );
    const scores = bestThresholdDice(cases);
    expect(scores.pooled.best).toBeLessThan(GUARD);
    expect(scores.perCase.mean).toBeLessThan(GUARD);
    // The positive control: the tumour shines in FLAIR, as in phantoms that are toys.
    const easy = cases.map((phantom) => {
      const flair = phantom.flair.data.map((value, n) => (phantom.labelMap.data[n] > 0 ? value * 3 : value));
      return { ...phantom, flair: { data: flair } };
    });
    expect(bestThresholdDice(easy).pooled.best).toBeGreaterThan(GUARD);
    expect(Object.keys(scores.pooled).sort()).toEqual([...MODALITIES, "best"].sort());
  });
});
