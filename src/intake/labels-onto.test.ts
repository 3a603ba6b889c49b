/** Labels onto a grid in another space, as from the atlas back onto a scan. */
import { expect, test } from "vitest";
import { invertRigid, multiplyAffines, rigidMatrix, type Triple } from "../imaging/index.ts";
import { labelsOnto } from "./labels-onto.ts";

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
  expect([...labelsOnto(labelMap, same, invertRigid(motion)).data]).toEqual([...data]);
  const half = [0.5, 0, 0, -0.25, 0, 0.5, 0, -0.25, 0, 0, 0.5, -0.25, 0, 0, 0, 1];
  const fine = { dims: [40, 40, 40] as const, affineVoxelToRas: multiplyAffines(multiplyAffines(motion, ATLAS), half) };
  const finer = labelsOnto(labelMap, fine, invertRigid(motion)).data;
  const count = (map: Uint8Array, label: number): number => map.filter((value) => value === label).length;
  for (const label of [1, 3]) expect(count(finer, label) / 8 / count(data, label)).toBeCloseTo(1, 1);
  // The control: without the motion they lie elsewhere.
  expect([...labelsOnto(labelMap, same, rigidMatrix([0, 0, 0, 0, 0, 0], [0, 0, 0])).data]).not.toEqual([...data]);
});
