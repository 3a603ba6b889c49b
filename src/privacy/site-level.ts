/**
 * Privacy of a whole site's contribution, by noise that sites add in shares under masks (Kairouz, Liu and Steinke 2021,
 * "The Distributed Discrete Gaussian Mechanism for Federated Learning with Secure Aggregation", algorithms 1 and 2), with
 * a clip norm that may follow the data (Andrew et al. 2021, "Differentially Private Learning with Adaptive Clipping",
 * algorithm 1).
 *
 * Neighbours: the same round with one site's update replaced by zero. A site's update is clipped, written down as whole
 * numbers in one step size for all tensors, multiplied by its weight, and noised; the coordinator sees the sum.
 *
 * Invariants
 * - A site's integers have an L2 norm of at most clipNorm / step + sqrt(d) / 2: each coordinate is rounded by at most
 *   half a step. This is the sensitivity, times the largest weight; noise is scaled to it, rounding included.
 * - The noise of threshold - colluders sites alone reaches the declared multiplier: more survivors only add to it.
 * - The clip norm that the coordinator names changes the noise with the sensitivity, never their ratio.
 * - Noise is whole numbers by exact arithmetic on cryptographic bits, drawn once for a round and kept masked.
 *
 * Divergence from the paper: no random rotation and no stochastic rounding. Words of 64 bits (or an update's 16 to 32)
 * are wide enough for steps so fine that neither is needed: rounding adds sqrt(d) / 2 steps to a norm of about 2^24.
 */
import { coordinateLimit } from "../aggregation/index.ts";
import { ConsiliumError, invariant } from "../base/index.ts";
import type { Study } from "../study/index.ts";
import type { DpEvent, DpLeaf } from "./accounting/dp-event.ts";
import { type Accountant, type PrivacySpent, privacySpent } from "./accounting/epsilon.ts";
import { nextClipNorm, updateNoiseMultiplier } from "./mechanisms/clip-norm.ts";
import { patientLevelRound, patientLevelRounds } from "./patient-level.ts";

/** Standard deviations of noise for which a word has room: beyond lie 2 exp(-72) of the draws. */
const TAIL_DEVIATIONS = 12;
/** Steps of the one number that says whether an update was within the clip norm. */
const COUNT_STEPS = 1 << 10;

export interface SiteNoise {
  readonly clipNorm: number;
  /** Model units of one step: a power of two. */
  readonly stepSize: number;
  /** The largest weight of a site. */
  readonly maxWeight: number;
  /** L2 norm of what one site adds to the sum, in steps, rounding included. */
  readonly sensitivitySteps: number;
  /** Standard deviation of one site's noise on each coordinate, in steps. */
  readonly deviationSteps: number;
  /** With adaptive clipping: the same of the count of sites within the clip norm. */
  readonly count?: { readonly valueSteps: number; readonly deviationSteps: number };
  /** What a round spends on a site: its update present, or zero. */
  readonly event: DpEvent;
}

/**
 * Noise of one round, as every site and the coordinator derive it.
 * @param dimension coordinates of an update
 * @param clipNorm of this round; the study's own unless it follows the data
 * @throws ConsiliumError `privacy-parameters` where words of the study's precision are too coarse for it
 */
export function siteNoise(
  study: Study,
  dimension: number,
  clipNorm = study.privacy.siteLevel?.clipNorm,
): SiteNoise | undefined {
  const { siteLevel, secureAggregation } = study.privacy;
  if (siteLevel === undefined || secureAggregation === undefined || clipNorm === undefined) return undefined;
  const { noiseMultiplier, adaptive, colluders } = siteLevel;
  const sites = secureAggregation.threshold - colluders;
  const maxWeight = largestSiteWeight(study);
  const multiplier = adaptive ? updateNoiseMultiplier(noiseMultiplier, adaptive.countDeviation) : noiseMultiplier;
  const perSite = multiplier / Math.sqrt(sites);
  const limit = coordinateLimit(study.aggregation.precisionBits);
  const stepSize = finestStep(clipNorm, dimension, limit / (maxWeight * (1 + TAIL_DEVIATIONS * perSite)));
  if (stepSize === undefined) throw tooCoarse(study);
  const sensitivitySteps = maxWeight * largestNormSteps(clipNorm, stepSize, dimension);
  const deviationSteps = perSite * sensitivitySteps;
  if (deviationSteps < 0.5) throw tooCoarse(study);
  const count = adaptive && {
    valueSteps: COUNT_STEPS,
    // Each site adds a half or minus a half; countDeviation is of their sum.
    deviationSteps: (2 * adaptive.countDeviation * COUNT_STEPS) / Math.sqrt(sites),
  };
  const update = summedNoise(sites, deviationSteps, sensitivitySteps, dimension);
  const event: DpEvent =
    count === undefined
      ? update
      : { kind: "composed", events: [update, summedNoise(sites, count.deviationSteps, count.valueSteps, 1)] };
  return { clipNorm, stepSize, maxWeight, sensitivitySteps, deviationSteps, ...(count && { count }), event };
}

