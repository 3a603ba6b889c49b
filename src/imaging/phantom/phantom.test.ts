import { describe, expect, it } from "vitest";
import { createRandom, sha256 } from "../../base/index.ts";
import { MODALITIES } from "../../study/index.ts";
import { spacingMmOf } from "../volume.ts";
import { createAnatomy } from "./anatomy.ts";
import { makePhantom, type Phantom, phantomGrid } from "./phantom.ts";
import { siteScanner } from "./scanner.ts";
import { drawSubject } from "./subject.ts";
import { TISSUE, TISSUE_COUNT } from "./tissue.ts";
import { drawTumourPlan, type TumourPlan } from "./tumour-plan.ts";

const SPACING = 4;
const digest = (phantom: Phantom): string =>
  sha256(
    ...[...MODALITIES.map((m) => phantom[m].data), phantom.labelMap.data].map((data) => new Uint8Array(data.buffer)),
  );

function classMl({ labelMap }: Phantom, spacingMm: number): number[] {
  const counts = [0, 0, 0, 0];
  for (const label of labelMap.data) counts[label]++;
  return counts.map((count) => (count * spacingMm ** 3) / 1000);
}

const cohort = Array.from({ length: 4 }, (_, caseIndex) =>
  makePhantom({ seed: 11, caseIndex, siteIndex: 0, spacingMm: SPACING }),
);

describe("makePhantom", () => {
  it("gives the same bytes for the same seed, other ones for another seed, case or site", () => {
    const again = makePhantom({ seed: 11, caseIndex: 0, siteIndex: 0, spacingMm: SPACING });
    expect(digest(again)).toBe(digest(cohort[0]));
    const others = [
      makePhantom({ seed: 12, caseIndex: 0, siteIndex: 0, spacingMm: SPACING }),
      makePhantom({ seed: 11, caseIndex: 0, siteIndex: 1, spacingMm: SPACING }),
      cohort[1],
    ];
    expect(new Set([...others, again].map(digest)).size).toBe(4);
  });

  it("changes nothing but the scan with the site: the anatomy and its labels are the case's", () => {
    const elsewhere = makePhantom({ seed: 11, caseIndex: 0, siteIndex: 3, spacingMm: SPACING });
    expect(elsewhere.labelMap.data).toEqual(cohort[0].labelMap.data);
    expect(elsewhere.t1.data.map((value) => Number(value > 0))).toEqual(
      cohort[0].t1.data.map((value) => Number(value > 0)),
    );
    expect(elsewhere.t1.data).not.toEqual(cohort[0].t1.data);
  });

  it("is a brain of a brain's size, zero outside, with every label inside it", () => {
    for (const phantom of cohort) {
      const { t1, t1ce, t2, flair, labelMap } = phantom;
      let brain = 0;
      let strange = 0;
      for (let n = 0; n < labelMap.data.length; n++) {
        const inside = t1.data[n] > 0;
        if (inside) brain++;
        for (const image of [t1ce, t2, flair]) if (image.data[n] > 0 !== inside) strange++;
        if (labelMap.data[n] > (inside ? 3 : 0)) strange++;
      }
      expect(strange).toBe(0);
      const brainMl = (brain * SPACING ** 3) / 1000;
      expect(brainMl).toBeGreaterThan(1000);
      expect(brainMl).toBeLessThan(2000);
      const [, core, oedema, enhancing] = classMl(phantom, SPACING);
      expect(core + oedema + enhancing).toBeGreaterThan(4);
      expect(core + oedema + enhancing).toBeLessThan(260);
      expect(core + enhancing).toBeGreaterThan(0.3);
      expect(enhancing === 0).toBe(phantom.plan.kind === "nonEnhancing");
    }
  });

  it("is the same head at another spacing", () => {
    const finer = makePhantom({ seed: 11, caseIndex: 2, siteIndex: 0, spacingMm: 3 });
    const ml = (phantom: Phantom, spacingMm: number): number =>
      (phantom.t1.data.reduce((count, value) => count + Number(value > 0), 0) * spacingMm ** 3) / 1000;
    expect(ml(finer, 3) / ml(cohort[2], SPACING)).toBeCloseTo(1, 1);
    const wholeTumour = (classes: number[]): number => classes[1] + classes[2] + classes[3];
    expect(wholeTumour(classMl(finer, 3)) / wholeTumour(classMl(cohort[2], SPACING))).toBeCloseTo(1, 1);
    expect(finer.plan).toEqual(cohort[2].plan);
  });
});

