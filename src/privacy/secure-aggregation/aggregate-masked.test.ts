import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  aggregateRound,
  encodeUpdate,
  quantiseUpdate,
  type UpdateSource,
  updateScales,
} from "../../aggregation/index.ts";
import { createRandom, sha256 } from "../../base/index.ts";
import { type Parameters, parameterLayout, parametersSha256 } from "../../graph/index.ts";
import { aggregateMasked } from "./aggregate-masked.ts";
import type { MaskTerm } from "./mask-stream.ts";
import { createMaskedInput, maskedInputBytes, maskFigures } from "./masked-input.ts";
import { decodeFigures, encodeFigures, figureWords, NO_FIGURES, type SummedFigures } from "./summed-figures.ts";

const BITS = 24;
const SITES = 3;
const MAX_WEIGHT = 100_000;
const layout = parameterLayout(
  new Map([
    ["w", [7, 9]],
    ["b", [10]],
  ]),
);

function model(seed: number, around?: Parameters): Parameters {
  const random = createRandom(seed, "masked model");
  return {
    layout,
    data: Float32Array.from({ length: layout.length }, (_, i) => (around?.data[i] ?? 0) + 0.1 * random.normal()),
  };
}

const global = model(1);
const weights = [3, 40, 7];
const updates = weights.map(
  (_, i) => quantiseUpdate(global, model(10 + i, global), updateScales(global, BITS), BITS).coordinates,
);
const masks = weights.map(
  (): MaskTerm => ({ seed: { kind: "maskSeed", bytes: new Uint8Array(randomBytes(32)) }, sign: 1 }),
);
const undo = masks.map(({ seed }): MaskTerm => ({ seed, sign: -1 }));

function sourceOf(bytes: Uint8Array, siteId: string, weight: number): UpdateSource {
  return {
    siteId,
    weight,
    bytes: bytes.length,
    sha256: sha256(bytes),
    async read(start, into) {
      const piece = bytes.subarray(start, start + into.length);
      into.set(piece);
      return piece.length;
    },
  };
}

function maskedInputs(told: readonly number[] = weights): UpdateSource[] {
  return updates.map((coordinates, i) => {
    const input = createMaskedInput([masks[i]], { weight: weights[i], maxWeight: MAX_WEIGHT, bits: 64 });
    const body = Uint8Array.from(input.stretch(coordinates));
    return sourceOf(new Uint8Array(Buffer.concat([body, input.end()])), `s${i}`, told[i]);
  });
}

const request = { global, precisionBits: BITS, sites: SITES, maxWeight: MAX_WEIGHT };

describe("aggregateMasked", () => {
  it("gives the bits of the plain round, at every stretch, with the same weights and shares", async () => {
    const plain = await aggregateRound({
      global,
      precisionBits: BITS,
      updates: updates.map((coordinates, i) => sourceOf(encodeUpdate(coordinates), `s${i}`, weights[i])),
    });
    for (const stretchElements of [1, 5, 72, 73, 1000]) {
      const masked = await aggregateMasked({ ...request, inputs: maskedInputs(), masks: undo, stretchElements });
      expect(parametersSha256(masked.parameters)).toBe(parametersSha256(plain.parameters));
      expect(masked.shares).toEqual(plain.shares);
      expect(masked.totalWeight).toBe(50);
    }
  });

  it("sums figures behind the model, and weights that nobody tells, to the same model", async () => {
    const regions = ["WT", "ET"];
    const own = weights.map((_, i): SummedFigures => {
      const sums = { diceSum: 0.7 * (i + 1), diceCases: i + 1, hd95Sum: 3.25 * i, hd95Cases: i };
      return { ...NO_FIGURES, trainingCases: weights[i], lossSum: -0.5 + i, lossSteps: 4, regions: { WT: sums } };
    });
    const plain = await aggregateMasked({ ...request, inputs: maskedInputs(), masks: undo });
    const inputs = updates.map((coordinates, i) => {
      const input = createMaskedInput([masks[i]], { weight: weights[i], maxWeight: MAX_WEIGHT, bits: 64 });
      const body = Buffer.concat([Uint8Array.from(input.stretch(coordinates)), Uint8Array.from(input.end())]);
      const place = { coordinates: coordinates.length, bits: 64 } as const;
      const words = maskFigures([masks[i]], encodeFigures(regions, own[i]), place);
      const bytes = new Uint8Array(maskedInputBytes(coordinates.length, 64, words.length / 8));
      bytes.set(body);
      bytes.set(words, bytes.length - words.length);
      return sourceOf(bytes, `s${i}`, 1);
    });
    const figures = figureWords(regions.length);
    const summed = await aggregateMasked({
      ...request,
      inputs,
      masks: undo,
      figures,
      areWeightsTold: false,
      stretchElements: 5,
    });
    expect(parametersSha256(summed.parameters)).toBe(parametersSha256(plain.parameters));
    expect([summed.totalWeight, summed.shares]).toEqual([50, []]);
    const told = decodeFigures([...regions].reverse(), summed.figures);
    expect(told).toMatchObject({ trainingCases: 50, lossSum: 1.5, lossSteps: 12 });
    expect(told.regions.WT).toMatchObject({ diceCases: 6, hd95Sum: 9.75, hd95Cases: 3 });
    expect(told.regions.WT.diceSum).toBeCloseTo(4.2, 6);
    expect(told.regions.ET).toEqual({ diceSum: 0, diceCases: 0, hd95Sum: 0, hd95Cases: 0 });
    const left = aggregateMasked({ ...request, inputs, masks: undo.slice(1), figures, areWeightsTold: false });
    await expect(left).rejects.toThrow(/masking-message-invalid/);
  });

  it("makes no model where a mask is left on, a site told another weight, or an input changed or is cut", async () => {
    const inputs = maskedInputs();
    await expect(aggregateMasked({ ...request, inputs, masks: undo.slice(1) })).rejects.toThrow(
      /masking-message-invalid/,
    );
    await expect(aggregateMasked({ ...request, inputs: maskedInputs([3, 41, 7]), masks: undo })).rejects.toThrow(
      /masking-message-invalid.*51/,
    );
    const changed = [{ ...inputs[0], sha256: sha256("another") }, ...inputs.slice(1)];
    await expect(aggregateMasked({ ...request, inputs: changed, masks: undo })).rejects.toThrow(/object-corrupt.*s0/);
    const short = [{ ...inputs[0], bytes: inputs[0].bytes - 8 }, ...inputs.slice(1)];
    await expect(aggregateMasked({ ...request, inputs: short, masks: undo })).rejects.toThrow(/update-shape.*s0/);
    const empty = [{ ...inputs[0], read: async () => 0 }, ...inputs.slice(1)];
    await expect(aggregateMasked({ ...request, inputs: empty, masks: undo })).rejects.toThrow(/update-shape.*s0/);
  });
});