function summedNoise(sites: number, deviation: number, sensitivity: number, dimension: number): DpLeaf {
  return {
    kind: "distributedDiscreteGaussian",
    sites,
    stepsStandardDeviation: deviation,
    stepsSensitivity: sensitivity,
    dimension,
  };
}

/** The largest weight: 1, or the declared cap. */
function largestSiteWeight({ aggregation, privacy }: Study): number {
  return aggregation.weightBy === "equal" ? 1 : (privacy.siteLevel?.weightCap ?? 1);
}

/** What a site counts for: its cases, at most the cap where there is one. */
export function siteWeight({ aggregation, privacy }: Study, trainingCases: number): number {
  if (aggregation.weightBy === "equal") return 1;
  return Math.min(trainingCases, privacy.siteLevel?.weightCap ?? trainingCases);
}

function largestNormSteps(clipNorm: number, stepSize: number, dimension: number): number {
  return clipNorm / stepSize + Math.sqrt(dimension) / 2;
}

/** The smallest power of two at which a clipped update has at most so many steps; none where rounding alone has more. */
function finestStep(clipNorm: number, dimension: number, mostSteps: number): number | undefined {
  const room = mostSteps - Math.sqrt(dimension) / 2;
  if (room < 1) return undefined;
  return 2 ** Math.ceil(Math.log2(clipNorm / room));
}

function tooCoarse({ aggregation, name }: Study): ConsiliumError {
  return new ConsiliumError("privacy-parameters", {
    subject: `study "${name}", privacy.siteLevel`,
    expected: "words in which clipped updates and their noise have room, at half a step of noise or more",
    actual: `none at aggregation.precisionBits ${aggregation.precisionBits}`,
    hint: "Raise aggregation.precisionBits or the noise multiplier.",
  });
}

export interface ClippedUpdate {
  /** Whole steps, [P]; L2 norm at most clipNorm / stepSize + sqrt(P) / 2. */
  readonly coordinates: Int32Array;
  /** Whether the update was within the clip norm as it was. */
  readonly within: boolean;
}

/** local - global, clipped to an L2 norm and rounded half to even. @throws ConsiliumError `update-not-finite` */
export function clipSiteUpdate(
  global: Float32Array,
  local: Float32Array,
  { clipNorm, stepSize }: Pick<SiteNoise, "clipNorm" | "stepSize">,
): ClippedUpdate {
  invariant(global.length === local.length, "models of one layout");
  let squares = 0;
  for (let i = 0; i < local.length; i++) squares += (local[i] - global[i]) ** 2;
  const norm = Math.sqrt(squares);
  if (!Number.isFinite(norm)) {
    throw new ConsiliumError("update-not-finite", {
      subject: "this site's update",
      expected: "finite numbers",
      actual: "NaN or an infinity",
      hint: "Training diverged at this site: nothing was sent. Lower the learning rate of the study.",
    });
  }
  const factor = Math.min(1, clipNorm / norm || 1) / stepSize;
  const coordinates = new Int32Array(local.length);
  let steps = 0;
  for (let i = 0; i < local.length; i++) {
    coordinates[i] = halfToEven((local[i] - global[i]) * factor);
    steps += coordinates[i] ** 2;
  }
  invariant(
    Math.sqrt(steps) <= largestNormSteps(clipNorm, stepSize, local.length) * (1 + 2 ** -40),
    "an update within its sensitivity",
  );
  return { coordinates, within: norm <= clipNorm };
}

