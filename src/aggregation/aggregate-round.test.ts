import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom, sha256 } from "../base/index.ts";
import { type Parameters, parameterLayout, parametersSha256 } from "../graph/index.ts";
import { type AggregationRequest, aggregateRound } from "./aggregate-round.ts";
import { quantiseUpdate } from "./quantise-update.ts";
import { encodeUpdate } from "./update-encoding.ts";
import { checkUpdate, type UpdateSource } from "./update-reader.ts";
import { coordinateLimit, updateScales } from "./update-scales.ts";

const BITS = 24;
const layout = parameterLayout(
  new Map([
    ["conv.weight", [4, 3, 3]],
    ["conv.bias", [4]],
    ["norm.weight", [5]],
  ]),
);

function randomModel(seed: number, spread: number, around?: Parameters): Parameters {
  const random = createRandom(seed, "model");
  return {
    layout,
    data: Float32Array.from({ length: layout.length }, (_, i) => {
      return (around?.data[i] ?? 0) + spread * random.normal();
    }),
  };
}

function sourceOf(bytes: Uint8Array, facts: Partial<UpdateSource> & { siteId: string }): UpdateSource {
  return {
    weight: 1,
    bytes: bytes.length,
    sha256: sha256(bytes),
    async read(start, into) {
      const piece = bytes.subarray(start, start + into.length);
      into.set(piece);
      return piece.length;
    },
    ...facts,
  };
}

function updateOf(global: Parameters, local: Parameters, bits = BITS): Uint8Array {
  return encodeUpdate(quantiseUpdate(global, local, updateScales(global, bits), bits).coordinates);
}

const global = randomModel(1, 0.3);
const updates = [3, 40, 7].map((weight, i) =>
  sourceOf(updateOf(global, randomModel(10 + i, 0.05, global)), { siteId: `site-${i}`, weight }),
);
const request = { global, updates, precisionBits: BITS };

