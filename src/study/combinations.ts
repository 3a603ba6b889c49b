/**
 * What of a study goes together and what does not: one table, by which studies are refused (`study-consistency`) and
 * from which docs/COMBINATIONS.md is made. A rule that is not here is not enforced, and one that is here is shown.
 */
import type { Study } from "./schema.ts";
import { statisticsSchema } from "./statistics-schema.ts";
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

const SITE_LEVEL = { clipNorm: 1, noiseMultiplier: 1, delta: 1e-3, colluders: 0 };

/** Bits of an update where a study says nothing. */
const FULL_PRECISION_BITS = 28;

const PLAIN_SGD = { kind: "sgd", learningRate: 0.01, momentum: 0, nesterov: false, weightDecay: 0 } as const;

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
  controlVariate: {
    group: "algorithm",
    written: "training.controlVariate (SCAFFOLD)",
    isMade: ({ training }) => training.controlVariate,
    make: (study) => withTraining(study, { controlVariate: true, optimiser: PLAIN_SGD }),
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
  siteLevel: {
    group: "privacy",
    written: "privacy.siteLevel: without weightCap",
    isMade: ({ privacy }) => privacy.siteLevel !== undefined && privacy.siteLevel.weightCap === undefined,
    make: (study) => withPrivacy(study, { siteLevel: SITE_LEVEL }),
  },
  siteLevelCapped: {
    group: "privacy",
    written: "privacy.siteLevel: with weightCap",
    isMade: ({ privacy }) => privacy.siteLevel?.weightCap !== undefined,
    make: (study) => withPrivacy(study, { siteLevel: { ...SITE_LEVEL, weightCap: 50 } }),
  },
  summedFigures: {
    group: "figures",
    written: "metrics: summed",
    isMade: ({ metrics }) => metrics === "summed",
    make: (study) => ({ ...study, metrics: "summed" }),
  },
  evaluateLocal: {
    group: "figures",
    written: "rounds.evaluateLocal",
    isMade: ({ rounds }) => rounds.evaluateLocal === true,
    make: (study) => ({ ...study, rounds: { ...study.rounds, evaluateLocal: true } }),
  },
  crossSite: {
    group: "figures",
    written: "rounds.crossSite",
    isMade: ({ rounds }) => rounds.crossSite !== undefined,
    make: (study) => ({ ...study, rounds: { ...study.rounds, crossSite: "last" } }),
  },
  statistics: {
    group: "figures",
    written: "statistics",
    isMade: ({ statistics }) => statistics !== undefined,
    make: (study) => ({ ...study, statistics: statisticsSchema.parse({ labels: true }) }),
  },
  evaluateOnly: {
    group: "figures",
    written: "evaluateOnly",
    isMade: ({ evaluateOnly }) => evaluateOnly !== undefined,
    make: (study) => ({ ...study, evaluateOnly: ["elsewhere"] }),
  },
  stopEarly: {
    group: "figures",
    written: "rounds.stopEarly",
    isMade: ({ rounds }) => rounds.stopEarly !== undefined,
    make: (study) => ({ ...study, rounds: { ...study.rounds, stopEarly: { patience: 2, gain: 0 } } }),
  },
  fewerBits: {
    group: "compression",
    written: `aggregation.precisionBits below ${FULL_PRECISION_BITS}`,
    isMade: ({ aggregation }) => aggregation.precisionBits < FULL_PRECISION_BITS,
    make: (study) => withAggregation(study, { precisionBits: 16 }),
  },
  halves: {
    group: "compression",
    written: "aggregation.encoding: float16",
    isMade: ({ aggregation }) => aggregation.encoding === "float16",
    make: (study) => withAggregation(study, { encoding: "float16" }),
  },
  bytes: {
    group: "compression",
    written: "aggregation.encoding: int8",
    isMade: ({ aggregation }) => aggregation.encoding === "int8",
    make: (study) => withAggregation(study, { encoding: "int8" }),
  },
  quorum: {
    group: "partial work",
    written: "rounds.quorum: a number",
    isMade: ({ rounds }) => rounds.quorum !== "all",
    make: (study) => ({ ...study, rounds: { ...study.rounds, quorum: 2 } }),
  },
  sitesDrawn: {
    group: "partial work",
    written: "rounds.sitesPerRound",
    isMade: ({ rounds }) => rounds.sitesPerRound !== undefined,
    make: (study) => ({ ...study, rounds: { ...study.rounds, sitesPerRound: 2 } }),
  },
  partialWork: {
    group: "partial work",
    written: "rounds.partialWork",
    isMade: ({ rounds }) => rounds.partialWork !== undefined,
    make: (study) => ({ ...study, rounds: { ...study.rounds, partialWork: { leastShare: 0.25 } } }),
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
  momentsShared: {
    group: "optimiser",
    written: "training.optimiserState: share",
    isMade: ({ training }) => training.optimiserState === "share",
    make: (study) => withTraining(study, { optimiserState: "share" }),
  },
  runningStatistics: {
    group: "norms",
    written: "training.runningStatistics: averaged",
    isMade: ({ training }) => training.runningStatistics === "averaged",
    make: (study) => withTraining(study, { runningStatistics: "averaged" }),
  },
  localStatistics: {
    group: "norms",
    written: "training.runningStatistics: local",
    isMade: ({ training }) => training.runningStatistics === "local",
    make: (study) => withTraining(study, { runningStatistics: "local" }),
  },
} as const satisfies Record<string, Choice>;

export type ChoiceName = keyof typeof CHOICES;

/** Two choices that exclude each other. */
export interface Exclusion extends Omit<StudyProblem, "actual"> {
  readonly between: readonly [ChoiceName, ChoiceName];
  readonly actual: (study: Study) => string;
}

const UNDER_MASKS = {
  path: "aggregation.encoding",
  expected: "int32 with privacy.secureAggregation",
  hint: "Masks hide whole numbers of one modulus, and a rounded number under a mask is another number: lower precisionBits.",
} as const;

function matrixRounds({ crossSite }: Study["rounds"]): string {
  return typeof crossSite === "object" ? crossSite.join(", ") : String(crossSite);
}

const UNDER_SITE_NOISE = {
  path: "training.runningStatistics",
  expected: "averaged or frozen with privacy.siteLevel",
  hint: "Noise on every number of the model would move statistics that no site trains.",
} as const;

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
    between: ["controlVariate", "siteLevel"],
    path: "training.controlVariate",
    expected: "false with privacy.siteLevel",
    actual: () => "true",
    hint: "What travels beside the model would be cut and drowned with it: leave it at the sites.",
  },
  {
    between: ["momentsShared", "siteLevel"],
    path: "training.optimiserState",
    expected: "keep or reset with privacy.siteLevel",
    actual: () => "share",
    hint: "What travels beside the model would be cut and drowned with it: leave it at the sites.",
  },
  {
    between: ["controlVariate", "siteLevelCapped"],
    path: "training.controlVariate",
    expected: "false with privacy.siteLevel",
    actual: () => "true",
    hint: "What travels beside the model would be cut and drowned with it: leave it at the sites.",
  },
  {
    between: ["momentsShared", "siteLevelCapped"],
    path: "training.optimiserState",
    expected: "keep or reset with privacy.siteLevel",
    actual: () => "share",
    hint: "What travels beside the model would be cut and drowned with it: leave it at the sites.",
  },
  {
    between: ["controlVariate", "patientLevel"],
    path: "training.controlVariate",
    expected: "false with privacy.patientLevel",
    actual: () => "true",
    hint: "A control variate is worth what its gradients are, and these are mostly noise: take training.proximal.",
  },
  {
    between: ["controlVariate", "quorum"],
    path: "rounds.quorum",
    expected: "all with training.controlVariate",
    actual: ({ rounds }) => String(rounds.quorum),
    hint: "The mean control variate is that of all sites: one that was left out would count as if it had not moved.",
  },
  {
    between: ["controlVariate", "sitesDrawn"],
    path: "rounds.sitesPerRound",
    expected: "none with training.controlVariate",
    actual: ({ rounds }) => String(rounds.sitesPerRound),
    hint: "The mean control variate is that of all sites: one that was not drawn would count as if it had not moved.",
  },
  {
    between: ["masking", "sitesDrawn"],
    path: "rounds.sitesPerRound",
    expected: "none with privacy.secureAggregation",
    actual: ({ rounds }) => String(rounds.sitesPerRound),
    hint: "A sum over few sites tells much of each: let every site train in a masked round.",
  },
  {
    between: ["masking", "evaluateLocal"],
    path: "rounds.evaluateLocal",
    expected: "false with privacy.secureAggregation",
    actual: () => "true",
    hint: "Scores of a site's own model are reckoned from its update, and tell what masks and noise are there to hide.",
  },
  {
    between: ["masking", "crossSite"],
    path: "rounds.crossSite",
    expected: "none with privacy.secureAggregation",
    actual: ({ rounds }) => matrixRounds(rounds),
    hint: "Each site's own model would go to every other site, and masks are there so that nobody has it: leave the matrix out, or the masks.",
  },
  {
    between: ["localStatistics", "crossSite"],
    path: "rounds.crossSite",
    expected: "none with training.runningStatistics: local",
    actual: ({ rounds }) => matrixRounds(rounds),
    hint: "A site's own model is whole only with the running statistics that stay there: average or freeze them, or leave the matrix out.",
  },
  {
    between: ["controlVariate", "fewerBits"],
    path: "aggregation.precisionBits",
    expected: `${FULL_PRECISION_BITS} or more with training.controlVariate`,
    actual: ({ aggregation }) => String(aggregation.precisionBits),
    hint: "Gradients are smaller than weights and would be rounded away.",
  },
  {
    between: ["momentsShared", "fewerBits"],
    path: "aggregation.precisionBits",
    expected: `${FULL_PRECISION_BITS} or more with training.optimiserState: share`,
    actual: ({ aggregation }) => String(aggregation.precisionBits),
    hint: "Moments are smaller than weights and would be rounded away.",
  },
  {
    between: ["patientLevel", "runningStatistics"],
    path: "training.runningStatistics",
    expected: "frozen with privacy.patientLevel",
    actual: ({ training }) => training.runningStatistics,
    hint: "Running statistics are made from patients without noise: freeze them, or take norms over each case.",
  },
  {
    between: ["patientLevel", "localStatistics"],
    path: "training.runningStatistics",
    expected: "frozen with privacy.patientLevel",
    actual: ({ training }) => training.runningStatistics,
    hint: "Running statistics are made from patients without noise, and figures that leave would be made with them: freeze them, or take norms over each case.",
  },
  { between: ["siteLevel", "localStatistics"], ...UNDER_SITE_NOISE, actual: () => "local" },
  { between: ["siteLevelCapped", "localStatistics"], ...UNDER_SITE_NOISE, actual: () => "local" },
  { between: ["masking", "halves"], ...UNDER_MASKS, actual: () => "float16" },
  { between: ["masking", "bytes"], ...UNDER_MASKS, actual: () => "int8" },
  {
    between: ["masking", "partialWork"],
    path: "rounds.partialWork",
    expected: "none with privacy.secureAggregation",
    actual: () => "some",
    hint: "Under masks nobody can divide a site's weight by what it did, and its steps would tell what the mask hides.",
  },
  {
    between: ["patientLevel", "partialWork"],
    path: "rounds.partialWork",
    expected: "none with privacy.patientLevel",
    actual: () => "some",
    hint: "How far a site came in its time depends on its patients, and no noise is on that.",
  },
  {
    between: ["controlVariate", "partialWork"],
    path: "rounds.partialWork",
    expected: "none with training.controlVariate",
    actual: () => "some",
    hint: "Control variates are told by how far a whole round's steps went.",
  },
  {
    between: ["evaluateLocal", "partialWork"],
    path: "rounds.evaluateLocal",
    expected: "false with rounds.partialWork",
    actual: () => "true",
    hint: "Scoring its own model takes time that a late site does not have.",
  },
  {
    between: ["controlVariate", "bytes"],
    path: "aggregation.encoding",
    expected: "int32 or float16 with training.controlVariate",
    actual: () => "int8",
    hint: "Gradients are smaller than weights and would be rounded away.",
  },
  {
    between: ["momentsShared", "bytes"],
    path: "aggregation.encoding",
    expected: "int32 or float16 with training.optimiserState: share",
    actual: () => "int8",
    hint: "Moments are smaller than weights and would be rounded away.",
  },
  {
    between: ["summedFigures", "evaluateOnly"],
    path: "evaluateOnly",
    expected: "no site with metrics: summed",
    actual: ({ evaluateOnly = [] }) => evaluateOnly.join(", "),
    hint: "Figures travel inside the masked sum of updates, which a site that trains nothing has no part in.",
  },
  {
    between: ["summedFigures", "statistics"],
    path: "statistics",
    expected: "none with metrics: summed",
    actual: () => "some",
    hint: "Statistics go to the coordinator site by site, and figures of single sites are what metrics: summed hides: ask for them in a study of their own.",
  },
];