/** Half to even where the magnitude is below 2^51. */
function halfToEven(value: number): number {
  return value + 6755399441055744 - 6755399441055744;
}

/** This site's share of the count of updates within the clip norm, before its noise. */
export function countedWithin({ count }: SiteNoise, within: boolean): number {
  invariant(count !== undefined, "a clip norm that follows the data");
  return within ? count.valueSteps : -count.valueSteps;
}

/** The next round's clip norm from the noised count of a round. @param sites in the sum */
export function clipNormAfter(study: Study, clipNorm: number, countSteps: number, sites: number): number {
  const adaptive = study.privacy.siteLevel?.adaptive;
  if (adaptive === undefined) return clipNorm;
  return nextClipNorm(clipNorm, (countSteps / COUNT_STEPS / sites + 1) / 2, adaptive);
}

/**
 * What a round tells about one patient of a site: another patient may turn a clipped update into any other, which is
 * twice as far as from zero. A hospital's ledger, whose unit is the patient, has this event.
 */
export function patientEventOf(event: DpEvent): DpEvent {
  switch (event.kind) {
    case "distributedDiscreteGaussian":
      return { ...event, stepsSensitivity: 2 * event.stepsSensitivity };
    case "gaussian":
      return { ...event, noiseMultiplier: event.noiseMultiplier / 2 };
    case "composed":
      return { ...event, events: event.events.map(patientEventOf) };
    case "selfComposed":
      return { ...event, event: patientEventOf(event.event) };
    default:
      throw new ConsiliumError("internal", {
        subject: "site-level event",
        expected: "summed noise",
        actual: event.kind,
        hint: "This is a defect: please report it.",
      });
  }
}

/** Rounds of a study for the site as a whole: what summed noise is worth, the tiny excess of its sum's shape aside. */
function siteLevelRounds({ privacy }: Study, rounds: number): DpEvent | undefined {
  if (privacy.siteLevel === undefined) return undefined;
  const { noiseMultiplier } = privacy.siteLevel;
  return { kind: "selfComposed", count: rounds, event: { kind: "gaussian", noiseMultiplier } };
}

/** Epsilon of a whole study for each site: its updates present, or zero. */
export function plannedSitePrivacy(study: Study, accountant: Accountant = "rdp"): PrivacySpent | undefined {
  const event = siteLevelRounds(study, study.rounds.count);
  const { siteLevel } = study.privacy;
  return event && siteLevel && privacySpent(event, siteLevel.delta, accountant);
}

/** What a hospital's ledger, whose unit is the patient, pays for a round; undefined where nothing is noised. */
export function ledgerRound(study: Study, dimension: number, clipNorm?: number): DpEvent | undefined {
  const ofPatients = patientLevelRound(study);
  if (ofPatients !== undefined) return ofPatients;
  const noise = siteNoise(study, dimension, clipNorm);
  return noise && patientEventOf(noise.event);
}

/** The same of so many rounds, as planned. */
export function ledgerRounds(study: Study, rounds: number): DpEvent | undefined {
  const ofPatients = patientLevelRounds(study, rounds);
  if (ofPatients !== undefined) return ofPatients;
  const ofSites = siteLevelRounds(study, rounds);
  return ofSites && patientEventOf(ofSites);
}

/** Epsilon of a whole study in a hospital's ledger, at the study's own delta. */
export function plannedLedger(study: Study, accountant: Accountant = "rdp"): PrivacySpent | undefined {
  const { patientLevel, siteLevel } = study.privacy;
  const event = ledgerRounds(study, study.rounds.count);
  const delta = (patientLevel ?? siteLevel)?.delta;
  return event && delta !== undefined ? privacySpent(event, delta, accountant) : undefined;
}

/** Whether the mean loss, which is made from patients and has no noise, may leave a site. */
export function isLossTold({ privacy }: Study): boolean {
  return privacy.patientLevel === undefined && privacy.siteLevel === undefined;
}

/**
 * Whether a second masked sum of the same model's updates would betray no site: noise of each round is its own. Summed
 * figures have no noise.
 */
export function isMaskedAnew(study: Study): boolean {
  return !isLossTold(study) && study.metrics !== "summed";
}
