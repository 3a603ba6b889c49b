/** The surface and its inside on shapes whose volume is known; a made head; real ones are judged by looking (docs/INTAKE.md). */
import { describe, expect, it } from "vitest";
import type { Triple, Volume } from "../volume.ts";
import { extractBrain } from "./extract-brain.ts";
import { sphereMesh, voxelsInside } from "./triangle-mesh.ts";

const count = (mask: Uint8Array): number => mask.reduce((sum, value) => sum + value, 0);

describe("sphereMesh and voxelsInside", () => {
  it("closes a sphere of the right volume, wherever it lies between voxels", () => {
    for (const centre of [
      [20, 20, 20],
      [19.5, 20.25, 20.9],
    ] as const) {
      const mesh = sphereMesh(centre, 15, 4);
      expect(mesh.vertices.length).toBe(3 * 2562);
      // Euler's formula for a closed surface.
      const edges = mesh.neighbours.reduce((sum, others) => sum + others.length, 0) / 2;
      expect(mesh.neighbours.length - edges + mesh.triangles.length).toBe(2);
      const volume = count(voxelsInside(mesh, [40, 40, 40], (at) => at));
      expect(volume / ((4 / 3) * Math.PI * 15 ** 3)).toBeCloseTo(1, 1);
    }
  });

  it("counts what two folds hold together as inside", () => {
    const [a, b] = [sphereMesh([14, 20, 20], 10, 3), sphereMesh([24, 20, 20], 10, 3)];
    const shift = a.vertices.length / 3;
    const both = {
      vertices: Float64Array.from([...a.vertices, ...b.vertices]),
      triangles: [...a.triangles, ...b.triangles.map((t) => t.map((v) => v + shift) as unknown as Triple)],
      neighbours: [],
    };
    const inside = voxelsInside(both, [40, 40, 40], (at) => at);
    expect(inside[(20 * 40 + 20) * 40 + 19]).toBe(1);
    expect(inside[(20 * 40 + 20) * 40 + 37]).toBe(0);
  });
});

describe("extractBrain", () => {
  const [SIDE, MM] = [44, 5];
  /** A ball of brain in fluid, skull and scalp, above a neck. */
  function head(): { scan: Volume<Float32Array>; brain: Uint8Array } {
    const data = new Float32Array(SIDE ** 3);
    const brain = new Uint8Array(SIDE ** 3);
    for (let i = 0; i < data.length; i++) {
      const at = [i % SIDE, Math.floor(i / SIDE) % SIDE, Math.floor(i / SIDE ** 2)].map((v) => (v - SIDE / 2) * MM);
      const r = Math.hypot(...at);
      brain[i] = r < 65 ? 1 : 0;
      const neck = Math.hypot(at[0], at[1]) < 50 && at[2] < 0;
      data[i] = r < 65 ? 100 : r < 70 ? 30 : r < 80 ? 10 : r < 90 ? 120 : neck ? 60 : 2;
      data[i] += (i * 7919) % 5;
    }
    const m = [-MM, 0, 0, 100, 0, -MM, 0, 100, 0, 0, MM, -100, 0, 0, 0, 1];
    return { scan: { dims: [SIDE, SIDE, SIDE], data, affineVoxelToRas: m }, brain };
  }

  it("finds a ball of brain within a head", { timeout: 120_000 }, () => {
    const { scan, brain } = head();
    const { mask } = extractBrain(scan, "made");
    let both = 0;
    for (let i = 0; i < mask.length; i++) both += mask[i] & brain[i];
    expect((2 * both) / (count(mask) + count(brain))).toBeGreaterThan(0.93);
  });

  it("refuses an image without contrast", () => {
    const { scan } = head();
    expect(() => extractBrain({ ...scan, data: scan.data.fill(1) }, "made")).toThrow(/brain-not-found/);
  });
});
