/**
 * Integers from the discrete Gaussian, exactly: probability proportional to exp(-x^2 / (2 sigma^2)).
 *
 * Source: Canonne, Kamath and Steinke 2020, "The Discrete Gaussian for Differential Privacy", algorithms 1 to 3. All
 * arithmetic is on integers and every random bit comes from a cryptographic generator, so that the floating-point
 * attack of Mironov 2012 has nothing to hold on to. Time depends on the values drawn; do not let an adversary measure
 * single draws.
 */
import { ConsiliumError } from "../../base/index.ts";

export interface RandomBytesPort {
  /** From a cryptographic generator: `node:crypto`. */
  readonly randomBytes: (length: number) => Uint8Array;
}

export interface DiscreteGaussian {
  sample(): number;
}

/** Standard deviations are taken in steps of 2^-20, rounded up: never less noise than asked for. */
const DEVIATION_STEPS = 2 ** 20;
const LARGEST_DEVIATION = 2 ** 30;

/** @throws ConsiliumError `privacy-parameters` */
export function createDiscreteGaussian(standardDeviation: number, port: RandomBytesPort): DiscreteGaussian {
  if (!(standardDeviation > 0 && standardDeviation <= LARGEST_DEVIATION)) {
    throw new ConsiliumError("privacy-parameters", {
      subject: "discrete Gaussian",
      expected: `a standard deviation above 0 and at most ${LARGEST_DEVIATION}`,
      actual: String(standardDeviation),
      hint: "Correct the study's privacy section.",
    });
  }
  // sigma^2 = n / d.
  const n = BigInt(Math.ceil(standardDeviation * DEVIATION_STEPS)) ** 2n;
  const d = BigInt(DEVIATION_STEPS) ** 2n;
  const t = BigInt(Math.floor(standardDeviation)) + 1n;
  const draw = createUniform(port);
  const denominator = 2n * n * d * t * t;
  return {
    // Algorithm 3: a discrete Laplace, accepted with probability exp(-(|y| - sigma^2 / t)^2 / (2 sigma^2)).
    sample() {
      for (;;) {
        const y = discreteLaplace(draw, t);
        const distance = (y < 0n ? -y : y) * d * t - n;
        if (bernoulliExp(draw, distance * distance, denominator)) return Number(y);
      }
    },
  };
}

/** An integer in [0, bound), each equally likely. */
type Uniform = (bound: bigint) => bigint;

/** Algorithm 2 with scale t. */
function discreteLaplace(draw: Uniform, t: bigint): bigint {
  for (;;) {
    const u = draw(t);
    if (!bernoulliExp(draw, u, t)) continue;
    let v = 0n;
    while (bernoulliExp(draw, 1n, 1n)) v++;
    const magnitude = u + t * v;
    const negative = draw(2n) === 1n;
    if (negative && magnitude === 0n) continue;
    return negative ? -magnitude : magnitude;
  }
}

/** Algorithm 1: true with probability exp(-x / y), for x >= 0 and y > 0. */
function bernoulliExp(draw: Uniform, x: bigint, y: bigint): boolean {
  let rest = x;
  while (rest > y) {
    if (!bernoulliExpSmall(draw, 1n, 1n)) return false;
    rest -= y;
  }
  return bernoulliExpSmall(draw, rest, y);
}

/** For x <= y: the first k at which a coin of bias x / (y k) fails is odd with probability exp(-x / y). */
function bernoulliExpSmall(draw: Uniform, x: bigint, y: bigint): boolean {
  let k = 1n;
  while (draw(y * k) < x) k++;
  return k % 2n === 1n;
}

const POOL_BYTES = 1 << 13;

function createUniform({ randomBytes }: RandomBytesPort): Uniform {
  let pool: Uint8Array = new Uint8Array(0);
  let used = 0;
  const take = (bytes: number): bigint => {
    if (used + bytes > pool.length) {
      pool = randomBytes(Math.max(POOL_BYTES, bytes));
      used = 0;
    }
    let value = 0n;
    for (let i = 0; i < bytes; i++) value = (value << 8n) | BigInt(pool[used + i]);
    // What was used is wiped, so that noise cannot be read from memory later.
    pool.fill(0, used, used + bytes);
    used += bytes;
    return value;
  };
  return (bound) => {
    if (bound === 1n) return 0n;
    const bits = (bound - 1n).toString(2).length;
    const bytes = Math.ceil(bits / 8);
    const surplus = BigInt(8 * bytes - bits);
    for (;;) {
      const value = take(bytes) >> surplus;
      if (value < bound) return value;
    }
  };
}