/** A choice that another must come with. */
export interface Need extends Omit<StudyProblem, "actual"> {
  readonly choice: ChoiceName;
  readonly needs: ChoiceName;
}

const MASKED_NOISE = {
  needs: "masking",
  path: "privacy.siteLevel",
  expected: "privacy.secureAggregation beside it",
  hint: "Sites add the noise in shares under masks: declare secureAggregation.",
} as const;

export const NEEDS: readonly Need[] = [
  { choice: "siteLevel", ...MASKED_NOISE },
  {
    choice: "siteLevel",
    needs: "weightEqual",
    path: "aggregation.weightBy",
    expected: "equal with privacy.siteLevel, or siteLevel.weightCap",
    hint: "Without a cap nobody could say how much one site may change the sum.",
  },
  { choice: "siteLevelCapped", ...MASKED_NOISE },
  {
    choice: "siteLevelCapped",
    needs: "weightByCases",
    path: "privacy.siteLevel.weightCap",
    expected: "none where sites weigh equally",
    hint: "Leave it out, or weigh by cases.",
  },
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

/** What a choice needs that another one is instead of: then the two do not go together either. */
export function needAgainst(a: ChoiceName, b: ChoiceName): Need | undefined {
  return NEEDS.find(
    ({ choice, needs }) =>
      (choice === a && needs !== b && areAlternatives(needs, b)) ||
      (choice === b && needs !== a && areAlternatives(needs, a)),
  );
}

/** Whether making one choice unmakes the other: both stand under one key of the study. */
export function areAlternatives(a: ChoiceName, b: ChoiceName): boolean {
  const key = ({ written }: Choice): string => written.split(":")[0];
  return key(CHOICES[a]) === key(CHOICES[b]);
}

/** The rule by which two choices exclude each other, or one of them what the other needs. */
export function exclusionBetween(a: ChoiceName, b: ChoiceName): Exclusion | undefined {
  const needsOf = (name: ChoiceName): ChoiceName[] => [
    name,
    ...NEEDS.filter(({ choice }) => choice === name).map(({ needs }) => needs),
  ];
  const pairs = needsOf(a).flatMap((one) => needsOf(b).map((other) => [one, other] as const));
  return pairs
    .map(([one, other]) =>
      EXCLUSIONS.find(({ between }) => one !== other && between.includes(one) && between.includes(other)),
    )
    .find((exclusion) => exclusion !== undefined);
}
