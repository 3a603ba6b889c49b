import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../base/index.ts";
import { type Parameters, parameterLayout } from "../graph/index.ts";
import { quantiseUpdate } from "./quantise-update.ts";
import { encodeUpdate } from "./update-encoding.ts";
import { coordinateLimit, updateScales } from "./update-scales.ts";

function model(tensors: Record<string, readonly number[]>): Parameters {
  const layout = parameterLayout(new Map(Object.entries(tensors).map(([name, values]) => [name, [values.length]])));
  return { layout, data: Float32Array.from(layout.entries.flatMap(({ name }) => tensors[name])) };
}

describe("updateScales", () => {
  it("takes the power of two at or above the largest weight, and no less than the floor", () => {
    const scales = updateScales(model({ bias: [0, 0], gamma: [1, 1], large: [-50, 3], edge: [64], empty: [] }), 24);
    // Names sorted: bias, edge, empty, gamma, large.
    expect([...scales].map((scale) => scale * 2 ** 23)).toEqual([16, 64, 16, 16, 64]);
  });

  it("divides the range by half the number of coordinates", () => {
    expect([...updateScales(model({ w: [1] }), 8)]).toEqual([16 / 128]);
    expect([...updateScales(model({ w: [1] }), 32)]).toEqual([16 / 2 ** 31]);
    expect(coordinateLimit(8)).toBe(127);
    expect(coordinateLimit(32)).toBe(2147483647);
  });

  it("is a power of two between the weight and its double for every finite weight", () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (weight) => {
        const [scale] = updateScales(model({ w: [weight] }), 16);
        const range = scale * 2 ** 15;
        expect(Math.log2(range) % 1).toBe(0);
        expect(range).toBeGreaterThanOrEqual(Math.abs(weight));
        expect(range === 16 || range < 2 * Math.abs(weight)).toBe(true);
      }),
    );
  });

  it("refuses a global model that is not finite", () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      expect(() => updateScales(model({ ok: [1], w: [1, bad] }), 24)).toThrow(/update-not-finite.*tensor w/);
    }
  });
});

