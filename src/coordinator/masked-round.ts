/**
 * A masked round inside the coordinator's state: the state of its protocol as canonical JSON, which is all that the
 * journal, the phases and the directives need to hold. What may be done with it is in `src/privacy`.
 *
 * A round has one attempt: what goes wrong in it fails the round, and a coordinator that starts again takes the round
 * up where the journal left it.
 */
import { encodedBytes } from "../aggregation/index.ts";
import { invariant, LIMITS } from "../base/index.ts";
import {
  acceptAdvertisement,
  acceptReveal,
  acceptSealedShares,
  acceptSignature,
  type CollectingInputs,
  type CollectingKeys,
  type CollectingReveals,
  type CollectingShares,
  type CollectingSignatures,
  contextOfRound,
  figureWords,
  MASKING_REPLIES,
  type MaskingStep,
  maskedInputBytes,
  type RoundContext,
  readMasking,
  restoreMasking,
  verifyByRoster,
  wordBitsFor,
  writeMasking,
} from "../privacy/index.ts";
import { siteTrains } from "../study/index.ts";
import type { StudyRecord } from "./records.ts";

/** Canonical JSON of a `MaskedRound`. */
export type MaskingText = string;

export type MaskedRound =
  | CollectingKeys
  | CollectingShares
  | CollectingInputs
  | CollectingSignatures
  | CollectingReveals;

/** The text that was read last: sites ask far more often than a round changes. */
let lastRead: { readonly text: MaskingText; readonly masking: MaskedRound } | undefined;

export function maskingOf(text: MaskingText): MaskedRound {
  if (lastRead?.text !== text) lastRead = { text, masking: restoreMasking<MaskedRound>(text) };
  return lastRead.masking;
}

export function isMasked({ study }: StudyRecord): boolean {
  return study.privacy.secureAggregation !== undefined;
}

/** What this round's keys and signatures are bound to: every site derives the same from what its reviewer approved. */
export function roundContext(study: StudyRecord, round: number): RoundContext {
  const { secureAggregation } = study.study.privacy;
  invariant(secureAggregation !== undefined, "a study with secure aggregation");
  const sites = study.roster.map(({ siteId }) => siteId).filter((siteId) => siteTrains(study.study, siteId));
  return contextOfRound(secureAggregation, { studyHash: study.hash, round, sites, roster: study.roster });
}

/** The most by which a coordinate is multiplied in a masked sum; with noise of sites, weights are in the coordinates. */
export function largestWeight({ study }: StudyRecord): number {
  if (study.privacy.siteLevel !== undefined) return 1;
  return study.aggregation.weightBy === "cases" ? LIMITS.casesPerDataset : 1;
}

/** Bytes of what a site uploads in a round. */
export function uploadBytes(study: StudyRecord | null, round: number): number {
  if (study === null) return 0;
  const { precisionBits, encoding = "int32" } = study.study.aggregation;
  if (!isMasked(study)) return encodedBytes(encoding, study.parameterCount);
  const bits = wordBitsFor({ precisionBits, sites: study.roster.length, maxWeight: largestWeight(study) });
  return maskedInputBytes(isClosing(study, round) ? 0 : study.parameterCount, bits, figureCount(study));
}

/** Whether counts, losses and scores travel in the masked sum alone. */
export function isSummed({ study }: StudyRecord): boolean {
  return study.metrics === "summed";
}

/** Figures behind each masked input. */
export function figureCount(study: StudyRecord): number {
  return scoreWords(study) + (study.study.privacy.siteLevel?.adaptive === undefined ? 0 : 1);
}

/** Those of them that `metrics: summed` puts there; behind them may stand the count of updates within the clip norm. */
export function scoreWords(study: StudyRecord): number {
  return isSummed(study) ? figureWords(Object.keys(study.study.task.regions).length) : 0;
}

/** The clip norm of the round underway, with `privacy.siteLevel`. */
export function clipNormOf({ study, clipNorm }: StudyRecord): number | undefined {
  return clipNorm ?? study.privacy.siteLevel?.clipNorm;
}

/** The round after the last: masked figures of the last model, and no update. */
export function isClosing(study: StudyRecord, round: number): boolean {
  return isSummed(study) && round > study.study.rounds.count;
}

/** The step that the protocol is at, in the words of messages; none while masked inputs come in. */
export function stepOf(masking: MaskedRound): MaskingStep | undefined {
  switch (masking.kind) {
    case "keys":
    case "shares":
      return masking.kind;
    case "inputs":
      return undefined;
    case "signatures":
      return "signature";
    case "reveals":
      return "reveal";
    default:
      return masking satisfies never;
  }
}

/** Sites that are asked for the present step. */
export function sitesAsked(masking: MaskedRound): readonly string[] {
  switch (masking.kind) {
    case "keys":
      return masking.context.sites;
    case "shares":
    case "inputs":
      return masking.advertisements.map(({ siteId }) => siteId);
    case "signatures":
      return masking.list.survivors;
    case "reveals":
      return masking.signatures.map(({ siteId }) => siteId);
    default:
      return masking satisfies never;
  }
}

/** Sites whose answer to the present step is there. */
export function sitesHeard(masking: MaskedRound): readonly string[] {
  switch (masking.kind) {
    case "keys":
      return masking.advertisements.map(({ siteId }) => siteId);
    case "shares":
      return [...new Set(masking.sealed.map(({ from }) => from))].sort();
    case "inputs":
      return masking.arrived;
    case "signatures":
      return masking.signatures.map(({ siteId }) => siteId);
    case "reveals":
      return masking.revealed.map(({ siteId }) => siteId);
    default:
      return masking satisfies never;
  }
}

/**
 * The round with a site's answer in it.
 * @throws ConsiliumError `masking-message-invalid`, `signature-invalid`
 */
export function withReply(study: StudyRecord, masking: MaskedRound, siteId: string, payload: string): MaskedRound {
  const ports = verifyByRoster(study.roster);
  switch (masking.kind) {
    case "keys":
      return acceptAdvertisement(masking, own(readMasking(payload, MASKING_REPLIES.keys), siteId), ports);
    case "shares":
      return acceptSealedShares(masking, siteId, readMasking(payload, MASKING_REPLIES.shares));
    case "inputs":
      return masking;
    case "signatures":
      return acceptSignature(masking, own(readMasking(payload, MASKING_REPLIES.signature), siteId), ports);
    case "reveals":
      return acceptReveal(masking, own(readMasking(payload, MASKING_REPLIES.reveal), siteId));
    default:
      return masking satisfies never;
  }
}

/** A site speaks for itself alone: whatever name the payload has, its sender's holds. */
function own<T extends { readonly siteId: string }>(message: T, siteId: string): T {
  return { ...message, siteId };
}

export function maskingText(masking: MaskedRound): MaskingText {
  return writeMasking(masking);
}
