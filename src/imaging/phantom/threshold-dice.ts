/**
 * How far thresholding alone gets on a cohort: the Dice score of whole tumour for the best single threshold on one
 * modality's z-score, chosen with the reference in hand, bright or dark side. Phantoms on which this is high would
 * teach a network nothing but the threshold.
 */
import { MODALITIES, type Modality } from "../../study/index.ts";

/** One case: four images, zero outside the brain, and classes, of equal length. */
export interface ThresholdCase extends Readonly<Record<Modality, { readonly data: ArrayLike<number> }>> {
  readonly labelMap: { readonly data: ArrayLike<number> };
}

export interface ThresholdDice {
  /** Best Dice of one threshold for the whole cohort, voxels pooled, per modality; and the best of them. */
  readonly pooled: Readonly<Record<Modality, number>> & { readonly best: number };
  /** Mean over cases of the Dice of the best modality, threshold and side of each case. */
  readonly perCase: { readonly mean: number; readonly cases: readonly number[] };
}

const BINS = 4096;
const LOW = -8;
const HIGH = 24;

/** z-scores are over the non-zero voxels of each image, binned to 1/128 of a standard deviation. */
export function bestThresholdDice(cases: readonly ThresholdCase[]): ThresholdDice {
  const pooled = MODALITIES.map(() => ({ tumour: new Float64Array(BINS), all: new Float64Array(BINS) }));
  const perCase = cases.map((one) => {
    let best = 0;
    MODALITIES.forEach((modality, m) => {
      const tumour = new Float64Array(BINS);
      const all = new Float64Array(BINS);
      countVoxels(one[modality].data, one.labelMap.data, tumour, all);
      for (let bin = 0; bin < BINS; bin++) {
        pooled[m].tumour[bin] += tumour[bin];
        pooled[m].all[bin] += all[bin];
      }
      best = Math.max(best, bestCut(tumour, all));
    });
    return best;
  });
  const scores = Object.fromEntries(MODALITIES.map((m, i) => [m, bestCut(pooled[i].tumour, pooled[i].all)])) as Record<
    Modality,
    number
  >;
  return {
    pooled: { ...scores, best: Math.max(...Object.values(scores)) },
    perCase: { mean: perCase.reduce((sum, dice) => sum + dice, 0) / Math.max(1, perCase.length), cases: perCase },
  };
}

function countVoxels(
  image: ArrayLike<number>,
  labels: ArrayLike<number>,
  tumour: Float64Array,
  all: Float64Array,
): void {
  let count = 0;
  let sum = 0;
  let squares = 0;
  for (let n = 0; n < image.length; n++) {
    if (image[n] === 0) continue;
    count++;
    sum += image[n];
    squares += image[n] * image[n];
  }
  const mean = sum / count;
  const deviation = Math.sqrt(Math.max(1e-12, squares / count - mean * mean));
  for (let n = 0; n < image.length; n++) {
    if (image[n] === 0) continue;
    const z = (image[n] - mean) / deviation;
    const bin = Math.min(BINS - 1, Math.max(0, Math.floor(((z - LOW) / (HIGH - LOW)) * BINS)));
    all[bin]++;
    if (labels[n] > 0) tumour[bin]++;
  }
}

/** Best Dice of "all bins above" and "all bins below" over all cuts. */
function bestCut(tumour: Float64Array, all: Float64Array): number {
  const tumourTotal = tumour.reduce((sum, n) => sum + n, 0);
  if (tumourTotal === 0) return 0;
  const allTotal = all.reduce((sum, n) => sum + n, 0);
  let best = 0;
  let below = 0;
  let tumourBelow = 0;
  for (let bin = 0; bin < BINS; bin++) {
    below += all[bin];
    tumourBelow += tumour[bin];
    const dark = (2 * tumourBelow) / (below + tumourTotal);
    const bright = (2 * (tumourTotal - tumourBelow)) / (allTotal - below + tumourTotal);
    best = Math.max(best, dark, bright);
  }
  return best;
}