describe("aggregateRound", () => {
  it("is the weighted mean of the sites' models to half a step and the rounding to float32", async () => {
    const round = fc.record({
      seed: fc.nat(),
      weights: fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 8 }),
      precisionBits: fc.integer({ min: 12, max: 30 }),
    });
    await fc.assert(
      fc.asyncProperty(round, async ({ seed, weights, precisionBits }) => {
        const before = randomModel(seed, 0.3);
        const scales = updateScales(before, precisionBits);
        const locals = weights.map((_, i) => randomModel(seed + 1 + i, 0.05, before));
        const { parameters } = await aggregateRound({
          global: before,
          precisionBits,
          updates: weights.map((weight, i) =>
            sourceOf(updateOf(before, locals[i], precisionBits), { siteId: `s${i}`, weight }),
          ),
        });
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        layout.entries.forEach((entry, t) => {
          for (let i = entry.offset; i < entry.offset + entry.length; i++) {
            const mean = weights.reduce((sum, weight, site) => sum + weight * locals[site].data[i], 0) / total;
            const float32Step = 2 ** -24 * Math.max(Math.abs(mean), 2 ** -100);
            const bound = scales[t] / 2 + float32Step + 1e-12;
            expect(Math.abs(parameters.data[i] - mean)).toBeLessThanOrEqual(bound);
          }
        });
      }),
      { numRuns: 60 },
    );
  });

  it("gives the same bits for every order and stretch", async () => {
    const digestOf = async (variant: AggregationRequest): Promise<string> =>
      parametersSha256((await aggregateRound(variant)).parameters);
    const digest = await digestOf(request);
    for (const stretchElements of [1, 2, 5, 44, 45, 46, 1000]) {
      const reversed = { ...request, updates: [...updates].reverse(), stretchElements };
      expect(await digestOf(reversed)).toBe(digest);
    }
  });

  it("has a control: plain float32 averaging does depend on the order of sites", () => {
    const locals = Array.from({ length: 9 }, (_, i) => randomModel(30 + i, 0.05, global));
    const mean = (models: readonly Parameters[]): string => {
      const data = new Float32Array(layout.length);
      for (const model of models) for (let i = 0; i < data.length; i++) data[i] += model.data[i] / 9;
      return parametersSha256({ layout, data });
    };
    expect(mean(locals)).not.toBe(mean([...locals].reverse()));
  });

  it("says what each site counted for, and leaves the global model alone", async () => {
    const before = parametersSha256(global);
    const round = await aggregateRound(request);
    expect(round.totalWeight).toBe(50);
    expect(round.shares).toEqual([
      { siteId: "site-0", weight: 3, share: 0.06 },
      { siteId: "site-1", weight: 40, share: 0.8 },
      { siteId: "site-2", weight: 7, share: 0.14 },
    ]);
    expect(parametersSha256(round.parameters)).not.toBe(before);
    expect(parametersSha256(global)).toBe(before);
  });

  it("gives back a lone site's model exactly where its change is a whole number of steps", async () => {
    const random = createRandom("steps");
    const onGrid = (): Parameters => ({
      layout,
      data: Float32Array.from({ length: layout.length }, () => (random.integer(4001) - 2000) / 4096),
    });
    const [before, after] = [onGrid(), onGrid()];
    const updates = [sourceOf(updateOf(before, after), { siteId: "a", weight: 17 })];
    const round = await aggregateRound({ global: before, updates, precisionBits: BITS });
    expect(parametersSha256(round.parameters)).toBe(parametersSha256(after));
  });

  const bytes = updateOf(global, randomModel(10, 0.05, global));

  it("refuses an update of another length, and a store that hands out too little", async () => {
    const refused = (source: UpdateSource): Promise<void> =>
      expect(aggregateRound({ ...request, updates: [source, updates[1]] })).rejects.toThrow(/update-shape.*site x/);
    await refused(sourceOf(bytes.slice(4), { siteId: "x" }));
    await refused(sourceOf(bytes.slice(0, -1), { siteId: "x" }));
    await refused(sourceOf(bytes.slice(4), { siteId: "x", bytes: bytes.length }));
  });

  it("refuses an update that changed in the store", async () => {
    const damaged = bytes.slice();
    damaged[17] ^= 1;
    const source = sourceOf(damaged, { siteId: "x", sha256: sha256(bytes) });
    await expect(aggregateRound({ ...request, updates: [source] })).rejects.toThrow(/object-corrupt.*site x/);
    await expect(checkUpdate(source, { layoutLength: layout.length, precisionBits: BITS })).rejects.toThrow(
      /object-corrupt/,
    );
  });

  it("refuses a round without updates, a site counted twice, a weight of zero and too much weight", async () => {
    const round = (list: readonly UpdateSource[]): Promise<unknown> => aggregateRound({ ...request, updates: list });
    await expect(round([])).rejects.toThrow(/quorum-not-reached/);
    await expect(round([updates[0], updates[0]])).rejects.toThrow(/message-invalid.*site-0.*second update/);
    await expect(round([{ ...updates[0], weight: 0 }])).rejects.toThrow(/message-invalid.*weight of 0/);
    await expect(round([{ ...updates[0], weight: 0.5 }])).rejects.toThrow(/message-invalid.*weight of 0.5/);
    await expect(round([{ ...updates[0], weight: 2 ** 31 }])).rejects.toThrow(/aggregation-overflow/);
  });

  it("passes on the failure of a store, for the first update and for a later one", async () => {
    const broken: UpdateSource = {
      ...updates[0],
      siteId: "x",
      read: () => Promise.reject(new Error("disk gone")),
    };
    await expect(aggregateRound({ ...request, updates: [broken, ...updates] })).rejects.toThrow("disk gone");
    await expect(aggregateRound({ ...request, updates: [...updates, broken] })).rejects.toThrow("disk gone");
  });
});

describe("checkUpdate", () => {
  it("accepts an update up to the limit, and nothing beyond it", async () => {
    const limit = coordinateLimit(8);
    const coordinates = new Int32Array(layout.length);
    coordinates.set([limit, -limit, limit - 1], 3);
    const facts = { layoutLength: layout.length, precisionBits: 8 };
    await checkUpdate(sourceOf(encodeUpdate(coordinates), { siteId: "x" }), facts);
    coordinates[40] = limit + 1;
    await expect(checkUpdate(sourceOf(encodeUpdate(coordinates), { siteId: "x" }), facts)).rejects.toThrow(
      /update-out-of-range/,
    );
    await expect(checkUpdate(updates[0], { layoutLength: 7, precisionBits: BITS })).rejects.toThrow(/update-shape/);
  });
});
