/**
 * The new global model from masked inputs: summed stretch by stretch, the masks that remain taken off the sum, and
 * applied as in the plain round (`aggregateRound`), so that the same updates give the same bits.
 *
 * Invariant: memory is the old model, the new one and a few stretches, whatever the number of sites.
 */
import { createHash, type Hash } from "node:crypto";
import { type AggregatedRound, applySum, type UpdateSource, updateScales } from "../../aggregation/index.ts";
import { ConsiliumError } from "../../base/index.ts";
import type { Parameters } from "../../graph/index.ts";
import type { MaskTerm } from "./mask-stream.ts";
import { createFiguresSum, createMaskedSum, figuresOffsetBytes, maskedInputBytes } from "./masked-input.ts";
import { type WordBits, wordBitsFor } from "./masked-words.ts";

export interface MaskedAggregation {
  readonly global: Parameters;
  /** One for each survivor, with the weight that it told: the masked weights must sum to the same. */
  readonly inputs: readonly UpdateSource[];
  /** From `openMasks`. */
  readonly masks: readonly MaskTerm[];
  readonly precisionBits: number;
  /** Sites of the roster and the most that one may weigh: what the words were laid out for. */
  readonly sites: number;
  readonly maxWeight: number;
  /** Words of figures behind each input. */
  readonly figures?: number;
  /** Where weights are told by nobody, their sum is what the masks give. */
  readonly areWeightsTold?: boolean;
  /** One step for every tensor, instead of those that follow from the global model. */
  readonly stepSize?: number | undefined;
  readonly stretchElements?: number;
}

export interface MaskedRoundSum extends AggregatedRound {
  /** Sums of the figures, in their order; empty where there are none. */
  readonly figures: Float64Array;
}

const STRETCH_ELEMENTS = 1 << 18;

/** @throws ConsiliumError `update-shape`, `object-corrupt`, `aggregation-overflow`, `masking-message-invalid` */
export async function aggregateMasked(request: MaskedAggregation): Promise<MaskedRoundSum> {
  const { global, inputs, masks, precisionBits, sites, maxWeight, stretchElements = STRETCH_ELEMENTS } = request;
  const { figures: figureCount = 0, areWeightsTold = true, stepSize } = request;
  const { layout } = global;
  const bits = wordBitsFor({ precisionBits, sites, maxWeight });
  const wordBytes = bits / 8;
  const wantedBytes = maskedInputBytes(layout.length, bits, figureCount);
  const readers = inputs.map((input) => createReader(input, wantedBytes));
  const sum = createMaskedSum(masks, bits);
  const stretch = async (elements: number): Promise<Float64Array> => {
    const into = new Float64Array(elements);
    const parts: Uint8Array[] = [];
    for (const reader of readers) parts.push(await reader.next(elements * wordBytes));
    sum.stretch(parts, into);
    return into;
  };
  const toldWeight = inputs.reduce((total, { weight }) => total + weight, 0);
  const totalWeight = areWeightsTold
    ? toldWeight
    : await sumOfWeights(request, { coordinates: layout.length, bits, wantedBytes });
  const scales =
    stepSize === undefined
      ? updateScales(global, precisionBits)
      : new Float64Array(layout.entries.length).fill(stepSize);
  const data = new Float32Array(layout.length);
  for (let offsetElements = 0; offsetElements < layout.length; offsetElements += stretchElements) {
    const sums = await stretch(Math.min(stretchElements, layout.length - offsetElements));
    applySum({ global, scales, sums, offsetElements, totalWeight }, data);
  }
  const [maskedWeight] = await stretch(1);
  const figures = await readFigures(readers, masks, { coordinates: layout.length, bits, figures: figureCount });
  for (const reader of readers) reader.finish();
  if (maskedWeight !== totalWeight) throw otherWeights(totalWeight, maskedWeight);
  const shares = areWeightsTold
    ? inputs.map(({ siteId, weight }) => ({ siteId, weight, share: weight / totalWeight }))
    : [];
  return { parameters: { layout, data }, totalWeight, shares, figures };
}

/**
 * The figures of a round that has nothing else: inputs of a weight and figures, without a model.
 * @throws as `aggregateMasked`
 */
