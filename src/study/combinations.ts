/**
 * What of a study goes together and what does not: one table, by which studies are refused (`study-consistency`) and
 * from which docs/COMBINATIONS.md is made. A rule that is not here is not enforced, and one that is here is shown.
 */
import type { Study } from "./schema.ts";
import type { StudyProblem } from "./study-problems.ts";

/** A choice that a study makes; choices of one group are alternatives, or stand each by itself. */
export interface Choice {
  readonly group:
    | "algorithm"
    | "masking"
    | "privacy"
    | "figures"
    | "compression"
    | "partial work"
    | "optimiser"
    | "norms";
  /** As the study file says it. */
  readonly written: string;
  readonly isMade: (study: Study) => boolean;
  /** A study that makes the choice, made from one that does not. */
  readonly make: (study: Study) => Study;
}

const withTraining = (study: Study, training: Partial<Study["training"]>): Study => ({
  ...study,
  training: { ...study.training, ...training },
});
const withPrivacy = (study: Study, privacy: Partial<Study["privacy"]>): Study => ({
  ...study,
  privacy: { ...study.privacy, ...privacy },
});
const withAggregation = (study: Study, aggregation: Partial<Study["aggregation"]>): Study => ({
  ...study,
  aggregation: { ...study.aggregation, ...aggregation },
});

/** Bits of an update where a study says nothing. */
const FULL_PRECISION_BITS = 28;

export const CHOICES = {
  weightByCases: {
    group: "algorithm",
    written: "aggregation.weightBy: cases",
    isMade: ({ aggregation }) => aggregation.weightBy === "cases",
    make: (study) => withAggregation(study, { weightBy: "cases" }),
  },
  weightEqual: {
    group: "algorithm",
    written: "aggregation.weightBy: equal",
    isMade: ({ aggregation }) => aggregation.weightBy === "equal",
    make: (study) => withAggregation(study, { weightBy: "equal" }),
  },
  proximal: {
    group: "algorithm",
    written: "training.proximal (FedProx)",
    isMade: ({ training }) => training.proximal > 0,
    make: (study) => withTraining(study, { proximal: 0.01 }),
  },
  masking: {
    group: "masking",
    written: "privacy.secureAggregation",
    isMade: ({ privacy }) => privacy.secureAggregation !== undefined,
    make: (study) => withPrivacy(study, { secureAggregation: { threshold: 2 } }),
  },
  patientLevel: {
    group: "privacy",
    written: "privacy.patientLevel",
    isMade: ({ privacy }) => privacy.patientLevel !== undefined,
    make: (study) =>
      withPrivacy(study, {
        patientLevel: { clipNorm: 1, noiseMultiplier: 1, samplingRate: 0.1, patchesPerScan: 1, delta: 1e-5 },
      }),
  },
  summedFigures: {
    group: "figures",
    written: "metrics: summed",
    isMade: ({ metrics }) => metrics === "summed",
    make: (study) => ({ ...study, metrics: "summed" }),
  },
  fewerBits: {
    group: "compression",
    written: `aggregation.precisionBits below ${FULL_PRECISION_BITS}`,
    isMade: ({ aggregation }) => aggregation.precisionBits < FULL_PRECISION_BITS,
    make: (study) => withAggregation(study, { precisionBits: 16 }),
  },
  quorum: {
    group: "partial work",
    written: "rounds.quorum: a number",
    isMade: ({ rounds }) => rounds.quorum !== "all",
    make: (study) => ({ ...study, rounds: { ...study.rounds, quorum: 2 } }),
  },
  stepsByCases: {
    group: "partial work",
    written: "training.stepsPerRound.patchesPerCase",
    isMade: ({ training }) => typeof training.stepsPerRound !== "number",
    make: (study) => withTraining(study, { stepsPerRound: { patchesPerCase: 1 } }),
  },
  batch: {
    group: "optimiser",
    written: "training.batch above 1",
    isMade: ({ training }) => training.batch !== 1,
    make: (study) => withTraining(study, { batch: 2 }),
  },
  accumulate: {
    group: "optimiser",
    written: "training.accumulate above 1",
    isMade: ({ training }) => training.accumulate !== 1,
    make: (study) => withTraining(study, { accumulate: 2 }),
  },
  momentsKept: {
    group: "optimiser",
    written: "training.optimiserState: keep",
    isMade: ({ training }) => training.optimiserState === "keep",
    make: (study) => withTraining(study, { optimiserState: "keep" }),
  },
  momentsReset: {
    group: "optimiser",
    written: "training.optimiserState: reset",
    isMade: ({ training }) => training.optimiserState === "reset",
    make: (study) => withTraining(study, { optimiserState: "reset" }),
  },
  runningStatistics: {
    group: "norms",
    written: "training.runningStatistics: averaged",
    isMade: ({ training }) => training.runningStatistics === "averaged",
    make: (study) => withTraining(study, { runningStatistics: "averaged" }),
  },
} as const satisfies Record<string, Choice>;

