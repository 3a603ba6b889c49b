/**
 * A site's part in masked rounds: each step is answered once, and what was answered is on disk before it is sent.
 *
 * `study/<hash>/masking` holds the protocol's state of one round with every answer given in it. A step that is asked
 * again gets the same bytes; another list of survivors, or a round before the present one, is refused. The document
 * holds secrets of the round until the list of survivors is signed, or the study has ended here: it lies in the site's
 * home, beside its key.
 *
 * Invariants
 * - A round has one attempt at this site: there is no way to a second set of masks for it.
 * - Signature and shares of secrets leave only under the list that the document has.
 * - Roster and threshold come from what this site's reviewer approved, never from the coordinator's message.
 */
import { randomBytes } from "node:crypto";
import { BYTES_PER_COORDINATE } from "../aggregation/index.ts";
import { ConsiliumError, invariant, LIMITS, type Sha256 } from "../base/index.ts";
import {
  advertiseKeys,
  contextOfRound,
  countedWithin,
  createDiscreteGaussian,
  createMaskedInput,
  encodeFigures,
  isMaskedAnew,
  isMaskingStep,
  MASKING_ORDERS,
  type MaskingStep,
  maskedInputBytes,
  maskFigures,
  maskInput,
  type RoundContext,
  readMasking,
  restoreMasking,
  revealShares,
  type SiteAdvertised,
  type SiteMasked,
  type SiteNoise,
  type SiteRevealed,
  type SiteShared,
  type SiteSigned,
  type SummedFigures,
  shareSecrets,
  signSurvivors,
  signWithSiteKey,
  siteNoise,
  siteWeight,
  verifyByRoster,
  wordBitsFor,
  writeMasking,
} from "../privacy/index.ts";
import type { Directive, MaskingOrder } from "../protocol/index.ts";
import { type Study, siteTrains } from "../study/index.ts";
import { type MaskingDocument, maskingDocumentName, readMaskingDocument, revealedFrom } from "./masking-document.ts";
import type { Answer } from "./outgoing.ts";
import { approvedReview, type StudyReview } from "./reviews.ts";
import { type Shift, say, type Worked } from "./shift.ts";
import type { SiteStore } from "./site-store.ts";
import type { MadeUpdate } from "./study-progress.ts";

type SiteState = SiteAdvertised | SiteShared | SiteMasked | SiteSigned | SiteRevealed;

/** @throws ConsiliumError `study-not-approved`, and whatever the protocol refuses (`masking-...`, `signature-invalid`) */
export async function answerMaskingStep(shift: Shift, _: Directive, order: MaskingOrder): Promise<Worked<Answer>> {
  const { studyHash, round, step } = order;
  const review = await approvedReview(shift.site.store, studyHash);
  if (!isMaskingStep(step)) throw unknownStep(round, step);
  const { known, before } = await documentsFor(shift, studyHash, round);
  const text = Buffer.from(order.payload).toString("utf8");
  const next = await nextDocument(shift, review, known, { round, step, text, before });
  // On disk before it is sent, and unchanged where it was sent before.
  if (next !== known) await shift.site.store.write(maskingDocumentName(studyHash), next);
  const payload = next.answers[step];
  invariant(payload !== undefined, "an answer to the step");
  const answer = await say(shift, {
    what: "masking message",
    studyHash,
    round,
    attempt: 0,
    kind: { case: "masking", value: { round, step, payload: new TextEncoder().encode(payload) } },
  });
  return { kind: "finished", value: answer };
}

interface Documents {
  /** Of this round. */
  readonly known: MaskingDocument | undefined;
  /** Of the last round before it, where this one is not begun. */
  readonly before: MaskingDocument | undefined;
}

async function documentsFor(shift: Shift, hash: Sha256, round: number): Promise<Documents> {
  const known = await readMaskingDocument(shift.site.store, hash);
  if (known === undefined || known.round < round) return { known: undefined, before: known };
  if (known.round === round) return { known, before: undefined };
  throw new ConsiliumError("masking-round-revealed", {
    subject: `study ${hash.slice(0, 12)}, masking of round ${round}`,
    expected: `round ${known.round} or later`,
    actual: "an earlier one, which this site has masked before",
    hint: "The coordinator went back: was it restored from an old copy? The study has to be started anew.",
  });
}

