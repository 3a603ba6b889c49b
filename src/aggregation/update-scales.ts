/**
 * How finely an update is written down: one power-of-two step per tensor.
 *
 * Integers can only be added when all sites count in the same units, and when masks hide single updates nobody can
 * look at them to choose those units. So they are derived from what every site holds before it starts: the round's
 * global model and the study's precision.
 *
 *   range = the smallest power of two >= max(largest |w| of the tensor, RANGE_FLOOR)
 *   step  = range / 2^(precisionBits - 1)
 *
 * A coordinate k in [-(2^(precisionBits - 1) - 1), 2^(precisionBits - 1) - 1] stands for the change k * step.
 *
 * The floor serves tensors that are zero or small (fresh biases, deep convolutions): what a round moves there
 * depends on learning rate and steps, not on the weights' size. Forty steps of SGD at 0.03 moved a fresh bias by 1.6,
 * and clipping three such coordinates spoilt the mean by 15 %, while a floor ten times that far costs 0.04 % in
 * rounding at 24 bits: docs/adr/0001-exact-sums.md.
 *
 * Invariant: only comparisons and doublings, so that every machine gets the same scales.
 */
import { ConsiliumError } from "../base/index.ts";
import { type ParameterEntry, type Parameters, parameterView } from "../graph/index.ts";
import { quantiseKernel } from "./quantise-kernel.ts";

/** The smallest range of a tensor: no coordinate that moves by less in a round is clipped. */
const RANGE_FLOOR = 16;

/** The largest magnitude of a coordinate: symmetric, so that negation never leaves the range. */
export function coordinateLimit(precisionBits: number): number {
  return 2 ** (precisionBits - 1) - 1;
}

/**
 * One step per tensor, in the layout's order.
 * @param precisionBits bits of one coordinate, sign included: 8 to 32.
 * @throws ConsiliumError `update-not-finite` where the global model has a NaN or an infinity.
 */
export function updateScales(global: Parameters, precisionBits: number): Float64Array {
  return Float64Array.from(global.layout.entries, (entry) => {
    const largest = largestMagnitude(parameterView(global, entry), entry);
    return powerOfTwoAtLeast(Math.max(largest, RANGE_FLOOR)) / 2 ** (precisionBits - 1);
  });
}

function largestMagnitude(values: Float32Array, entry: ParameterEntry): number {
  const largest = quantiseKernel().largestMagnitude(values);
  if (Number.isFinite(largest)) return largest;
  throw new ConsiliumError("update-not-finite", {
    subject: `global model, tensor ${entry.name}`,
    expected: "finite numbers",
    actual: "NaN or an infinity",
    hint: "Start the study from sound weights: see `initial` in the study file.",
  });
}

function powerOfTwoAtLeast(value: number): number {
  let power = 1;
  while (power < value) power *= 2;
  while (power / 2 >= value) power /= 2;
  return power;
}
