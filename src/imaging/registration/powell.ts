/**
 * Powell's method: the maximum of a function of some variables without its gradient, by line searches along directions
 * that become conjugate (Powell 1964; the discarding rule of Press et al., Numerical Recipes, section 10.7).
 * Deterministic; the number of evaluations is bounded.
 */
export interface PowellOptions {
  /** Along each variable, the first step of a line search. */
  readonly steps: readonly number[];
  /** A line search ends at this part of its first step. */
  readonly tolerance: number;
  readonly maxSweeps: number;
  /** A sweep that gains less ends the search. */
  readonly minGain: number;
}

export interface Maximum {
  readonly at: readonly number[];
  readonly value: number;
}

export function maximise(
  f: (x: readonly number[]) => number,
  start: readonly number[],
  options: PowellOptions,
): Maximum {
  const { steps, tolerance, maxSweeps, minGain } = options;
  const directions = steps.map((step, i) => steps.map((_, j) => (i === j ? step : 0)));
  let best: Maximum = { at: start, value: f(start) };
  for (let sweep = 0; sweep < maxSweeps; sweep++) {
    const before = best;
    let largest = { index: 0, gain: 0 };
    for (const [index, direction] of directions.entries()) {
      const next = lineSearch(f, best, direction, tolerance);
      if (next.value - best.value > largest.gain) largest = { index, gain: next.value - best.value };
      best = next;
    }
    if (best.value - before.value < minGain) break;
    const overall = best.at.map((x, i) => x - before.at[i]);
    const beyond = best.at.map((x, i) => x + overall[i]);
    const [f0, fn, fe] = [before.value, best.value, f(beyond)];
    // Replacing a direction keeps the set independent only where the new one brings something of its own.
    if (fe > f0 && 2 * (f0 - 2 * fn + fe) * (fn - f0 - largest.gain) ** 2 > -largest.gain * (f0 - fe) ** 2) {
      const size = Math.max(...overall.map((x, i) => Math.abs(x) / steps[i]));
      if (size > tolerance) {
        const direction = overall.map((x) => x / size);
        best = lineSearch(f, best, direction, tolerance);
        directions[largest.index] = directions[directions.length - 1];
        directions[directions.length - 1] = direction;
      }
    }
  }
  return best;
}

const GOLDEN = 0.381966;
const MAX_BRACKET = 12;

/** Golden section and parabolas within a bracket around the start. */
function lineSearch(
  f: (x: readonly number[]) => number,
  from: Maximum,
  direction: readonly number[],
  tolerance: number,
): Maximum {
  const along = (t: number): readonly number[] => from.at.map((x, i) => x + t * direction[i]);
  const at = (t: number): number => f(along(t));
  let [a, b, c] = [-1, 0, 1];
  let [fa, fb, fc] = [at(a), from.value, at(c)];
  for (let i = 0; i < MAX_BRACKET && fb < Math.max(fa, fc); i++) {
    if (fa > fc) [a, b, c, fa, fb, fc] = [a - 1.618 * (b - a), a, b, at(a - 1.618 * (b - a)), fa, fb];
    else [a, b, c, fa, fb, fc] = [b, c, c + 1.618 * (c - b), fb, fc, at(c + 1.618 * (c - b))];
  }
  while (c - a > 2 * tolerance) {
    const t = interior(a, b, c, fa, fb, fc, tolerance);
    const ft = at(t);
    if (ft > fb) {
      if (t > b) [a, fa] = [b, fb];
      else [c, fc] = [b, fb];
      [b, fb] = [t, ft];
    } else if (t > b) {
      [c, fc] = [t, ft];
    } else {
      [a, fa] = [t, ft];
    }
  }
  return fb > from.value ? { at: along(b), value: fb } : from;
}

/** The vertex of the parabola through three points where it helps, else a golden section of the longer part. */
function interior(a: number, b: number, c: number, fa: number, fb: number, fc: number, tolerance: number): number {
  const [p, q] = [(b - a) * (fb - fc), (b - c) * (fb - fa)];
  const vertex = b - ((b - a) * p - (b - c) * q) / (2 * (p - q));
  const golden = c - b > b - a ? b + GOLDEN * (c - b) : b - GOLDEN * (b - a);
  const apart = Math.min(vertex - a, c - vertex, Math.abs(vertex - b));
  const lopsided = Math.max(c - b, b - a) > 10 * Math.min(c - b, b - a);
  return Number.isFinite(vertex) && apart > 0.3 * tolerance && !lopsided ? vertex : golden;
}
