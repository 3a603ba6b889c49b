export { type DpEvent, type DpLeaf, parseDpEvent } from "./accounting/dp-event.ts";
export { ACCOUNTANTS, type Accountant, type PrivacySpent, privacySpent } from "./accounting/epsilon.ts";
export { type CanaryRuns, canaryScores } from "./audit/canary-runs.ts";
export { epsilonFromBelow, type MembershipScores } from "./audit/epsilon-from-below.ts";
export {
  type AdaptiveClipping,
  type ClippedVector,
  clipToNorm,
  nextClipNorm,
  updateNoiseMultiplier,
} from "./mechanisms/clip-norm.ts";
export { createDiscreteGaussian, type DiscreteGaussian } from "./mechanisms/discrete-gaussian.ts";
export { type CryptoRandom, createCryptoRandom } from "./mechanisms/gaussian-noise.ts";
export { createPatientSum, type PatientSum, samplePatients } from "./mechanisms/patient-sum.ts";
export { OUTSIDE_THE_ACCOUNT, patientLevelRound, patientLevelRounds, plannedPrivacy } from "./patient-level.ts";
export {
  checkWithinBudget,
  type NoisyWork,
  type OpenLedger,
  openPrivacyLedger,
  PRIVACY_LEDGER,
  type PrivacyBudget,
  type PrivacyLedger,
  readLedger,
  spentIn,
  type UnprotectedWork,
} from "./privacy-ledger.ts";
export {
  aggregateMasked,
  type MaskedAggregation,
  type MaskedRoundSum,
  sumMaskedFigures,
} from "./secure-aggregation/aggregate-masked.ts";
export {
  acceptAdvertisement,
  acceptMaskedInput,
  acceptReveal,
  acceptSealedShares,
  acceptSignature,
  type CollectingInputs,
  type CollectingKeys,
  type CollectingReveals,
  type CollectingShares,
  type CollectingSignatures,
  closeAdvertising,
  closeInputs,
  closeReveals,
  closeSharing,
  closeSigning,
  type OpenedMasks,
  openMaskedRound,
  openMasks,
  sealedSharesFor,
} from "./secure-aggregation/coordinator-rounds.ts";
export type { MaskCommitment, MaskSecret, MaskSeed } from "./secure-aggregation/mask-keys.ts";
export type { MaskTerm } from "./secure-aggregation/mask-stream.ts";
export {
  createMaskedInput,
  createMaskedSum,
  type MaskedInput,
  type MaskedSum,
  maskedInputBytes,
  maskFigures,
} from "./secure-aggregation/masked-input.ts";
export { type SumBounds, type WordBits, wordBitsFor } from "./secure-aggregation/masked-words.ts";
export type {
  Advertisement,
  ListSignature,
  RevealedShares,
  SealedShares,
  SignPort,
  SurvivorList,
  VerifyPort,
} from "./secure-aggregation/masking-messages.ts";
export {
  isMaskingStep,
  MASKING_ORDERS,
  MASKING_REPLIES,
  type MaskingStep,
  readMasking,
  restoreMasking,
  writeMasking,
} from "./secure-aggregation/masking-wire.ts";
export { areNeighbours } from "./secure-aggregation/neighbour-graph.ts";
export { signWithSiteKey, verifyByRoster } from "./secure-aggregation/roster-signatures.ts";
export {
  checkContext,
  contextOfRound,
  type RoundContext,
  rosterSha256Of,
  toleratedColluders,
} from "./secure-aggregation/round-context.ts";
export {
  advertiseKeys,
  maskInput,
  type RevealedAttempt,
  revealShares,
  type SiteAdvertised,
  type SiteMasked,
  type SiteRevealed,
  type SiteShared,
  type SiteSigned,
  shareSecrets,
  signSurvivors,
} from "./secure-aggregation/site-rounds.ts";
export {
  decodeFigures,
  encodeFigures,
  figuresOfOthers,
  figureWords,
  meanDiceOfFigures,
  NO_FIGURES,
  type SummedFigures,
} from "./secure-aggregation/summed-figures.ts";
export {
  type ClippedUpdate,
  clipNormAfter,
  clipSiteUpdate,
  countedWithin,
  isLossTold,
  isMaskedAnew,
  ledgerRound,
  ledgerRounds,
  plannedLedger,
  plannedSitePrivacy,
  type SiteNoise,
  siteNoise,
  siteWeight,
} from "./site-level.ts";
