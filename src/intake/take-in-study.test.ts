/** Labels from the atlas's space back onto a scan's own grid. */
import { expect, test } from "vitest";
import { multiplyAffines, rigidMatrix, type Triple } from "../imaging/index.ts";
import { labelsOnScan } from "./take-in-study.ts";

const DIMS: Triple = [20, 20, 20];
const ATLAS = [-1, 0, 0, 10, 0, -1, 0, 10, 0, 0, 1, -10, 0, 0, 0, 1];

test("labels lie where the motion puts them, on a finer grid too", () => {
  const data = new Uint8Array(8000);
  for (let k = 5; k < 12; k++) {
    for (let j = 6; j < 13; j++) for (let i = 4; i < 10; i++) data[(k * 20 + j) * 20 + i] = k < 8 ? 1 : 3;
  }
  const motion = rigidMatrix([0, 0, 0.2, 3, -2, 1], [0, 0, 0]);
  // The atlas's voxels, moved to where they lie in the scan: the scan's grid is the atlas's own, moved along.
  const same = { dims: DIMS, affineVoxelToRas: multiplyAffines(motion, ATLAS) };
  const labelMap = { dims: DIMS, affineVoxelToRas: ATLAS, data };
  expect([...labelsOnScan(labelMap, same, motion).data]).toEqual([...data]);
  const half = [0.5, 0, 0, -0.25, 0, 0.5, 0, -0.25, 0, 0, 0.5, -0.25, 0, 0, 0, 1];
  const fine = { dims: [40, 40, 40] as const, affineVoxelToRas: multiplyAffines(multiplyAffines(motion, ATLAS), half) };
  const finer = labelsOnScan(labelMap, fine, motion).data;
  const count = (map: Uint8Array, label: number): number => map.filter((value) => value === label).length;
  for (const label of [1, 3]) expect(count(finer, label) / 8 / count(data, label)).toBeCloseTo(1, 1);
  // The control: without the motion they lie elsewhere.
  expect([...labelsOnScan(labelMap, same, rigidMatrix([0, 0, 0, 0, 0, 0], [0, 0, 0])).data]).not.toEqual([...data]);
});
