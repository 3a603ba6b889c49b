/**
 * A site's counts, losses and scores as whole numbers that are added under masks: with `metrics: summed` they travel
 * in no other way, and what anybody sees is their sum over the survivors of a round.
 *
 * Each figure is a word of 64 bits. Real numbers are in fixed steps (Dice 2^-24, millimetres and losses 2^-14); no
 * figure of one site exceeds FIGURE_LIMIT, and 255 sites stay below 2^53, so that sums are exact.
 */
import { ConsiliumError } from "../../base/index.ts";

export interface SummedRegion {
  readonly diceSum: number;
  readonly diceCases: number;
  readonly hd95Sum: number;
  readonly hd95Cases: number;
}

/** Of one site, or of many: every member adds up. */
export interface SummedFigures {
  readonly trainingCases: number;
  readonly gradientSteps: number;
  readonly clippedCoordinates: number;
  /** Of the steps' losses; 0 over 0 steps where none may leave. */
  readonly lossSum: number;
  readonly lossSteps: number;
  /** Validation cases on which the model that the round started from was evaluated. */
  readonly evaluatedCases: number;
  readonly regions: Readonly<Record<string, SummedRegion>>;
}

export const NO_FIGURES: SummedFigures = {
  trainingCases: 0,
  gradientSteps: 0,
  clippedCoordinates: 0,
  lossSum: 0,
  lossSteps: 0,
  evaluatedCases: 0,
  regions: {},
};

const FIGURE_LIMIT = 2 ** 44;
const DICE_STEPS = 2 ** 24;
const FINE_STEPS = 2 ** 14;

/** What each word stands for, in order, and its steps per unit. */
const TOTALS = [
  ["trainingCases", 1],
  ["gradientSteps", 1],
  ["clippedCoordinates", 1],
  ["lossSum", FINE_STEPS],
  ["lossSteps", 1],
  ["evaluatedCases", 1],
] as const;
const OF_REGION = [
  ["diceSum", DICE_STEPS],
  ["diceCases", 1],
  ["hd95Sum", FINE_STEPS],
  ["hd95Cases", 1],
] as const;
const NO_REGION: SummedRegion = { diceSum: 0, diceCases: 0, hd95Sum: 0, hd95Cases: 0 };

/** A study read from its file and one read from its bytes name regions in different orders: words have one. */
function inOrder(regions: readonly string[]): readonly string[] {
  return [...regions].sort();
}

/** Words that the figures of so many regions take. */
export function figureWords(regions: number): number {
  return TOTALS.length + OF_REGION.length * regions;
}

/** @throws ConsiliumError `aggregation-overflow` for a figure that is not finite or beyond what a sum may hold */
export function encodeFigures(regions: readonly string[], figures: SummedFigures): Float64Array {
  const words = [
    ...TOTALS.map(([name, steps]) => figures[name] * steps),
    ...inOrder(regions).flatMap((region) => {
      const sums = figures.regions[region] ?? NO_REGION;
      return OF_REGION.map(([name, steps]) => sums[name] * steps);
    }),
  ];
  const bad = words.find((word) => !(Math.abs(word) <= FIGURE_LIMIT));
  if (bad === undefined) return Float64Array.from(words, Math.round);
  throw new ConsiliumError("aggregation-overflow", {
    subject: "this site's figures for the masked sum",
    expected: `figures of at most 2^44 steps`,
    actual: "one beyond that, or not a number",
    hint: "Nothing was sent. See the site's own evaluation; with a diverged loss, ask for a lower learning rate.",
  });
}

/** The figures that sums of words stand for. */
export function decodeFigures(regions: readonly string[], words: ArrayLike<number>): SummedFigures {
  const totals = Object.fromEntries(TOTALS.map(([name, steps], i) => [name, words[i] / steps]));
  const byRegion = inOrder(regions).map((region, r) => {
    const at = TOTALS.length + r * OF_REGION.length;
    return [region, Object.fromEntries(OF_REGION.map(([name, steps], i) => [name, words[at + i] / steps]))];
  });
  return { ...totals, regions: Object.fromEntries(byRegion) } as unknown as SummedFigures;
}

/** What all others told together: the sum less one site's own part. */
export function figuresOfOthers(sum: SummedFigures, own: SummedFigures): SummedFigures {
  const regions = Object.entries(sum.regions).map(([region, sums]) => {
    const mine = own.regions[region] ?? NO_REGION;
    return [region, Object.fromEntries(OF_REGION.map(([name]) => [name, sums[name] - mine[name]]))];
  });
  const totals = TOTALS.map(([name]) => [name, sum[name] - own[name]]);
  return { ...Object.fromEntries(totals), regions: Object.fromEntries(regions) } as SummedFigures;
}

/** Mean over regions of the mean Dice over cases; null where no region has a case. */
export function meanDiceOfFigures({ regions }: SummedFigures): number | null {
  // In one order: JSON, by which the journal brings figures back, has another than the sum.
  const means = Object.keys(regions)
    .sort()
    .flatMap((region) => {
      const { diceSum, diceCases } = regions[region];
      return diceCases > 0 ? diceSum / diceCases : [];
    });
  return means.length === 0 ? null : means.reduce((sum, mean) => sum + mean, 0) / means.length;
}
