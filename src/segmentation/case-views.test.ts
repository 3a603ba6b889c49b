import { expect, test } from "vitest";
import type { Triple, Volume } from "../imaging/index.ts";
import { type CaseView, drawCaseViews } from "./case-views.ts";

const DIMS: Triple = [40, 48, 16];
/** RAS order with slices of 3 mm, so that turning to LPS is part of what is tested. */
const AFFINE = [1, 0, 0, -20, 0, 1, 0, -24, 0, 0, 3, -24, 0, 0, 0, 1];

function volume<A extends Float32Array | Uint8Array>(
  data: A,
  at: (x: number, y: number, z: number) => number,
): Volume<A> {
  for (let i = 0; i < data.length; i++) {
    data[i] = at(i % DIMS[0], Math.floor(i / DIMS[0]) % DIMS[1], Math.floor(i / (DIMS[0] * DIMS[1])));
  }
  return { dims: DIMS, data, affineVoxelToRas: AFFINE };
}

const VOXELS = DIMS[0] * DIMS[1] * DIMS[2];
const brain = volume(new Float32Array(VOXELS), () => 100);
/** On the patient's right (high x in RAS), in front (high y), high up: oedema. */
const tumour = volume(new Uint8Array(VOXELS), (x, y, z) =>
  x >= 28 && x < 34 && y >= 36 && y < 42 && z >= 11 && z < 14 ? 2 : 0,
);

/** Where the coloured picture elements lie, as shares of width and height. */
function middleOfOutline({ width, height, pixels }: CaseView): readonly [number, number] {
  let [count, x, y] = [0, 0, 0];
  for (let i = 0; i < width * height; i++) {
    if (pixels[3 * i] === pixels[3 * i + 1]) continue;
    count++;
    x += i % width;
    y += Math.floor(i / width);
  }
  return [x / count / width, y / count / height];
}

test("right is on the left, the front up in axial and left in sagittal views, the head up", () => {
  const [axial, coronal, sagittal] = drawCaseViews(brain, tumour);
  const [ax, ay] = middleOfOutline(axial);
  expect(ax).toBeCloseTo(1 - 31 / 40, 1);
  expect(ay).toBeCloseTo(1 - 39 / 48, 1);
  const [cx, cy] = middleOfOutline(coronal);
  expect(cx).toBeCloseTo(1 - 31 / 40, 1);
  expect(cy).toBeCloseTo(1 - 12.5 / 16, 1);
  const [sx, sy] = middleOfOutline(sagittal);
  expect(sx).toBeCloseTo(1 - 39 / 48, 1);
  expect(sy).toBeCloseTo(1 - 12.5 / 16, 1);
});

test("millimetres are as long along every axis", () => {
  const [axial, coronal, sagittal] = drawCaseViews(brain, tumour);
  expect(axial.width / axial.height).toBeCloseTo(40 / 48, 2);
  expect(coronal.width / coronal.height).toBeCloseTo(40 / 48, 2);
  expect(sagittal.width / sagittal.height).toBeCloseTo(48 / 48, 2);
});

test("each view cuts where there is most tumour; without tumour, in the middle", () => {
  expect(drawCaseViews(brain, tumour).map(({ slice, slices }) => [slice, slices])).toEqual([
    [12, 16],
    [48 - 41, 48],
    [40 - 33, 40],
  ]);
  const none = volume(new Uint8Array(VOXELS), () => 0);
  const views = drawCaseViews(brain, none);
  expect(views.map(({ slice }) => slice)).toEqual([8, 24, 20]);
  for (const { pixels } of views) expect(pixels.every((value, i) => value === pixels[i - (i % 3)])).toBe(true);
});
