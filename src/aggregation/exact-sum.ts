/**
 * Weighted sums of integer updates without rounding, and the new global model from them.
 *
 * Proof that sums are exact. Coordinates are integers of magnitude at most L = 2^(precisionBits - 1) - 1 (checked on
 * every chunk), weights are positive integers that sum to at most W over the updates covering an element (declared,
 * and refused where more is added), and L * W <= 2^53 - 1 (checked at creation). Every product and every partial sum
 * is then an integer of magnitude below 2^53, which float64 holds exactly; IEEE 754 addition of two numbers whose sum
 * is representable returns that sum; and integer addition does not depend on order. So the result is the same bits
 * for any order of arrival and any cut into chunks, and the same as modular integer arithmetic gives.
 *
 * Float64Array rather than BigInt64Array: 53 bits suffice, the quotient needs float64 anyway, and vector instructions
 * have it (`sum-kernel.ts`).
 */
import { ConsiliumError, invariant } from "../base/index.ts";
import type { Parameters } from "../graph/index.ts";
import { createSumKernel } from "./sum-kernel.ts";
import { coordinateLimit } from "./update-scales.ts";

export interface ExactSum {
  /** Exact integers; owned by the sum, overwritten by `addChunk` and `clear`. */
  readonly sums: Float64Array;
  /** Two places for a chunk, each as long as the sum: what is put there is added without being copied. Owned by the sum. */
  readonly rooms: readonly [Int32Array, Int32Array];
  /**
   * Adds weight * coordinates at an offset in elements. Each update may cover an element once. A refused chunk leaves
   * the sum as it was.
   *
   * @throws ConsiliumError `update-shape` outside the sum, `update-out-of-range` for a coordinate beyond the declared
   *   precision, `aggregation-overflow` where more weight comes than was declared.
   */
  addChunk(offsetElements: number, coordinates: Int32Array, weight: number): void;
  /** Back to zero, for the next stretch of the model. */
  clear(): void;
}

export interface ExactSumLimits {
  readonly precisionBits: number;
  /** The sum of the weights of all updates that will be added. */
  readonly maxTotalWeight: number;
}

/** The most that updates of a round may weigh together. */
export function largestTotalWeight(precisionBits: number): number {
  return Math.floor(Number.MAX_SAFE_INTEGER / coordinateLimit(precisionBits));
}

/** @throws ConsiliumError `aggregation-overflow` where the declared bits and weight do not fit 53 bits. */
export function createExactSum(length: number, { precisionBits, maxTotalWeight }: ExactSumLimits): ExactSum {
  const limit = coordinateLimit(precisionBits);
  const most = largestTotalWeight(precisionBits);
  if (!Number.isSafeInteger(maxTotalWeight) || maxTotalWeight < 1 || maxTotalWeight > most) {
    throw new ConsiliumError("aggregation-overflow", {
      subject: `sum of updates of ${precisionBits} bits`,
      expected: `a total weight from 1 to ${most}, which 53 bits hold exactly`,
      actual: `a total weight of ${maxTotalWeight}`,
      hint: "Lower aggregation.precisionBits, or weigh sites equally (aggregation.weightBy: equal).",
    });
  }
  const kernel = createSumKernel(length);
  const { sums, rooms } = kernel;
  /** Sum over elements of the weight that covers them. */
  let covered = 0;
  return {
    sums,
    rooms,
    addChunk(offsetElements, coordinates, weight) {
      if (!Number.isSafeInteger(offsetElements) || offsetElements < 0 || offsetElements + coordinates.length > length) {
        throw new ConsiliumError("update-shape", {
          subject: "chunk of an update",
          expected: `elements within 0 to ${length}`,
          actual: `${coordinates.length} elements from ${offsetElements}`,
          hint: "Send the update of this round's model.",
        });
      }
      invariant(Number.isSafeInteger(weight) && weight >= 1, "a positive whole weight");
      if (covered + weight * coordinates.length > maxTotalWeight * length) throw overweight(maxTotalWeight);
      if (!kernel.areWithin(coordinates, limit)) checkCoordinates(coordinates, limit);
      covered += weight * coordinates.length;
      kernel.add(offsetElements, coordinates, weight);
    },
    clear() {
      sums.fill(0);
      covered = 0;
    },
  };
}

/** @throws ConsiliumError `update-out-of-range` for the first coordinate whose magnitude is above the limit. */
export function checkCoordinates(coordinates: Int32Array, limit: number): void {
  let lowest = 0;
  let highest = 0;
  for (let i = 0; i < coordinates.length; i++) {
    const coordinate = coordinates[i];
    if (coordinate < lowest) lowest = coordinate;
    if (coordinate > highest) highest = coordinate;
  }
  if (lowest >= -limit && highest <= limit) return;
  throw new ConsiliumError("update-out-of-range", {
    subject: "coordinate of an update",
    expected: `a magnitude of at most ${limit}`,
    actual: String(highest > limit ? highest : lowest),
    hint: "Quantise the update with the study's aggregation.precisionBits.",
  });
}

function overweight(maxTotalWeight: number): ConsiliumError {
  return new ConsiliumError("aggregation-overflow", {
    subject: "sum of updates",
    expected: `updates of a total weight of ${maxTotalWeight}, as declared`,
    actual: "more",
    hint: "Add each update once, and declare the weight of all of them first.",
  });
}

export interface SumApplication {
  readonly global: Parameters;
  /** From `updateScales(global, precisionBits)`. */
  readonly scales: Float64Array;
  /** Sums of the elements from `offsetElements` of the layout on. */
  readonly sums: Float64Array;
  readonly offsetElements: number;
  readonly totalWeight: number;
}

/**
 * new = global + scale * (sum / totalWeight), written at the same elements of `into`.
 *
 * One correctly rounded float64 quotient, an exact product by a power of two, one float64 addition and one rounding
 * to float32 per element: IEEE 754 leaves no freedom, so the bits depend on the inputs alone.
 */
export function applySum(
  { global, scales, sums, offsetElements, totalWeight }: SumApplication,
  into: Float32Array,
): void {
  const end = offsetElements + sums.length;
  global.layout.entries.forEach((entry, t) => {
    const scale = scales[t];
    const from = Math.max(entry.offset, offsetElements);
    const to = Math.min(entry.offset + entry.length, end);
    for (let i = from; i < to; i++) {
      into[i] = global.data[i] + scale * (sums[i - offsetElements] / totalWeight);
    }
  });
}
