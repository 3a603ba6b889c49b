/**
 * A masked round of several sites in one process, over the very functions that sites and coordinator run, for tests:
 * each site may drop out before any of its steps, and what the coordinator could open is told.
 */
import { generateKeyPairSync, randomBytes, sign, verify } from "node:crypto";
import * as coordinator from "../secure-aggregation/coordinator-rounds.ts";
import { type OpenedMasks, openMasks } from "../secure-aggregation/coordinator-rounds.ts";
import type { MaskTerm } from "../secure-aggregation/mask-stream.ts";
import { createMaskedInput, createMaskedSum } from "../secure-aggregation/masked-input.ts";
import { type WordBits, wordBitsFor } from "../secure-aggregation/masked-words.ts";
import type { Advertisement, RevealedShares } from "../secure-aggregation/masking-messages.ts";
import { type RoundContext, rosterSha256Of } from "../secure-aggregation/round-context.ts";
import * as site from "../secure-aggregation/site-rounds.ts";

/** Steps of a site; a site that drops at `input` has shared its secrets and sends no input. */
export const STEPS = ["keys", "shares", "input", "signature", "reveal"] as const;
export type DropPoint = (typeof STEPS)[number] | "never";

const SIGNERS = new Map<string, ReturnType<typeof generateKeyPairSync>>();

function signerOf(siteId: string): ReturnType<typeof generateKeyPairSync> {
  const known = SIGNERS.get(siteId) ?? generateKeyPairSync("ed25519");
  SIGNERS.set(siteId, known);
  return known;
}

/** Ports of one site: true randomness, its own signature, everybody's public key. */
export function portsOf(siteId: string) {
  return {
    randomBytes: (length: number) => new Uint8Array(randomBytes(length)),
    sign: (bytes: Uint8Array) => new Uint8Array(sign(null, bytes, signerOf(siteId).privateKey)),
    verify: (signer: string, bytes: Uint8Array, signature: Uint8Array) =>
      verify(null, bytes, signerOf(signer).publicKey, signature),
  };
}

export function contextOf(sites: readonly string[], threshold: number, attempt = 0): RoundContext {
  const rosterSha256 = rosterSha256Of(sites.map((siteId) => ({ siteId, keySha256: siteId })));
  return { studyHash: "5".repeat(64), round: 3, attempt, threshold, rosterSha256, sites };
}

export interface SiteInput {
  readonly coordinates: Int32Array;
  readonly weight: number;
}

export interface MaskedRoundOutcome {
  readonly list: { readonly survivors: readonly string[]; readonly dropped: readonly string[] };
  readonly opened: OpenedMasks;
  /** Sums of the survivors' weighted coordinates, then of their weights. */
  readonly sums: Float64Array;
  /** What each site uploaded. */
  readonly uploads: ReadonlyMap<string, Uint8Array>;
}

/** All that came to the coordinator, and the masks that were put on each upload, however the round ends. */
export interface MaskedRoundTrace {
  readonly advertisements: Advertisement[];
  readonly sites: Map<string, { readonly state: site.SiteMasked; readonly masks: readonly MaskTerm[] }>;
  readonly reveals: RevealedShares[];
}

export function newTrace(): MaskedRoundTrace {
  return { advertisements: [], sites: new Map(), reveals: [] };
}

export const PRECISION_BITS = 16;

/** @throws ConsiliumError where the round fails, with `masking-below-threshold` where too many dropped. */
export async function runMaskedRound(
  context: RoundContext,
  inputs: ReadonlyMap<string, SiteInput>,
  dropsAt: (siteId: string) => DropPoint,
  trace: MaskedRoundTrace = newTrace(),
): Promise<MaskedRoundOutcome> {
  const { sites } = context;
  const here = (siteId: string, step: (typeof STEPS)[number]): boolean => {
    const point = dropsAt(siteId);
    return point === "never" || STEPS.indexOf(point) > STEPS.indexOf(step);
  };
  const ports = portsOf(sites[0]);
  let keys = coordinator.openMaskedRound(context);
  const advertised = new Map<string, site.SiteAdvertised>();
  for (const siteId of sites.filter((each) => here(each, "keys"))) {
    const { state, message } = site.advertiseKeys(context, siteId, [], portsOf(siteId));
    advertised.set(siteId, state);
    trace.advertisements.push(message);
    keys = coordinator.acceptAdvertisement(keys, message, ports);
  }
  let shares = coordinator.closeAdvertising(keys, ports);
  const shared = new Map<string, site.SiteShared>();
  for (const [siteId, state] of advertised) {
    if (!here(siteId, "shares")) continue;
    const next = await site.shareSecrets(state, shares.advertisements, portsOf(siteId));
    shared.set(siteId, next.state);
    shares = coordinator.acceptSealedShares(shares, siteId, next.message);
  }
  let arriving = coordinator.closeSharing(shares);
  const masked = new Map<string, site.SiteMasked>();
  const uploads = new Map<string, Uint8Array>();
  const bits = bitsOf(context);
  for (const [siteId, state] of shared) {
    if (!here(siteId, "input")) continue;
    const next = site.maskInput(state, coordinator.sealedSharesFor(arriving, siteId));
    masked.set(siteId, next.state);
    trace.sites.set(siteId, next);
    uploads.set(siteId, uploadOf(next.masks, inputs.get(siteId) as SiteInput, bits));
    arriving = coordinator.acceptMaskedInput(arriving, siteId);
  }
  let signing = coordinator.closeInputs(arriving);
  const signed = new Map<string, site.SiteSigned>();
  for (const [siteId, state] of masked) {
    if (!here(siteId, "signature")) continue;
    const next = site.signSurvivors(state, signing.list, portsOf(siteId));
    signed.set(siteId, next.state);
    signing = coordinator.acceptSignature(signing, next.message, ports);
  }
  let revealing = coordinator.closeSigning(signing);
  for (const [siteId, state] of signed) {
    if (!here(siteId, "reveal")) continue;
    const { message } = site.revealShares(state, revealing.list, revealing.signatures, portsOf(siteId));
    trace.reveals.push(message);
    revealing = coordinator.acceptReveal(revealing, message);
  }
  const opened = await openMasks(revealing);
  const length = (inputs.get(sites[0]) as SiteInput).coordinates.length + 1;
  const sums = new Float64Array(length);
  const survivors = revealing.list.survivors.map((siteId) => uploads.get(siteId) as Uint8Array);
  createMaskedSum(opened.masks, bits).stretch(survivors, sums);
  return { list: revealing.list, opened, sums, uploads };
}

export const MAX_WEIGHT = 20;

export function bitsOf({ sites }: RoundContext): WordBits {
  return wordBitsFor({ precisionBits: PRECISION_BITS, sites: sites.length, maxWeight: MAX_WEIGHT });
}

export function uploadOf(masks: readonly MaskTerm[], { coordinates, weight }: SiteInput, bits: WordBits): Uint8Array {
  const input = createMaskedInput(masks, { weight, maxWeight: MAX_WEIGHT, bits });
  const body = Uint8Array.from(input.stretch(coordinates));
  return new Uint8Array(Buffer.concat([body, input.end()]));
}