export type ChoiceName = keyof typeof CHOICES;

/** Two choices that exclude each other. */
export interface Exclusion extends Omit<StudyProblem, "actual"> {
  readonly between: readonly [ChoiceName, ChoiceName];
  readonly actual: (study: Study) => string;
}

export const EXCLUSIONS: readonly Exclusion[] = [
  {
    between: ["patientLevel", "batch"],
    path: "training.batch",
    expected: "1 with privacy.patientLevel",
    actual: ({ training }) => String(training.batch),
    hint: "The Dice of a batch joins its patients, and nobody could clip what one of them adds: take patientLevel.samplingRate and patchesPerScan instead.",
  },
  {
    between: ["patientLevel", "accumulate"],
    path: "training.accumulate",
    expected: "1 with privacy.patientLevel",
    actual: ({ training }) => String(training.accumulate),
    hint: "A step sums the gradients of all who take part already: take a higher patientLevel.samplingRate.",
  },
  {
    between: ["patientLevel", "stepsByCases"],
    path: "training.stepsPerRound",
    expected: "a number of steps with privacy.patientLevel",
    actual: () => "patchesPerCase, by which the steps depend on the patients",
    hint: "Write the number of steps: the noise is accounted for step by step.",
  },
  {
    between: ["patientLevel", "runningStatistics"],
    path: "training.runningStatistics",
    expected: "frozen with privacy.patientLevel",
    actual: ({ training }) => training.runningStatistics,
    hint: "Running statistics are made from patients without noise: freeze them, or take norms over each case.",
  },
];

/** A choice that another must come with. */
export interface Need extends Omit<StudyProblem, "actual"> {
  readonly choice: ChoiceName;
  readonly needs: ChoiceName;
}

export const NEEDS: readonly Need[] = [
  {
    choice: "summedFigures",
    needs: "masking",
    path: "metrics",
    expected: "perSite without privacy.secureAggregation",
    hint: "Figures are hidden by travelling in the masked sum: declare secureAggregation, or let sites tell their figures.",
  },
];

/** Every rule that a study breaks. */
export function combinationProblems(study: Study): StudyProblem[] {
  const made = (name: ChoiceName): boolean => CHOICES[name].isMade(study);
  const unmet = NEEDS.filter(({ choice, needs }) => made(choice) && !made(needs)).map(
    ({ choice, path, expected, hint }) => ({ path, expected, actual: CHOICES[choice].written, hint }),
  );
  return [...unmet, ...excluded(study)];
}

function excluded(study: Study): StudyProblem[] {
  return EXCLUSIONS.filter(({ between }) => between.every((name) => CHOICES[name].isMade(study))).map(
    ({ path, expected, actual, hint }) => ({ path, expected, actual: actual(study), hint }),
  );
}

export function exclusionBetween(a: ChoiceName, b: ChoiceName): Exclusion | undefined {
  return EXCLUSIONS.find(({ between }) => between.includes(a) && between.includes(b) && a !== b);
}
