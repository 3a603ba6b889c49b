/** What the viewer lays over scans, and which file it takes for what. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { checkNifti, checkSameGrid, classesOf, type MapGrid } from "../dashboard/src/viewer/check-maps.ts";
import { figuresOf, paintDifference, paintRegions, REGIONS, type RegionName } from "../dashboard/src/viewer/maps.ts";
import { partOfName } from "../dashboard/src/viewer/part-names.ts";
import { encodeNifti, parseCaseFileName } from "../src/imaging/index.ts";
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

test("what is no NIfTI file is refused", () => {
  const volume = {
    dims: [2, 2, 2],
    data: new Uint8Array(8),
    affineVoxelToRas: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
  } as const;
  const bytes = Uint8Array.from(encodeNifti(volume));
  const beginning = (magic: string): ArrayBuffer => Uint8Array.from(Buffer.from(`\x1c\x02\0\0${magic}`)).buffer;
  expect(refusalOf(() => checkNifti(bytes.buffer, "t1"))).toBeUndefined();
  expect(refusalOf(() => checkNifti(beginning("n+2\0"), "t1"))).toBeUndefined();
  // A header of two files, whose voxels are in the other.
  for (const other of [new ArrayBuffer(0), bytes.fill(0, 345, 346).buffer, beginning("ni2\0")]) {
    expect(refusalOf(() => checkNifti(other, "t1"))).toMatchObject({ code: "nifti-corrupt", subject: "t1" });
  }
});

test("a value that was not declared is refused, never background", () => {
  expect([...classesOf([0, 1, 2, 4], 4, "labels")]).toEqual([0, 1, 2, 3]);
  expect([...classesOf([0, 1, 2, 3], 3, "labels")]).toEqual([0, 1, 2, 3]);
  for (const [values, enhancing] of [
    [[0, 1, 4], 3],
    [[0, 3, 2], 4],
    [[0, 5], 3],
    [[0.5], 3],
    [[-1], 4],
    [[Number.NaN], 3],
  ] as const) {
    expect(refusalOf(() => classesOf(values, enhancing, "labels"))).toMatchObject({ code: "label-unknown" });
  }
});

test("maps of different grids are not compared", () => {
  const affine = [
    [-1, 0, 0, 90],
    [0, -1, 0, 126],
    [0, 0, 2, -72],
  ];
  const grid: MapGrid = { dims: [240, 240, 155], affine };
  const moved = (row: number, column: number, by: number): MapGrid => ({
    ...grid,
    affine: affine.map((cells, r) => cells.map((cell, c) => (r === row && c === column ? cell + by : cell))),
  });
  expect(() => checkSameGrid(grid, grid, "prediction")).not.toThrow();
  expect(() => checkSameGrid(grid, moved(0, 3, 0.05), "prediction")).not.toThrow();
  for (const other of [{ ...grid, dims: [240, 155, 240] }, moved(0, 3, 0.5), moved(2, 2, 0.01), moved(1, 0, 0.01)]) {
    expect(refusalOf(() => checkSameGrid(grid, other, "prediction"))).toMatchObject({ code: "geometry-mismatch" });
  }
});

function refusalOf(work: () => unknown): unknown {
  try {
    work();
  } catch (refusal) {
    return refusal;
  }
  return undefined;
}
