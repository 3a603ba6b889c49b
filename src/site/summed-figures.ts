/**
 * A site's figures in a study with `metrics: summed`: they leave only inside the masked sum, and come back as the sum of
 * everybody's, with which this site compares itself.
 *
 * `study/<hash>/figures` holds what this site put into its last masked inputs, on disk before they are made;
 * `study/<hash>/comparisons` what came of it, for this site's people and nobody else.
 */
import { z } from "zod";
import type { Json, Sha256 } from "../base/index.ts";
import { figuresOfOthers, meanDiceOfFigures, NO_FIGURES, type SummedFigures } from "../privacy/index.ts";
import { parseDocument } from "./home.ts";
import type { SiteStore } from "./site-store.ts";
import type { MadeEvaluation, MadeUpdate } from "./study-progress.ts";

const amount = z.number();
const figuresSchema = z.strictObject({
  trainingCases: amount,
  gradientSteps: amount,
  clippedCoordinates: amount,
  lossSum: amount,
  lossSteps: amount,
  evaluatedCases: amount,
  regions: z.record(
    z.string(),
    z.strictObject({ diceSum: amount, diceCases: amount, hd95Sum: amount, hd95Cases: amount }),
  ),
}) satisfies z.ZodType<SummedFigures>;

const ownSchema = z.array(z.strictObject({ round: z.number().int(), figures: figuresSchema }));
const toldSchema = z.strictObject({ round: z.number().int(), sites: z.array(z.string()), figures: figuresSchema });

const comparisonSchema = z.strictObject({
  /** Whose training the losses are of; scores are of the model that it started from. */
  round: z.number().int(),
  otherSites: z.number().int(),
  /** Mean over regions of the mean Dice over cases; null where nothing was evaluated. */
  ownDice: amount.nullable(),
  othersDice: amount.nullable(),
  ownLoss: amount.nullable(),
  othersLoss: amount.nullable(),
});
/** This site beside all others together. */
export type Comparison = z.infer<typeof comparisonSchema>;

/** The sum of a round comes with the next order; a site that was away asks a round later. */
const ROUNDS_KEPT = 3;
/** Comparisons that are kept for people to read. */
const COMPARISONS_KEPT = 200;

/** What this site adds to a round's sum. @param update undefined in the round that closes the study */
export function ownFigures(
  update: MadeUpdate | undefined,
  evaluation: MadeEvaluation | undefined,
  isLossTold: boolean,
): SummedFigures {
  const { trainingCases = 0, gradientSteps = 0, clippedCoordinates = 0, meanLoss = null } = update ?? {};
  const told = isLossTold && meanLoss !== null;
  return {
    ...NO_FIGURES,
    trainingCases,
    gradientSteps,
    clippedCoordinates,
    ...(told && { lossSum: meanLoss * gradientSteps, lossSteps: gradientSteps }),
    evaluatedCases: evaluation?.cases ?? 0,
    regions: Object.fromEntries((evaluation?.regions ?? []).map(({ region, ...sums }) => [region, sums])),
  };
}

export async function keepOwnFigures(
  store: SiteStore,
  studyHash: Sha256,
  round: number,
  figures: SummedFigures,
): Promise<void> {
  const others = (await readOwn(store, studyHash)).filter((each) => each.round !== round);
  const kept = [...others, { round, figures }].slice(-ROUNDS_KEPT);
  await store.write(ownName(studyHash), kept as unknown as Json);
}

/**
 * Takes in what the last masked sum said. @returns a comparison that is new; undefined where it is known, this site was
 * not in the sum, or nothing was told
 * @throws ConsiliumError `home-invalid` for what is no sum of figures
 */
export async function compareWithOthers(
  store: SiteStore,
  siteId: string,
  studyHash: Sha256,
  told: Uint8Array,
): Promise<Comparison | undefined> {
  if (told.length === 0) return undefined;
  const sum = parseDocument(toldSchema, JSON.parse(Buffer.from(told).toString("utf8")), "the coordinator's figures");
  const own = (await readOwn(store, studyHash)).find(({ round }) => round === sum.round)?.figures;
  const known = await readComparisons(store, studyHash);
  const { round } = sum;
  if (own === undefined || !sum.sites.includes(siteId) || known.some((each) => each.round === round)) return undefined;
  const others = figuresOfOthers(sum.figures, own);
  const comparison: Comparison = {
    round,
    otherSites: sum.sites.length - 1,
    ownDice: meanDiceOfFigures(own),
    othersDice: meanDiceOfFigures(others),
    ownLoss: lossOf(own),
    othersLoss: lossOf(others),
  };
  await store.write(comparisonsName(studyHash), [...known, comparison].slice(-COMPARISONS_KEPT) as unknown as Json);
  return comparison;
}

export async function readComparisons(store: SiteStore, studyHash: Sha256): Promise<readonly Comparison[]> {
  const name = comparisonsName(studyHash);
  const value = await store.read(name);
  return value === undefined ? [] : parseDocument(z.array(comparisonSchema), value, `${name}.json`);
}

async function readOwn(store: SiteStore, studyHash: Sha256): Promise<z.infer<typeof ownSchema>> {
  const name = ownName(studyHash);
  const value = await store.read(name);
  return value === undefined ? [] : parseDocument(ownSchema, value, `${name}.json`);
}

function lossOf({ lossSum, lossSteps }: SummedFigures): number | null {
  return lossSteps > 0 ? lossSum / lossSteps : null;
}

function ownName(studyHash: Sha256): string {
  return `study/${studyHash}/figures`;
}

function comparisonsName(studyHash: Sha256): string {
  return `study/${studyHash}/comparisons`;
}
