/**
 * An attack on a single update, for tests and `bench/gradient-inversion.ts`: the picture that a network was trained on,
 * read out of what training changed (Phong et al. 2018, "Privacy-Preserving Deep Learning via Additively Homomorphic
 * Encryption", section 3; with several units as Geiping et al. 2020, "Inverting Gradients", proposition 3.1).
 *
 * The network outlines a lesion in a picture: a dense layer of units with ReLU, and one output for each pixel. The
 * gradient of a unit's weights is its error times the picture, that of its bias the error alone: their ratio is the
 * picture. The victim's training step and the attack are written here in plain arithmetic; what they work on is written
 * down, masked and noised by the product's own functions.
 */
import type { Random } from "../../base/index.ts";

export const SIDE = 16;
const PIXELS = SIDE * SIDE;
const UNITS = 24;
/** First weights [UNITS, PIXELS] and biases [UNITS], then the same of the output layer. */
export const PARAMETER_COUNT = UNITS * PIXELS + UNITS + PIXELS * UNITS + PIXELS;
const BIASES_AT = UNITS * PIXELS;
const OUTPUT_AT = BIASES_AT + UNITS;
const OUTPUT_BIASES_AT = OUTPUT_AT + PIXELS * UNITS;

export interface Patient {
  /** Intensities [SIDE, SIDE]. */
  readonly picture: Float64Array;
  /** 1 in the lesion. */
  readonly lesion: Float64Array;
}

/** A head with a ventricle and a lesion, each where this patient has it. */
export function drawPatient(random: Random): Patient {
  const [x0, y0, radius] = [random.between(5, 10), random.between(5, 10), random.between(2, 3)];
  const picture = new Float64Array(PIXELS);
  const lesion = new Float64Array(PIXELS);
  for (let i = 0; i < PIXELS; i++) {
    const [x, y] = [i % SIDE, Math.floor(i / SIDE)];
    const inside = ((x - 7.5) / 7) ** 2 + ((y - 7.5) / 6) ** 2 < 1;
    const ventricle = ((x - 7.5) / 1.5) ** 2 + ((y - 6) / 3) ** 2 < 1;
    lesion[i] = inside && Math.hypot(x - x0, y - y0) < radius ? 1 : 0;
    picture[i] = inside ? 1 + 0.1 * random.normal() + (lesion[i] ? 0.8 : ventricle ? -0.6 : 0) : 0;
  }
  return { picture, lesion };
}

export function startingWeights(random: Random): Float32Array {
  return Float32Array.from({ length: PARAMETER_COUNT }, (_, i) => {
    if (i < BIASES_AT) return random.normal() / SIDE;
    return i >= OUTPUT_AT && i < OUTPUT_BIASES_AT ? random.normal() / Math.sqrt(UNITS) : 0;
  });
}

/** Gradient [PARAMETER_COUNT] of the mean binary cross-entropy over pixels. */
export function gradientOf(weights: Float32Array, { picture, lesion }: Patient): Float32Array {
  const hidden = new Float64Array(UNITS);
  for (let u = 0; u < UNITS; u++) {
    let sum = weights[BIASES_AT + u];
    for (let i = 0; i < PIXELS; i++) sum += weights[u * PIXELS + i] * picture[i];
    hidden[u] = Math.max(0, sum);
  }
  const gradient = new Float32Array(PARAMETER_COUNT);
  const errors = new Float64Array(UNITS);
  for (let i = 0; i < PIXELS; i++) {
    let logit = weights[OUTPUT_BIASES_AT + i];
    for (let u = 0; u < UNITS; u++) logit += weights[OUTPUT_AT + i * UNITS + u] * hidden[u];
    const error = (1 / (1 + Math.exp(-logit)) - lesion[i]) / PIXELS;
    gradient[OUTPUT_BIASES_AT + i] = error;
    for (let u = 0; u < UNITS; u++) {
      gradient[OUTPUT_AT + i * UNITS + u] = error * hidden[u];
      errors[u] += error * weights[OUTPUT_AT + i * UNITS + u];
    }
  }
  for (let u = 0; u < UNITS; u++) {
    if (hidden[u] === 0) continue;
    gradient[BIASES_AT + u] = errors[u];
    for (let i = 0; i < PIXELS; i++) gradient[u * PIXELS + i] = errors[u] * picture[i];
  }
  return gradient;
}

/**
 * The attack: units vote, each by its ratio, weighted by the square of its bias's change (least squares).
 * @param update what changed, in any unit
 */
export function invertUpdate(update: ArrayLike<number>): Float64Array {
  const picture = new Float64Array(PIXELS);
  let total = 0;
  for (let u = 0; u < UNITS; u++) {
    const bias = update[BIASES_AT + u];
    total += bias * bias;
    for (let i = 0; i < PIXELS; i++) picture[i] += bias * update[u * PIXELS + i];
  }
  return picture.map((value) => value / (total || 1));
}

/** Pearson's correlation: 1 for the same picture, near 0 for another one or noise. */
export function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const mean = (values: ArrayLike<number>): number => Array.from(values).reduce((x, y) => x + y, 0) / values.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  let [both, ofA, ofB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    both += (a[i] - meanA) * (b[i] - meanB);
    ofA += (a[i] - meanA) ** 2;
    ofB += (b[i] - meanB) ** 2;
  }
  return both / Math.sqrt(ofA * ofB || 1);
}

const SHADES = " .:-=+*#%@";

/** The picture as text, its darkest pixel a blank. */
export function asText(picture: ArrayLike<number>): string {
  const values = Array.from(picture);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const shade = (value: number): string => SHADES[Math.round((9 * (value - low)) / (high - low || 1))];
  return Array.from({ length: SIDE }, (_, y) =>
    values
      .slice(y * SIDE, (y + 1) * SIDE)
      .map((value) => shade(value).repeat(2))
      .join(""),
  ).join("\n");
}
