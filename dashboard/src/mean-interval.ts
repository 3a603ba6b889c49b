/** The mean of a few differences with its 95 % interval by Student's t: what paired figures of sites allow to be said. */

export interface MeanInterval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** @returns undefined for fewer than three values, which allow no interval worth the name */
export function meanInterval(values: readonly number[]): MeanInterval | undefined {
  const count = values.length;
  if (count < 3) return undefined;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  const half = studentQuantile(count - 1) * Math.sqrt(variance / count);
  return { mean, low: mean - half, high: mean + half };
}

const PIECES = 400;
const known = new Map<number, number>();

/**
 * The value that |t| exceeds with a chance of 5 %. With t = sqrt(df) tan(a) the density becomes cos(a)^(df - 1), whose
 * integral needs no gamma function (Abramowitz and Stegun 26.7.3 and 26.7.4).
 */
export function studentQuantile(degreesOfFreedom: number): number {
  const before = known.get(degreesOfFreedom);
  if (before !== undefined) return before;
  const area = (angle: number): number => {
    const step = angle / PIECES;
    let sum = 0;
    for (let i = 0; i <= PIECES; i++) {
      const weight = i === 0 || i === PIECES ? 1 : i % 2 === 1 ? 4 : 2;
      sum += weight * Math.cos(i * step) ** (degreesOfFreedom - 1);
    }
    return (sum * step) / 3;
  };
  const wanted = 0.95 * area(Math.PI / 2);
  let [low, high] = [0, Math.PI / 2];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (area(middle) < wanted) low = middle;
    else high = middle;
  }
  const quantile = Math.sqrt(degreesOfFreedom) * Math.tan(low);
  known.set(degreesOfFreedom, quantile);
  return quantile;
}
