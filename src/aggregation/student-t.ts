/** Quantiles of Student's t, for intervals of means over few patients. */
import { invariant } from "../base/index.ts";

/** From here on the quantile differs from the normal distribution's by less than 0.2 %. */
const MOST_DEGREES = 2000;
const HALVINGS = 60;

/**
 * How many standard errors lie on each side of a mean, in an interval that holds `level` of the distribution.
 *
 * @param level above 0 and below 1, such as 0.95.
 * @param degrees of freedom, whole, at least 1; more than 2000 count as 2000.
 */
export function studentHalfWidth(level: number, degrees: number): number {
  invariant(level > 0 && level < 1 && Number.isInteger(degrees) && degrees >= 1, "a level and degrees of freedom");
  const within = Math.min(degrees, MOST_DEGREES);
  let [low, high] = [0, Math.PI / 2];
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (massWithin(middle, within) < level) low = middle;
    else high = middle;
  }
  return Math.tan((low + high) / 2) * Math.sqrt(within);
}

/** P(|T| < tan(angle) sqrt(degrees)): Abramowitz and Stegun 1964, 26.7.3 (odd) and 26.7.4 (even). */
function massWithin(angle: number, degrees: number): number {
  const odd = degrees % 2 === 1;
  if (degrees === 1) return (2 * angle) / Math.PI;
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
  let term = odd ? cosine : 1;
  let sum = term;
  for (let k = odd ? 3 : 2; k < degrees; k += 2) {
    term *= ((k - 1) / k) * cosine * cosine;
    sum += term;
  }
  return odd ? (2 / Math.PI) * (angle + sine * sum) : sine * sum;
}
