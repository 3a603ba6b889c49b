/** The estimate on a made head under a known field; it must take most of it away, and leave an even image alone. */
import { describe, expect, it } from "vitest";
import { createRandom } from "../base/index.ts";
import { withoutBias } from "./bias-field.ts";
import { blockAverage } from "./block-average.ts";
import type { Volume } from "./volume.ts";

const [SIDE, MM] = [32, 5];
const random = createRandom("bias");

/** Two tissues in patches within a ball, in a field of that strength. */
function ball(strength: number): { scan: Volume<Float32Array>; truth: Float32Array; inside: Uint8Array } {
  const truth = new Float32Array(SIDE ** 3);
  const data = new Float32Array(SIDE ** 3);
  const inside = new Uint8Array(SIDE ** 3);
  for (let i = 0; i < data.length; i++) {
    const [x, y, z] = [i % SIDE, Math.floor(i / SIDE) % SIDE, Math.floor(i / SIDE ** 2)];
    if (Math.hypot(x - 15.5, y - 15.5, z - 15.5) > 14) continue;
    inside[i] = 1;
    const patch = (Math.floor(x / 3) + Math.floor(y / 3) + Math.floor(z / 3)) % 2;
    truth[i] = (patch === 0 ? 100 : 160) * (1 + 0.03 * random.normal());
    data[i] = truth[i] * Math.exp(strength * ((x - 15.5) / 15.5 + 0.5 * Math.sin(y / 8)));
  }
  const affineVoxelToRas = [MM, 0, 0, 0, 0, MM, 0, 0, 0, 0, MM, 0, 0, 0, 0, 1];
  return { scan: { dims: [SIDE, SIDE, SIDE], data, affineVoxelToRas }, truth, inside };
}

/** Standard deviation of log(image / truth): what is left of the field. */
function leftOver(image: Float32Array, truth: Float32Array, inside: Uint8Array): number {
  const logs = [...image.keys()].filter((i) => inside[i] === 1).map((i) => Math.log(image[i] / truth[i]));
  const mean = logs.reduce((sum, value) => sum + value, 0) / logs.length;
  return Math.sqrt(logs.reduce((sum, value) => sum + (value - mean) ** 2, 0) / logs.length);
}

describe("withoutBias", () => {
  it("takes most of a field away", () => {
    const { scan, truth, inside } = ball(0.3);
    const before = leftOver(scan.data, truth, inside);
    expect(before).toBeGreaterThan(0.1);
    expect(leftOver(withoutBias(scan).data, truth, inside)).toBeLessThan(0.2 * before);
  });

  it("adds hardly any to an even image", () => {
    const { scan, truth, inside } = ball(0);
    expect(leftOver(withoutBias(scan).data, truth, inside)).toBeLessThan(0.03);
  });
});

describe("blockAverage", () => {
  it("keeps the mean and the place of whole blocks, and voxels that are coarse already", () => {
    const scan = {
      dims: [4, 2, 3] as const,
      data: Float32Array.from({ length: 24 }, (_, i) => i),
      affineVoxelToRas: [0.5, 0, 0, 10, 0, 0.5, 0, 20, 0, 0, 5, 30, 0, 0, 0, 1],
    };
    const coarse = blockAverage(scan, 1);
    expect(coarse.dims).toEqual([2, 1, 3]);
    expect([...coarse.data]).toEqual([2.5, 4.5, 10.5, 12.5, 18.5, 20.5]);
    expect(coarse.affineVoxelToRas).toEqual([1, 0, 0, 10.25, 0, 1, 0, 20.25, 0, 0, 5, 30, 0, 0, 0, 1]);
  });
});