interface Asked {
  readonly round: number;
  readonly step: MaskingStep;
  readonly text: string;
  readonly before: MaskingDocument | undefined;
}

async function nextDocument(
  shift: Shift,
  review: StudyReview,
  known: MaskingDocument | undefined,
  { round, step, text, before }: Asked,
): Promise<MaskingDocument> {
  const { siteId, privateKey } = shift.site;
  const ports = {
    randomBytes: (length: number) => new Uint8Array(randomBytes(length)),
    ...signWithSiteKey(privateKey),
    ...verifyByRoster(review.roster),
  };
  const state = known && restoreMasking<SiteState>(known.state);
  const answered = (after: { readonly state: SiteState; readonly message: unknown }): MaskingDocument => ({
    ...revealedFrom(before),
    ...known,
    round,
    state: writeMasking(after.state),
    answers: { ...known?.answers, [step]: writeMasking(after.message) },
  });
  switch (step) {
    case "keys":
      return known ?? answered(advertiseKeys(roundContext(review, round), siteId, [], ports));
    case "shares": {
      if (known?.answers.shares !== undefined) return known;
      const { advertisements } = readMasking(text, MASKING_ORDERS.shares);
      return answered(await shareSecrets(expectState(state, "advertised", step), advertisements, ports));
    }
    case "signature": {
      const { list } = readMasking(text, MASKING_ORDERS.signature);
      const from = state?.kind === "signed" ? state : expectState(state, "masked", step);
      const after = signSurvivors(from, list, ports);
      return after.state === from && known !== undefined ? known : answered(after);
    }
    case "reveal": {
      const { list, signatures } = readMasking(text, MASKING_ORDERS.reveal);
      const from = state?.kind === "revealed" ? state : expectState(state, "signed", step);
      const after = revealShares(from, list, signatures, ports);
      return after.state === from && known !== undefined ? known : answered(after);
    }
    default:
      return step satisfies never;
  }
}

function expectState<K extends SiteState["kind"]>(
  state: SiteState | undefined,
  kind: K,
  step: MaskingStep,
): Extract<SiteState, { kind: K }> {
  if (state?.kind === kind) return state as Extract<SiteState, { kind: K }>;
  throw new ConsiliumError("masking-message-invalid", {
    subject: `step ${step} of a masked round`,
    expected: `it after this site's step ${kind}`,
    actual: state === undefined ? "a round that this site has not begun" : `it after ${state.kind}`,
    hint: "The coordinator does not follow the protocol, or this site's home was restored from an old copy.",
  });
}

/** What this round's keys and signatures are bound to, by what the reviewer approved. */
function roundContext({ study, studyHash, roster }: StudyReview, round: number): RoundContext {
  const { secureAggregation } = study.privacy;
  if (secureAggregation === undefined) throw unknownStep(round, "keys");
  const sites = roster.map(({ siteId }) => siteId).filter((siteId) => siteTrains(study, siteId));
  return contextOfRound(secureAggregation, { studyHash, round, sites, roster });
}

export interface UpdateToMask {
  /** Absent in the round that closes a study with summed figures. */
  readonly sha256?: Sha256;
  readonly trainingCases: number;
  /** With `metrics: summed`. */
  readonly figures?: SummedFigures;
  /** With `privacy.siteLevel`. */
  readonly clipped?: MadeUpdate["clipped"];
}

const STRETCH_COORDINATES = 1 << 18;

/**
 * The masked update of a round, in the store when this returns: the same bytes each time.
 *
 * Not where this site helped to open a sum of updates of the same model before, in a round that a coordinator then calls
 * failed, unless each is noised anew: two sums over nearly the same sites betray the difference.
 * @param order.masking shares that other sites sealed for this one.
 * @throws ConsiliumError `masking-round-revealed`, and what the protocol refuses
 */
