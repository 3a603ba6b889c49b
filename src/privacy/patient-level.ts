/**
 * What private training as a study declares it amounts to, as events that the accountants interpret: each gradient
 * step is a Gaussian mechanism on a Poisson sample of the site's patients, neighbours by adding or removing one.
 */
import type { Study } from "../study/index.ts";
import type { DpEvent } from "./accounting/dp-event.ts";
import { type Accountant, type PrivacySpent, privacySpent } from "./accounting/epsilon.ts";

/** What one round of training spends on each patient of a site; undefined without patient-level privacy. */
export function patientLevelRound({ privacy, training }: Study): DpEvent | undefined {
  const { patientLevel } = privacy;
  const { stepsPerRound } = training;
  if (patientLevel === undefined || typeof stepsPerRound !== "number") return undefined;
  const { noiseMultiplier, samplingRate } = patientLevel;
  const gaussian = { kind: "gaussian", noiseMultiplier } as const;
  const event: DpEvent = samplingRate === 1 ? gaussian : { kind: "poissonSampled", samplingRate, event: gaussian };
  return { kind: "selfComposed", count: stepsPerRound, event };
}

/** The same of so many rounds, at least one. */
export function patientLevelRounds(study: Study, rounds: number): DpEvent | undefined {
  const event = patientLevelRound(study);
  return event && { kind: "selfComposed", count: rounds, event };
}

/** Epsilon of the whole study at its own delta, for each patient of each site; undefined where nothing is noised. */
export function plannedPrivacy(study: Study, accountant: Accountant = "rdp"): PrivacySpent | undefined {
  const event = patientLevelRounds(study, study.rounds.count);
  const { patientLevel } = study.privacy;
  return event && patientLevel && privacySpent(event, patientLevel.delta, accountant);
}

/**
 * What leaves a site or can be seen of it beside noised updates, and says something about patients without any noise:
 * no epsilon here covers it.
 */
export const OUTSIDE_THE_ACCOUNT: readonly string[] = [
  "Figures of evaluation (Dice, HD95) and what is decided by them, the choice of the best model and early stopping: of validation patients, on whom no model is trained.",
  "Numbers of training and validation cases: the size of a site also enters the divisor and the weight of its update.",
  "Statistics of the data.",
  "When a step ends, by which one may guess how many patients took part, and that training failed, where it did.",
  "What the hospital does with its data elsewhere, and models that it trained by itself.",
];