describe("quantiseUpdate", () => {
  const global = model({ w: [0, 0, 0, 0, 0, 0, 0] });
  const step = 1 / 128;
  const scales = Float64Array.of(step);

  it("rounds half to even", () => {
    const local = model({ w: [0.5, 1.5, 2.5, -0.5, -1.5, 0.51, -2.49].map((steps) => steps * step) });
    const { coordinates, clipped } = quantiseUpdate(global, local, scales, 8);
    expect([...coordinates]).toEqual([0, 2, 2, 0, -2, 1, -2]);
    expect(clipped).toBe(0);
  });

  it("clips symmetrically and counts what it clipped", () => {
    const local = model({ w: [127, 127.4, 127.6, -127, -128, 1e30, -3e38].map((steps) => steps * step) });
    const { coordinates, clipped } = quantiseUpdate(global, local, scales, 8);
    expect([...coordinates]).toEqual([127, 127, 127, -127, -127, 127, -127]);
    expect(clipped).toBe(4);
  });

  it("is within half a step of the change, at every precision", () => {
    const weights = fc.array(fc.float({ min: -4, max: 4, noNaN: true }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(
        weights.chain((from) =>
          fc.tuple(
            fc.constant(from),
            fc.array(fc.float({ min: -4, max: 4, noNaN: true }), {
              minLength: from.length,
              maxLength: from.length,
            }),
          ),
        ),
        fc.integer({ min: 8, max: 32 }),
        ([from, to], precisionBits) => {
          const [before, after] = [model({ w: from }), model({ w: to })];
          const scales = updateScales(before, precisionBits);
          const { coordinates, clipped } = quantiseUpdate(before, after, scales, precisionBits);
          expect(clipped).toBe(0);
          coordinates.forEach((coordinate, i) => {
            expect(Math.abs(coordinate * scales[0] - (after.data[i] - before.data[i]))).toBeLessThanOrEqual(
              scales[0] / 2,
            );
          });
        },
      ),
    );
  });

  it("is the rounding of each element alone, over many blocks, and may take the local model's place", () => {
    const random = createRandom("blocks");
    const lengths = { a: 3, b: 50_001, c: 16_384, d: 40_002 };
    const spread = (): Parameters =>
      model(
        Object.fromEntries(
          Object.entries(lengths).map(([name, n]) => [name, Array.from({ length: n }, () => random.normal())]),
        ),
      );
    const [before, after] = [spread(), spread()];
    // One tensor of another scale; of two blocks some elements do not fit, and of one some lie midway between two steps.
    const { entries } = before.layout;
    const scales = Float64Array.of(2 ** -20, 2 ** -18, 2 ** -20, 2 ** -3);
    for (const i of [0, 1, 30_000]) after.data[entries[1].offset + i] = 64 * (i + 1);
    for (let i = 0; i < 4; i++) {
      before.data[entries[3].offset + i] = 0;
      after.data[entries[3].offset + i] = (i + 0.5) / 8;
    }
    const wanted = entries.flatMap(({ offset, length }, t) =>
      Array.from({ length }, (_, i) => {
        const steps = (after.data[offset + i] - before.data[offset + i]) / scales[t];
        const near = Math.round(steps);
        const even = Math.abs(steps % 1) === 0.5 && near % 2 !== 0 ? near - 1 : near;
        return Math.max(-(2 ** 23 - 1), Math.min(2 ** 23 - 1, even)) + 0;
      }),
    );
    const apart = quantiseUpdate(before, after, scales, 24);
    expect(apart.clipped).toBe(3);
    expect([...apart.coordinates]).toEqual(wanted);
    const { buffer, byteOffset, length } = after.data;
    const inPlace = new Int32Array(buffer, byteOffset, length);
    expect(quantiseUpdate(before, after, scales, 24, undefined, inPlace)).toEqual(apart);
    expect(new Int32Array(after.data.buffer)).toEqual(apart.coordinates);
  });

  it("finds the largest weight wherever it stands, and what is no number", () => {
    const values = Array.from({ length: 40_003 }, (_, i) => ((i % 31) - 15) / 16);
    for (const at of [0, 1, 16_383, 16_384, 40_002]) {
      for (const sign of [1, -1]) {
        const scale = updateScales(model({ w: values.with(at, sign * 100) }), 24)[0];
        expect(scale).toBe(128 / 2 ** 23);
      }
      expect(() => updateScales(model({ w: values.with(at, Number.NaN) }), 24)).toThrow(/update-not-finite/);
    }
  });

  it("refuses NaN and infinities, naming the tensor and the element", () => {
    const whole = model({ a: [1, 2], b: [3, 4] });
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const local = model({ a: [1, 2], b: [3, bad] });
      expect(() => quantiseUpdate(whole, local, updateScales(whole, 24), 24)).toThrow(
        /update-not-finite.*tensor b, element 1/,
      );
    }
  });

  it("refuses another layout: names, shapes, length", () => {
    const scale = Float64Array.of(step, step);
    const refused = (local: Parameters): void =>
      expect(() => quantiseUpdate(model({ a: [1], b: [2] }), local, scale, 8)).toThrow(/update-shape/);
    refused(model({ a: [1], c: [2] }));
    refused(model({ a: [1, 2], b: [3] }));
    refused(model({ a: [1] }));
    refused({ ...model({ a: [1], b: [2] }), data: new Float32Array(3) });
  });

  it("travels as int32 little-endian and nothing else", () => {
    expect([...encodeUpdate(Int32Array.of(1, -2))]).toEqual([1, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff]);
    expect([...encodeUpdate(Int32Array.of(9, 7).subarray(1))]).toEqual([7, 0, 0, 0]);
  });
});
