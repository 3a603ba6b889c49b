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
import { createMaskedSum, maskedInputBytes } from "./masked-input.ts";
import { wordBitsFor } from "./masked-words.ts";

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
  readonly stretchElements?: number;
}

const STRETCH_ELEMENTS = 1 << 18;

/** @throws ConsiliumError `update-shape`, `object-corrupt`, `aggregation-overflow`, `masking-message-invalid` */
export async function aggregateMasked(request: MaskedAggregation): Promise<AggregatedRound> {
  const { global, inputs, masks, precisionBits, sites, maxWeight, stretchElements = STRETCH_ELEMENTS } = request;
  const { layout } = global;
  const bits = wordBitsFor({ precisionBits, sites, maxWeight });
  const wordBytes = bits / 8;
  const readers = inputs.map((input) => createReader(input, maskedInputBytes(layout.length, bits)));
  const sum = createMaskedSum(masks, bits);
  const stretch = async (elements: number): Promise<Float64Array> => {
    const into = new Float64Array(elements);
    const parts: Uint8Array[] = [];
    for (const reader of readers) parts.push(await reader.next(elements * wordBytes));
    sum.stretch(parts, into);
    return into;
  };
  const totalWeight = inputs.reduce((total, { weight }) => total + weight, 0);
  const scales = updateScales(global, precisionBits);
  const data = new Float32Array(layout.length);
  for (let offsetElements = 0; offsetElements < layout.length; offsetElements += stretchElements) {
    const sums = await stretch(Math.min(stretchElements, layout.length - offsetElements));
    applySum({ global, scales, sums, offsetElements, totalWeight }, data);
  }
  const [maskedWeight] = await stretch(1);
  for (const reader of readers) reader.finish();
  if (maskedWeight !== totalWeight) {
    throw new ConsiliumError("masking-message-invalid", {
      subject: "weights of a masked round",
      expected: `${totalWeight}, the sum of what sites told`,
      actual: `${maskedWeight} under the masks`,
      hint: "A site masked with another weight than it told, or the masks do not cancel: no model was made.",
    });
  }
  const shares = inputs.map(({ siteId, weight }) => ({ siteId, weight, share: weight / totalWeight }));
  return { parameters: { layout, data }, totalWeight, shares };
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
      const stretch = new Uint8Array(length);
      let filled = 0;
      for await (const chunk of input.chunks(position, position + length)) {
        if (filled + chunk.length > length) throw wrongLength(input, length, filled + chunk.length);
        stretch.set(chunk, filled);
        filled += chunk.length;
      }
      if (filled !== length) throw wrongLength(input, length, filled);
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

function wrongLength({ siteId }: UpdateSource, expected: number, actual: number): ConsiliumError {
  return new ConsiliumError("update-shape", {
    subject: `masked input of site ${siteId}`,
    expected: `${expected} bytes`,
    actual: `${actual}`,
    hint: "A masked input has one word for each element of the model, and one for the site's weight.",
  });
}