export async function sumMaskedFigures(
  request: Omit<MaskedAggregation, "global" | "stretchElements"> & { readonly figures: number },
): Promise<Pick<MaskedRoundSum, "totalWeight" | "figures">> {
  const { inputs, masks, precisionBits, sites, maxWeight, figures } = request;
  const bits = wordBitsFor({ precisionBits, sites, maxWeight });
  const readers = inputs.map((input) => createReader(input, maskedInputBytes(0, bits, figures)));
  const words = await Promise.all(readers.map((reader) => reader.next(bits / 8)));
  const weight = new Float64Array(1);
  createMaskedSum(masks, bits).stretch(words, weight);
  const sums = await readFigures(readers, masks, { coordinates: 0, bits, figures });
  for (const reader of readers) reader.finish();
  if (!isWeight(weight[0], inputs.length)) throw otherWeights(inputs.length, weight[0]);
  return { totalWeight: weight[0], figures: sums };
}

interface Place {
  readonly coordinates: number;
  readonly bits: WordBits;
}

/** What stands after the weight: room up to the next block, then the figures. */
async function readFigures(
  readers: readonly Reader[],
  masks: readonly MaskTerm[],
  { coordinates, bits, figures }: Place & { readonly figures: number },
): Promise<Float64Array> {
  const sums = new Float64Array(figures);
  if (figures === 0) return sums;
  const room = figuresOffsetBytes(coordinates, bits) - maskedInputBytes(coordinates, bits);
  const parts: Uint8Array[] = [];
  for (const reader of readers) {
    await reader.next(room);
    parts.push(await reader.next(8 * figures));
  }
  createFiguresSum(masks, { coordinates, bits }).stretch(parts, sums);
  return sums;
}

/** The sum of the weights, before the model is read: from the last block of words before the figures. */
async function sumOfWeights(
  { inputs, masks }: MaskedAggregation,
  { coordinates, bits, wantedBytes }: Place & { readonly wantedBytes: number },
): Promise<number> {
  const end = maskedInputBytes(coordinates, bits);
  const start = Math.floor((end - bits / 8) / 16) * 16;
  const parts: Uint8Array[] = [];
  for (const input of inputs) {
    if (input.bytes !== wantedBytes) throw wrongLength(input, wantedBytes, input.bytes);
    parts.push(await readStretch(input, start, end - start));
  }
  const sums = new Float64Array((end - start) / (bits / 8));
  createMaskedSum(masks, bits, start).stretch(parts, sums);
  const weight = sums[sums.length - 1];
  if (!isWeight(weight, inputs.length)) throw otherWeights(inputs.length, weight);
  return weight;
}

function isWeight(weight: number, sites: number): boolean {
  return Number.isSafeInteger(weight) && weight >= sites;
}

function otherWeights(expected: number, actual: number): ConsiliumError {
  return new ConsiliumError("masking-message-invalid", {
    subject: "weights of a masked round",
    expected: `${expected}, the sum of what sites told, or at least one for each where nobody tells`,
    actual: `${actual} under the masks`,
    hint: "A site masked with another weight than it told, or the masks do not cancel: no model was made.",
  });
}

interface Reader {
  next(bytes: number): Promise<Uint8Array>;
  finish(): void;
}

function createReader(input: UpdateSource, wantedBytes: number): Reader {
  if (input.bytes !== wantedBytes) throw wrongLength(input, wantedBytes, input.bytes);
  const hash: Hash | undefined = input.sha256 === undefined ? undefined : createHash("sha256");
  let position = 0;
  return {
    async next(length) {
      const stretch = await readStretch(input, position, length);
      hash?.update(stretch);
      position += length;
      return stretch;
    },
    finish() {
      const digest = hash?.digest("hex");
      if (digest === input.sha256) return;
      throw new ConsiliumError("object-corrupt", {
        subject: `masked input of site ${input.siteId}`,
        expected: `SHA-256 ${input.sha256}`,
        actual: `${digest}`,
        hint: "The stored input changed after it came in: check the disk.",
      });
    },
  };
}

async function readStretch(input: UpdateSource, position: number, length: number): Promise<Uint8Array> {
  const stretch = new Uint8Array(length);
  const filled = await input.read(position, stretch);
  if (filled !== length) throw wrongLength(input, length, filled);
  return stretch;
}

function wrongLength({ siteId }: UpdateSource, expected: number, actual: number): ConsiliumError {
  return new ConsiliumError("update-shape", {
    subject: `masked input of site ${siteId}`,
    expected: `${expected} bytes`,
    actual: `${actual}`,
    hint: "A masked input has one word for each element of the model, and one for the site's weight.",
  });
}
