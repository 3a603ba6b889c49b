/**
 * The normal distribution's tails to about fourteen digits, also where they are far below the smallest double.
 *
 * Below 2, erfc comes from the series of erf with terms of one sign (Abramowitz and Stegun 7.1.6); from 2 on, from
 * the continued fraction (7.1.14), evaluated from a fixed depth upwards. Both are formulas, not tables of fitted
 * coefficients, so that a reader can check them against the handbook.
 */

const SQRT_PI = Math.sqrt(Math.PI);
const SWITCH = 2;

/** exp(x^2) erfc(x) for x >= 2. */
function scaledComplement(x: number): number {
  let tail = x;
  // At 2 the fraction's error falls below 1e-16 after about 45 terms, at 4 after 15: half as many again are taken.
  for (let k = Math.ceil(10 + 220 / (x * x)); k >= 1; k--) tail = x + k / 2 / tail;
  return 1 / (tail * SQRT_PI);
}

/** erf for |x| < 2. */
function errorSeries(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / SQRT_PI) * Math.exp(-x * x) * sum;
}

/** The complementary error function. */
export function erfc(x: number): number {
  if (x >= SWITCH) return Math.exp(-x * x) * scaledComplement(x);
  if (x <= -SWITCH) return 2 - Math.exp(-x * x) * scaledComplement(-x);
  return 1 - errorSeries(x);
}

/** log(erfc(x)), finite for every finite x. */
export function logErfc(x: number): number {
  if (x >= SWITCH) return -x * x + Math.log(scaledComplement(x));
  return Math.log(erfc(x));
}

/** P[Z > z] for a standard normal Z. */
export function upperTail(z: number): number {
  return 0.5 * erfc(z * Math.SQRT1_2);
}

/**
 * P[low < Z < high], taken from the tail on whose side the interval lies, so that small masses far out keep their
 * relative precision.
 */
export function massBetween(low: number, high: number): number {
  if (low >= high) return 0;
  if (low + high > 0) return Math.max(0, upperTail(low) - upperTail(high));
  return Math.max(0, upperTail(-high) - upperTail(-low));
}