describe("tumours", () => {
  it("come in all kinds over a cohort: without enhancement, multifocal, small and large", () => {
    const plans: TumourPlan[] = Array.from({ length: 60 }, (_, n) => {
      const subject = drawSubject(createRandom("kinds", n, "subject"));
      const anatomy = createAnatomy(subject, ["kinds", n % 3]);
      return drawTumourPlan(createRandom("kinds", n), anatomy);
    });
    for (const kind of ["ring", "solid", "patchy", "nonEnhancing"]) {
      expect(plans.filter((plan) => plan.kind === kind).length).toBeGreaterThan(2);
    }
    expect(plans.filter((plan) => plan.foci.length > 1).length).toBeGreaterThan(3);
    const totals = plans.map((plan) => plan.oedemaMl + plan.foci.reduce((sum, focus) => sum + focus.coreMl, 0));
    const median = totals.sort((a, b) => a - b)[30];
    expect(median).toBeGreaterThan(60);
    expect(median).toBeLessThan(120);
    expect(totals[0]).toBeGreaterThanOrEqual(9);
    expect(totals[59]).toBeLessThanOrEqual(215);
  });
});

describe("anatomy", () => {
  it("has white matter in the centrum, fluid in the ventricles, cortex below the surface, in every subject", () => {
    const fractions = new Float64Array(TISSUE_COUNT);
    for (let n = 0; n < 5; n++) {
      const anatomy = createAnatomy(drawSubject(createRandom("anatomy", n)), ["anatomy", n]);
      const seen = new Float64Array(TISSUE_COUNT);
      let brain = 0;
      let strange = 0;
      for (let u = -80; u <= 80; u += 5) {
        for (let v = -95; v <= 95; v += 5) {
          for (let w = -80; w <= 75; w += 5) {
            if (anatomy.compose(u, v, w, 2, fractions) > 0) continue;
            brain++;
            let sum = 0;
            for (let t = 0; t < TISSUE_COUNT; t++) {
              seen[t] += fractions[t];
              sum += fractions[t];
            }
            if (Math.abs(sum - 1) > 1e-9 || fractions.some((share) => share < 0)) strange++;
          }
        }
      }
      expect(strange).toBe(0);
      const share = (name: keyof typeof TISSUE): number => seen[TISSUE[name]] / brain;
      expect(share("whiteMatter")).toBeGreaterThan(0.2);
      expect(share("whiteMatter")).toBeLessThan(0.55);
      expect(share("cortex")).toBeGreaterThan(0.2);
      expect(share("cortex")).toBeLessThan(0.55);
      expect(share("ventricle")).toBeGreaterThan(0.005);
      expect(share("ventricle")).toBeLessThan(0.08);
      expect(share("deepGrey")).toBeGreaterThan(0.006);
    }
  });
});

describe("sites", () => {
  it("have scanners of their own, which stay the same", () => {
    const scanners = [0, 1, 2, 3].map((site) => siteScanner(7, site));
    expect(siteScanner(7, 2)).toEqual(scanners[2]);
    for (const modality of MODALITIES) {
      for (const key of ["contrast", "scale", "noise", "bias"] as const) {
        expect(new Set(scanners.map((scanner) => scanner[modality][key])).size).toBe(4);
      }
    }
    expect(siteScanner(8, 2)).not.toEqual(scanners[2]);
  });
});

describe("phantomGrid", () => {
  it("is the BraTS grid at 1 mm and covers the same space at any other spacing", () => {
    expect(phantomGrid(1)).toEqual({
      dims: [240, 240, 155],
      affineVoxelToRas: [-1, 0, 0, 0, 0, -1, 0, 239, 0, 0, 1, 0, 0, 0, 0, 1],
    });
    const { dims, affineVoxelToRas } = phantomGrid(2);
    expect(dims).toEqual([120, 120, 78]);
    expect(spacingMmOf(affineVoxelToRas)).toEqual([2, 2, 2]);
    // The outer edge of the first voxel stays where it was: half a voxel before the first centre.
    expect(affineVoxelToRas[3] + 2 / 2).toBe(0.5);
    expect(() => phantomGrid(0.5)).toThrow("geometry-invalid");
    expect(() => phantomGrid(Number.NaN)).toThrow("geometry-invalid");
  });
});
