import { expect, test } from "vitest";
import type { Volume } from "../imaging/index.ts";
import { postProcess } from "./post-process.ts";

/** 10 x 4 x 3 voxels of 1 x 2 x 2 mm: 4 mm3 each. */
function map(labels: Readonly<Record<number, number>>): Volume<Uint8Array> {
  const data = new Uint8Array(120);
  for (const [index, label] of Object.entries(labels)) data[Number(index)] = label;
  return { dims: [10, 4, 3], data, affineVoxelToRas: [1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1] };
}

const filled = ({ data }: Volume<Uint8Array>): Record<number, number> =>
  Object.fromEntries([...data.entries()].filter(([, label]) => label !== 0));

test("connected tumour below the volume becomes background, whatever its classes; at the volume it stays", () => {
  // Three voxels joined by a corner (0, 11 = x1 y1, 12), two apart from them (8, 9).
  const labels = { 0: 2, 11: 3, 12: 1, 8: 2, 9: 2 };
  expect(filled(postProcess(map(labels), { smallestTumourMm3: 12 }))).toEqual({ 0: 2, 11: 3, 12: 1 });
  expect(filled(postProcess(map(labels), { smallestTumourMm3: 12.5 }))).toEqual({});
  expect(filled(postProcess(map(labels), { smallestTumourMm3: 8 }))).toEqual(labels);
});

test("little enhancing tumour in all becomes necrotic core; its pieces count together", () => {
  const labels = { 0: 3, 50: 3, 51: 2 };
  expect(filled(postProcess(map(labels), { smallestEnhancingMm3: 8.5 }))).toEqual({ 0: 1, 50: 1, 51: 2 });
  expect(filled(postProcess(map(labels), { smallestEnhancingMm3: 8 }))).toEqual(labels);
});

test("specks go first, so that what is left of the enhancement is judged", () => {
  const labels = { 0: 3, 90: 3, 91: 2, 92: 2 };
  const rules = { smallestTumourMm3: 8, smallestEnhancingMm3: 8 };
  expect(filled(postProcess(map(labels), rules))).toEqual({ 90: 1, 91: 2, 92: 2 });
});

test("without a rule the map is left alone, and a rule never changes the map that it is given", () => {
  const given = map({ 0: 3 });
  expect(postProcess(given)).toBe(given);
  postProcess(given, { smallestTumourMm3: 100 });
  expect(filled(given)).toEqual({ 0: 3 });
});