export async function maskUpdate(
  shift: Shift,
  order: {
    readonly studyHash: Sha256;
    readonly round: number;
    readonly globalSha256: Sha256;
    readonly masking: Uint8Array;
  },
  update: UpdateToMask,
): Promise<{ readonly sha256: Sha256; readonly bytes: number }> {
  const { store } = shift.site;
  const { studyHash, round, globalSha256 } = order;
  const { known } = await documentsFor(shift, studyHash, round);
  if (known?.masked !== undefined) return known.masked;
  const { study, roster } = await approvedReview(store, studyHash);
  if (known?.revealedFrom?.includes(globalSha256) === true && !isMaskedAnew(study))
    throw openedBefore(studyHash, round);
  const shared = expectState(known && restoreMasking<SiteState>(known.state), "shared", "shares");
  const { sealed } = readMasking(Buffer.from(order.masking).toString("utf8"), MASKING_ORDERS.input);
  const { state, masks } = maskInput(shared, sealed);
  const coordinates = await coordinatesOf(store, update.sha256);
  const noise = siteNoise(study, coordinates.length, update.clipped?.clipNorm);
  const layout = layoutOf(study, roster.length, update.trainingCases);
  const figures = wordsBehind(study, update, noise);
  const content = new Uint8Array(maskedInputBytes(coordinates.length, layout.bits, figures.length));
  const input = createMaskedInput(masks, { ...layout, noise: noise && noiseOf(noise.deviationSteps) });
  let filled = 0;
  for (let at = 0; at < coordinates.length; at += STRETCH_COORDINATES) {
    const words = input.stretch(coordinates.subarray(at, at + STRETCH_COORDINATES));
    content.set(words, filled);
    filled += words.length;
  }
  content.set(input.end(), filled);
  if (figures.length > 0) {
    const words = maskFigures(masks, figures, { coordinates: coordinates.length, bits: layout.bits });
    content.set(words, content.length - words.length);
  }
  const masked = { sha256: await store.keepObject(content), bytes: content.length };
  await store.write(maskingDocumentName(studyHash), {
    round,
    answers: {},
    ...known,
    state: writeMasking(state),
    masked,
    from: globalSha256,
  });
  return masked;
}

function openedBefore(studyHash: Sha256, round: number): ConsiliumError {
  return new ConsiliumError("masking-round-revealed", {
    subject: `study ${studyHash.slice(0, 12)}, masking of round ${round}`,
    expected: "a model to start from of which this site helped to open no sum",
    actual: "one of which it did",
    hint: "Two sums over nearly the same sites betray single ones. The study has to be started anew.",
  });
}

/** Figures that are summed, then the noised word that says whether the update was within the clip norm. */
function wordsBehind(study: Study, { figures, clipped }: UpdateToMask, noise: SiteNoise | undefined): Float64Array {
  const scores = figures === undefined ? [] : encodeFigures(Object.keys(study.task.regions), figures);
  if (noise?.count === undefined) return Float64Array.from(scores);
  // A round that only closes a study has no update to count.
  const counted = clipped === undefined ? 0 : countedWithin(noise, clipped.within);
  return Float64Array.from([...scores, counted + noiseOf(noise.count.deviationSteps)()]);
}

/** From the operating system's generator: never from the study's seed, and written down only under masks. */
function noiseOf(standardDeviation: number): () => number {
  const gaussian = createDiscreteGaussian(standardDeviation, {
    randomBytes: (length) => new Uint8Array(randomBytes(length)),
  });
  return () => gaussian.sample();
}

async function coordinatesOf(store: SiteStore, sha256: Sha256 | undefined): Promise<Int32Array> {
  if (sha256 === undefined) return new Int32Array();
  const plain = Uint8Array.from(await store.object(sha256));
  return new Int32Array(plain.buffer, 0, plain.length / BYTES_PER_COORDINATE);
}

function layoutOf(study: Study, sites: number, trainingCases: number) {
  const { aggregation, privacy } = study;
  const maxWeight = aggregation.weightBy === "cases" ? (privacy.siteLevel?.weightCap ?? LIMITS.casesPerDataset) : 1;
  // With noise of sites, what a coordinate is multiplied by is in its own range already.
  const factor = privacy.siteLevel === undefined ? maxWeight : 1;
  const bits = wordBitsFor({ precisionBits: aggregation.precisionBits, sites, maxWeight: factor });
  return { weight: siteWeight(study, trainingCases), maxWeight, bits };
}

function unknownStep(round: number, step: string): ConsiliumError {
  return new ConsiliumError("masking-message-invalid", {
    subject: `masked round ${round}`,
    expected: "a step of a study with secure aggregation that this version knows",
    actual: JSON.stringify(step.slice(0, 80)),
    hint: "Compare the versions at both ends, and the study with what was approved.",
  });
}
