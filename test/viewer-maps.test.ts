/** What the viewer lays over scans, and which file it takes for what. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { figuresOf, paintDifference, paintRegions, REGIONS, type RegionName } from "../dashboard/src/viewer/maps.ts";
import { partOfName } from "../dashboard/src/viewer/part-names.ts";
import { parseCaseFileName } from "../src/imaging/index.ts";
import { measureLabelMaps } from "../src/segmentation/index.ts";

const ALL = new Set<RegionName>(["WT", "TC", "ET"]);
const classes = fc.uint8Array({ max: 3, minLength: 60, maxLength: 60 });

test("each class is painted as the innermost region that is shown", () => {
  const map = Uint8Array.of(0, 1, 2, 3);
  expect([...paintRegions(map, ALL)]).toEqual([0, 2, 1, 3]);
  expect([...paintRegions(map, new Set(["WT"] as const))]).toEqual([0, 1, 1, 1]);
  expect([...paintRegions(map, new Set(["TC"] as const))]).toEqual([0, 2, 0, 2]);
  expect([...paintRegions(map, new Set())]).toEqual([0, 0, 0, 0]);
});

test("a difference tells what is in both, and what in one alone", () => {
  const labels = Uint8Array.of(0, 1, 3, 2, 0);
  const prediction = Uint8Array.of(0, 1, 0, 3, 2);
  expect([...paintDifference(labels, prediction, "WT")]).toEqual([0, 1, 2, 1, 3]);
  expect([...paintDifference(labels, prediction, "ET")]).toEqual([0, 0, 2, 3, 0]);
});

test("figures are those of the product's own measures", () => {
  const regions = Object.fromEntries(REGIONS.map(({ name, classes: own }) => [name, [...own]]));
  fc.assert(
    fc.property(classes, classes, (labels, prediction) => {
      const measured = measureLabelMaps(prediction, labels, [3, 4, 5], [1, 2, 5], regions);
      for (const { name, dice, labelsMl, predictionMl } of figuresOf(labels, prediction, 0.01)) {
        const { dice: expected, volumeMl } = measured[name];
        if (volumeMl.reference + volumeMl.prediction > 0) expect(dice).toBeCloseTo(expected ?? Number.NaN, 12);
        expect(labelsMl).toBeCloseTo(volumeMl.reference, 12);
        expect(predictionMl).toBeCloseTo(volumeMl.prediction, 12);
      }
    }),
  );
  expect(figuresOf(Uint8Array.of(0), Uint8Array.of(0), 1)[0].dice).toBeNull();
  expect(figuresOf(undefined, Uint8Array.of(3), 1)[2]).toEqual({
    name: "ET",
    labelsMl: null,
    predictionMl: 1,
    dice: null,
  });
});

test.each([
  ["BraTS2021_00006_t1.nii.gz", "t1"],
  ["BraTS2021_00006_t1ce.nii.gz", "t1ce"],
  ["BraTS-GLI-00006-100-t1c.nii.gz", "t1ce"],
  ["BraTS-GLI-00006-100-t1n.nii", "t1"],
  ["BraTS-GLI-00006-100-t2w.nii.gz", "t2"],
  ["BraTS-GLI-00006-100-t2f.nii.gz", "flair"],
  ["BraTS2021_00006_seg.nii.gz", "labels"],
  ["Phantom_00001_draft.nii.gz", "prediction"],
  ["tumour.nii.gz", "prediction"],
  ["notes.txt", undefined],
  ["scan.nii.gz", undefined],
])("%s is taken for %s", (name, part) => {
  expect(partOfName(name)).toBe(part);
  const known = parseCaseFileName(name)?.role;
  // Where the product's datasets know the name, the viewer takes it for the same.
  if (known !== undefined) expect(part).toBe(known === "labelMap" ? "labels" : known);
});
