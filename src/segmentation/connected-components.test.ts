import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Triple } from "../imaging/index.ts";
import { connectedComponents, grown, runsOf } from "./connected-components.ts";

const side = fc.integer({ min: 1, max: 7 });
const sample = fc.tuple(fc.tuple(side, side, side), fc.integer({ min: 1, max: 9 })).chain(([dims, sparsity]) =>
  fc
    .array(fc.integer({ min: 0, max: sparsity }), {
      minLength: dims[0] * dims[1] * dims[2],
      maxLength: dims[0] * dims[1] * dims[2],
    })
    .map((draws) => ({ dims: dims as Triple, mask: Uint8Array.from(draws, (draw) => (draw === 0 ? 1 : 0)) })),
);

const OFFSETS = [-1, 0, 1].flatMap((z) => [-1, 0, 1].flatMap((y) => [-1, 0, 1].map((x): Triple => [x, y, z])));

function neighbours(i: number, [nx, ny, nz]: Triple, offsets: readonly Triple[]): number[] {
  const [x, y, z] = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))];
  return offsets
    .map(([dx, dy, dz]) => [x + dx, y + dy, z + dz])
    .filter(([a, b, c]) => a >= 0 && a < nx && b >= 0 && b < ny && c >= 0 && c < nz)
    .map(([a, b, c]) => (c * ny + b) * nx + a);
}

/** Numbers by flooding from every voxel in turn. */
function flooded(mask: Uint8Array, dims: Triple): Int32Array {
  const numbers = new Int32Array(mask.length);
  let count = 0;
  for (let seed = 0; seed < mask.length; seed++) {
    if (mask[seed] === 0 || numbers[seed] > 0) continue;
    const open = [seed];
    numbers[seed] = ++count;
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      for (const next of neighbours(at, dims, OFFSETS)) {
        if (mask[next] === 0 || numbers[next] > 0) continue;
        numbers[next] = count;
        open.push(next);
      }
    }
  }
  return numbers;
}

describe("connectedComponents", () => {
  it("equals flooding from every voxel", () => {
    fc.assert(
      fc.property(sample, ({ mask, dims }) => {
        const { runs, ofRun, count } = connectedComponents(mask, dims);
        const numbers = new Int32Array(mask.length);
        for (const [run, start] of runs.starts.entries()) numbers.fill(ofRun[run], start, start + runs.lengths[run]);
        const wanted = flooded(mask, dims);
        expect(numbers).toEqual(wanted);
        expect(count).toBe(wanted.reduce((most, number) => Math.max(most, number), 0));
      }),
      { numRuns: 400 },
    );
  });

  it("does not join rows across the grid's edge", () => {
    // The last voxel of one row and the first of the next are neighbours in memory only.
    const mask = new Uint8Array(12);
    mask[3] = 1;
    mask[4] = 1;
    expect(connectedComponents(mask, [4, 3, 1]).count).toBe(2);
  });
});

describe("grown", () => {
  it("equals steps to the 18 neighbours, one after another", () => {
    const eighteen = OFFSETS.filter(([x, y, z]) => Math.abs(x) + Math.abs(y) + Math.abs(z) < 3);
    fc.assert(
      fc.property(sample, fc.integer({ min: 0, max: 3 }), ({ mask, dims }, steps) => {
        let wanted: Uint8Array = mask;
        for (let step = 0; step < steps; step++) {
          const before = wanted;
          wanted = before.map((_, i) => (neighbours(i, dims, eighteen).some((next) => before[next] === 1) ? 1 : 0));
        }
        expect(grown(runsOf(mask, dims), dims, steps)).toEqual(wanted);
      }),
      { numRuns: 200 },
    );
  });
});
