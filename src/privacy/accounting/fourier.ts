/**
 * Discrete Fourier transforms of power-of-two length, in place (Cooley and Tukey 1965). Twiddle factors are taken
 * from sine and cosine directly rather than by recurrence, which keeps the error at a few units in the last place
 * times log2 of the length.
 */
import { invariant } from "../../base/index.ts";

export interface ComplexVector {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** X[k] = sum_n x[n] exp(-2 pi i k n / N); the inverse has the other sign and divides by N. */
export function fourierTransform({ re, im }: ComplexVector, direction: "forward" | "inverse"): void {
  const length = re.length;
  invariant(length > 0 && (length & (length - 1)) === 0 && im.length === length, "a power-of-two length");
  permute(re, im);
  const sign = direction === "forward" ? -1 : 1;
  const cosines = Float64Array.from({ length: length / 2 }, (_, k) => Math.cos((2 * Math.PI * k) / length));
  const sines = Float64Array.from({ length: length / 2 }, (_, k) => sign * Math.sin((2 * Math.PI * k) / length));
  for (let half = 1; half < length; half *= 2) butterflies(re, im, half, cosines, sines);
  if (direction === "forward") return;
  for (let i = 0; i < length; i++) {
    re[i] /= length;
    im[i] /= length;
  }
}

function butterflies(re: Float64Array, im: Float64Array, half: number, cos: Float64Array, sin: Float64Array): void {
  const stride = re.length / (2 * half);
  for (let start = 0; start < re.length; start += 2 * half) {
    for (let k = 0; k < half; k++) {
      const [low, high] = [start + k, start + k + half];
      const [c, s] = [cos[k * stride], sin[k * stride]];
      const turnedRe = re[high] * c - im[high] * s;
      const turnedIm = re[high] * s + im[high] * c;
      re[high] = re[low] - turnedRe;
      im[high] = im[low] - turnedIm;
      re[low] += turnedRe;
      im[low] += turnedIm;
    }
  }
}

/** Elements in the order of their reversed indices. */
function permute(re: Float64Array, im: Float64Array): void {
  let reversed = 0;
  for (let i = 0; i < re.length; i++) {
    if (i < reversed) {
      const [keptRe, keptIm] = [re[i], im[i]];
      re[i] = re[reversed];
      im[i] = im[reversed];
      re[reversed] = keptRe;
      im[reversed] = keptIm;
    }
    let bit = re.length >> 1;
    while (bit > 0 && (reversed & bit) !== 0) {
      reversed ^= bit;
      bit >>= 1;
    }
    reversed |= bit;
  }
}
