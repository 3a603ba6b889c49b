/** Outlines against the voxels that they enclose; that others read the file is checked by pydicom: bench/oracle/dicom_segmentation.py. */
import dicomParser, { type DataSet } from "dicom-parser";
import { expect, test } from "vitest";
import { createRandom } from "../../base/index.ts";
import { outlinesOfSlice } from "../outline-slice.ts";
import { exampleLabelMap, exampleSeries } from "../testing/example-series.ts";
import { encodeStructures } from "./write-structures.ts";

const about = { algorithmName: "Model", softwareVersion: "1", madeAtMs: 0 };
const structures = [
  { name: "WT", colour: [1, 2, 3] as const, classes: [1, 2, 3] },
  { name: "none", colour: [4, 5, 6] as const, classes: [7] },
];

/** Even-odd, by crossings to the left of the point. */
function encloses(outline: readonly (readonly [number, number])[], x: number, y: number): boolean {
  let inside = false;
  outline.forEach(([x0, y0], i) => {
    const [x1, y1] = outline[(i + 1) % outline.length];
    if (y0 > y !== y1 > y && x > x0 + ((x1 - x0) * (y - y0)) / (y1 - y0)) inside = !inside;
  });
  return inside;
}

test("outlines enclose every voxel of a slice and no other, holes and corners included", () => {
  const random = createRandom("outlines");
  for (let trial = 0; trial < 40; trial++) {
    const [nx, ny] = [1 + random.integer(9), 1 + random.integer(9)];
    const mask = Uint8Array.from({ length: nx * ny }, () => (random.uniform() < 0.5 ? 1 : 0));
    const outlines = outlinesOfSlice((x, y) => mask[y * nx + x] === 1, nx, ny);
    for (let i = 0; i < mask.length; i++) {
      const times = outlines.filter((outline) => encloses(outline, i % nx, Math.floor(i / nx))).length;
      expect(times % 2).toBe(mask[i]);
    }
    for (const outline of outlines) expect(outline.length).toBeGreaterThanOrEqual(4);
  }
});

test("a ring has two outlines, of four corners each", () => {
  const ring = (x: number, y: number): boolean => x !== 1 || y !== 1;
  expect(outlinesOfSlice(ring, 3, 3).map((outline) => outline.length)).toEqual([4, 4]);
});

test("a structure set refers to its series, and a region without a voxel has no contour", () => {
  const series = exampleSeries();
  const bytes = encodeStructures(exampleLabelMap(), structures, series, about);
  const set = dicomParser.parseDicom(bytes);
  const items = (from: DataSet | undefined, tag: string): DataSet[] =>
    (from?.elements[tag]?.items ?? []).flatMap(({ dataSet }) => (dataSet ? [dataSet] : []));
  expect(set.string("x00080060")).toBe("RTSTRUCT");
  expect(set.string("x00200052")).toBe(series.frameOfReferenceUid);
  const [frame] = items(set, "x30060010");
  const [seen] = items(items(frame, "x30060012")[0], "x30060014");
  expect(seen.string("x0020000e")).toBe(series.seriesInstanceUid);
  expect(items(seen, "x30060016")).toHaveLength(series.slices.length);
  const [whole, none] = items(set, "x30060039");
  expect(items(none, "x30060040")).toHaveLength(0);
  const contours = items(whole, "x30060040");
  expect(contours.length).toBeGreaterThan(0);
  for (const contour of contours) {
    expect((contour.string("x30060050") ?? "").split("\\")).toHaveLength(3 * Number(contour.string("x30060046")));
  }
});

test("a map of another place is refused", () => {
  const map = exampleLabelMap();
  const moved = { ...map, affineVoxelToRas: map.affineVoxelToRas.map((x, i) => (i === 3 ? x + 1 : x)) };
  expect(() => encodeStructures(moved, structures, exampleSeries(), about)).toThrow(/geometry-mismatch/);
});
