import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../base/index.ts";
import { createExactSum } from "./exact-sum.ts";
import { coordinateLimit } from "./update-scales.ts";

interface Arrival {
  readonly offset: number;
  readonly coordinates: Int32Array;
  readonly weight: number;
}

/** Updates of several sites at a precision, with extremes as likely as anything between. */
const round = fc
  .record({
    precisionBits: fc.integer({ min: 8, max: 32 }),
    length: fc.integer({ min: 1, max: 12 }),
    sites: fc.integer({ min: 1, max: 6 }),
  })
  .chain(({ precisionBits, length, sites }) => {
    const limit = coordinateLimit(precisionBits);
    const coordinate = fc.oneof(
      fc.constant(limit),
      fc.constant(-limit),
      fc.integer({ min: -Math.min(limit, 2 ** 31 - 1), max: limit }),
    );
    const heaviest = Math.floor(Number.MAX_SAFE_INTEGER / limit / sites);
    const weight = fc.oneof(
      fc.constant(heaviest),
      fc.maxSafeNat().map((n) => 1 + (n % heaviest)),
    );
    const update = fc.record({
      weight,
      coordinates: fc.array(coordinate, { minLength: length, maxLength: length }),
      cuts: fc.array(fc.integer({ min: 0, max: length }), { maxLength: 4 }),
    });
    return fc.record({
      precisionBits: fc.constant(precisionBits),
      length: fc.constant(length),
      updates: fc.array(update, { minLength: sites, maxLength: sites }),
      order: fc.infiniteStream(fc.nat()),
    });
  });

function cut(coordinates: readonly number[], cuts: readonly number[], weight: number): Arrival[] {
  const edges = [0, ...[...cuts].sort((a, b) => a - b), coordinates.length];
  return edges
    .slice(1)
    .map((end, i) => ({ offset: edges[i], coordinates: Int32Array.from(coordinates.slice(edges[i], end)), weight }));
}

describe("createExactSum", () => {
  it("equals BigInt sums in every order and cut, up to the limit of 53 bits", () => {
    fc.assert(
      fc.property(round, ({ precisionBits, length, updates, order }) => {
        const maxTotalWeight = updates.reduce((total, { weight }) => total + weight, 0);
        const exact = Array.from({ length }, (_, i) =>
          updates.reduce((sum, { weight, coordinates }) => sum + BigInt(weight) * BigInt(coordinates[i]), 0n),
        );
        const arrivals = updates.flatMap(({ coordinates, cuts, weight }) => cut(coordinates, cuts, weight));
        const shuffled = arrivals
          .map((arrival) => ({ arrival, key: order.next().value ?? 0 }))
          .sort((a, b) => a.key - b.key)
          .map(({ arrival }) => arrival);
        const sum = createExactSum(length, { precisionBits, maxTotalWeight });
        for (const { offset, coordinates, weight } of shuffled) sum.addChunk(offset, coordinates, weight);
        expect([...sum.sums].map(BigInt)).toEqual(exact);
      }),
      { numRuns: 500 },
    );
  });

  it("adds chunks where they lie in its rooms and copies of others alike, at any length and offset", () => {
    const random = createRandom("rooms");
    const length = 50_003;
    const sum = createExactSum(length, { precisionBits: 24, maxTotalWeight: 1000 });
    const wanted = new Float64Array(length);
    for (const [offset, count, room] of [
      [0, length, 0],
      [0, length, 1],
      [0, length, undefined],
      [1, 3, undefined],
      [7, 16_385, 1],
      [13, 49_990, undefined],
    ] as const) {
      const coordinates = (room === undefined ? new Int32Array(count + 1) : sum.rooms[room]).subarray(0, count);
      for (let i = 0; i < count; i++) coordinates[i] = random.integer(2 ** 24 - 1) - (2 ** 23 - 1);
      const weight = 1 + random.integer(90);
      sum.addChunk(offset, coordinates, weight);
      for (let i = 0; i < count; i++) wanted[offset + i] += weight * coordinates[i];
    }
    expect(sum.sums).toEqual(wanted);
    // A view of a room from its second element on is copied: vectors begin at multiples of their length.
    sum.rooms[0].fill(5);
    sum.addChunk(0, sum.rooms[0].subarray(1, 6), 2);
    expect([...sum.sums.subarray(0, 6)]).toEqual(
      [...wanted.subarray(0, 6)].map((value, i) => (i < 5 ? value + 10 : value)),
    );
    sum.rooms[1].fill(0)[length - 1] = 2 ** 23;
    expect(() => sum.addChunk(0, sum.rooms[1], 1)).toThrow(/update-out-of-range/);
  });

  it("has a control: one unit of weight beyond what is allowed does round", () => {
    const limit = coordinateLimit(32);
    const heaviest = Math.floor(Number.MAX_SAFE_INTEGER / limit);
    expect(Number.isSafeInteger(limit * heaviest)).toBe(true);
    expect(Number.isSafeInteger(limit * (heaviest + 1))).toBe(false);
    expect(2 ** 53 + 1).toBe(2 ** 53);
    expect(() => createExactSum(1, { precisionBits: 32, maxTotalWeight: heaviest })).not.toThrow();
    expect(() => createExactSum(1, { precisionBits: 32, maxTotalWeight: heaviest + 1 })).toThrow(
      /aggregation-overflow.*precisionBits/,
    );
  });

  it("refuses more weight than was declared, such as an update added twice", () => {
    const sum = createExactSum(2, { precisionBits: 8, maxTotalWeight: 5 });
    sum.addChunk(0, Int32Array.of(1, 2), 3);
    expect(() => sum.addChunk(0, Int32Array.of(1, 2), 3)).toThrow(/aggregation-overflow/);
    sum.addChunk(0, Int32Array.of(1, 2), 2);
    expect([...sum.sums]).toEqual([5, 10]);
    sum.clear();
    sum.addChunk(0, Int32Array.of(1, 2), 3);
    expect([...sum.sums]).toEqual([3, 6]);
  });

  it("refuses a coordinate beyond the precision and leaves the sum as it was", () => {
    const sum = createExactSum(2, { precisionBits: 8, maxTotalWeight: 5 });
    for (const bad of [128, -128, 2147483647, -2147483648]) {
      expect(() => sum.addChunk(0, Int32Array.of(1, bad), 1)).toThrow(/update-out-of-range.*127/);
    }
    expect([...sum.sums]).toEqual([0, 0]);
    sum.addChunk(0, Int32Array.of(127, -127), 1);
    expect([...sum.sums]).toEqual([127, -127]);
    const widest = createExactSum(1, { precisionBits: 32, maxTotalWeight: 1 });
    expect(() => widest.addChunk(0, Int32Array.of(-2147483648), 1)).toThrow(/update-out-of-range/);
  });

  it("refuses chunks outside the model and weights that are not positive integers", () => {
    const sum = createExactSum(3, { precisionBits: 8, maxTotalWeight: 5 });
    for (const offset of [-1, 2, 0.5, Number.NaN]) {
      expect(() => sum.addChunk(offset, Int32Array.of(1, 2), 1)).toThrow(/update-shape/);
    }
    for (const weight of [0, -1, 1.5, Number.NaN]) {
      expect(() => sum.addChunk(0, Int32Array.of(1), weight)).toThrow(/positive whole weight/);
    }
  });
});
