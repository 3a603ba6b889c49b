/**
 * Gaussian noise for sums of clipped gradients, from a cryptographic generator.
 *
 * Floating-point noise added to floating-point data can betray the data by which numbers may come out at all (Mironov
 * 2012). So what leaves here is rounded to a grid that both are far finer than: multiples of the power of two at
 * standardDeviation 2^-20, on which every sum lands whatever the data was. Rounding after the noise is post-processing
 * and costs no privacy; rounding before it would add to the sensitivity. What is left to trust is that the float64
 * logarithm, root and cosine are right to far less than a grid step.
 *
 * Normal numbers are made by Box and Muller 1958, from 53 random bits each for radius and angle, and 53 more for the
 * radius where the first leave it in the tail: the tail ends at 12 standard deviations and not at 8.6.
 */
import { ConsiliumError } from "../../base/index.ts";
import type { RandomBytesPort } from "./discrete-gaussian.ts";

export interface CryptoRandom {
  /** A float64 in [0, 1) with 53 random bits. */
  uniform(): number;
}

const POOL_BYTES = 1 << 16;
const BYTES_PER_UNIFORM = 8;
const UNIT = 2 ** -53;

/** Uniform numbers from a cryptographic generator; what was used is wiped from memory. */
export function createCryptoRandom({ randomBytes }: RandomBytesPort): CryptoRandom {
  let pool: DataView = new DataView(new ArrayBuffer(0));
  let used = 0;
  return {
    uniform() {
      if (used + BYTES_PER_UNIFORM > pool.byteLength) {
        const bytes = randomBytes(POOL_BYTES);
        pool = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        used = 0;
      }
      const high = pool.getUint32(used) >>> 5;
      const low = pool.getUint32(used + 4) >>> 6;
      pool.setFloat64(used, 0);
      used += BYTES_PER_UNIFORM;
      return (high * 2 ** 26 + low) * UNIT;
    },
  };
}

const GRID_BITS = 20;
const TAIL_BELOW = 2 ** -33;

/** The step of the grid: a power of two, between standardDeviation 2^-21 and 2^-20. */
export function noiseGridStep(standardDeviation: number): number {
  return 2 ** (Math.floor(Math.log2(standardDeviation)) - GRID_BITS);
}

/**
 * Adds independent noise to every element in place, and rounds it to the grid.
 * @throws ConsiliumError `privacy-parameters` for a standard deviation that is not positive and finite
 */
export function addGaussianNoise(sums: Float64Array, standardDeviation: number, random: CryptoRandom): void {
  if (!(standardDeviation > 0 && Number.isFinite(standardDeviation))) {
    throw new ConsiliumError("privacy-parameters", {
      subject: "Gaussian noise",
      expected: "a positive standard deviation",
      actual: String(standardDeviation),
      hint: "Correct the study's privacy section.",
    });
  }
  const step = noiseGridStep(standardDeviation);
  // Adding zero leaves no negative zero, which would tell a sign.
  const onGrid = (value: number): number => Math.round(value / step) * step + 0;
  for (let i = 0; i < sums.length; i += 2) {
    const radius = standardDeviation * Math.sqrt(-2 * Math.log(positiveUniform(random)));
    const angle = 2 * Math.PI * random.uniform();
    sums[i] = onGrid(sums[i] + radius * Math.cos(angle));
    if (i + 1 < sums.length) sums[i + 1] = onGrid(sums[i + 1] + radius * Math.sin(angle));
  }
}

/** In (0, 1): small values with more bits than one draw has. */
function positiveUniform(random: CryptoRandom): number {
  const first = random.uniform();
  return first >= TAIL_BELOW ? first : first + (random.uniform() + UNIT / 2) * UNIT;
}
