import { expect, it } from "vitest";
import { drawSlices, fullestSlice } from "./case-picture.ts";

it("finds the slice with the most tumour", () => {
  const labels = new Uint8Array(4 * 4 * 3);
  labels[20] = 2;
  labels[33] = 1;
  labels[34] = 3;
  expect(fullestSlice(labels, [4, 4, 3])).toBe(2);
});

it("draws each view cut to what is in it, with the outline in the class's colour", () => {
  const dims = [12, 10, 2] as const;
  const image = new Float32Array(240);
  const labelMap = new Uint8Array(240);
  for (let y = 3; y < 7; y++) for (let x = 4; x < 9; x++) image[120 + y * 12 + x] = 1 + x;
  labelMap[120 + 5 * 12 + 6] = 3;
  const { width, height, pixels } = drawSlices([
    { image, dims, slice: 1, labelMap },
    { image, dims, slice: 1 },
  ]);
  expect(width).toBe(2 * 9 * (height / 8));
  const colours = new Set(Array.from({ length: width * height }, (_, i) => pixels.slice(3 * i, 3 * i + 3).join()));
  expect(colours).toContain("80,170,255");
  expect([...colours].filter((colour) => new Set(colour.split(",")).size > 1)).toEqual(["80,170,255"]);
});
