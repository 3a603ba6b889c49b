/**
 * The coordinator's part in a masked round (Bonawitz et al. 2017, figure 4): a state for each of the paper's rounds,
 * `accept` for what a site sent, `close` for going on with those who did. Pure: the coordinator decides when to close,
 * journals, and sends.
 *
 * Invariants:
 * - The sites of each state are among those of the state before: who missed a round is out of the attempt.
 * - No state goes on with fewer sites than the threshold; the attempt then fails, and what was collected opens nothing.
 * - A message that came twice is counted once; a second, different one is refused.
 * - Seeds are believed only if they give what their site committed to.
 */
import { sha256 } from "../../base/index.ts";
import { maskCommitmentOf, pairSeed, selfSeed } from "./mask-keys.ts";
import type { MaskTerm } from "./mask-stream.ts";
import {
  type Advertisement,
  advertisedBytes,
  belowThreshold,
  checkAdvertisements,
  checkSites,
  fallsApart,
  forged,
  invalid,
  type ListSignature,
  listBytes,
  type RevealedShare,
  type RevealedShares,
  type SealedShares,
  type SurvivorList,
  type VerifyPort,
} from "./masking-messages.ts";
import { areNeighbours, holdersOf, shareThreshold, staysTogether } from "./neighbour-graph.ts";
import { checkContext, type RoundContext } from "./round-context.ts";
import { badShare, combineShares } from "./secret-shares.ts";

interface CoordinatorBase {
  readonly context: RoundContext;
}

export interface CollectingKeys extends CoordinatorBase {
  readonly kind: "keys";
  readonly advertisements: readonly Advertisement[];
}

export interface CollectingShares extends CoordinatorBase {
  readonly kind: "shares";
  readonly advertisements: readonly Advertisement[];
  readonly sealed: readonly SealedShares[];
}

interface WithAdvertisements extends CoordinatorBase {
  /** Of the sites that shared. */
  readonly advertisements: readonly Advertisement[];
}

export interface CollectingInputs extends WithAdvertisements {
  readonly kind: "inputs";
  readonly sealed: readonly SealedShares[];
  /** Sites whose masked input is there, whole. */
  readonly arrived: readonly string[];
}

export interface CollectingSignatures extends WithAdvertisements {
  readonly kind: "signatures";
  readonly list: SurvivorList;
  readonly signatures: readonly ListSignature[];
}

export interface CollectingReveals extends WithAdvertisements {
  readonly kind: "reveals";
  readonly list: SurvivorList;
  readonly signatures: readonly ListSignature[];
  readonly revealed: readonly RevealedShares[];
}

/** @throws ConsiliumError `masking-parameters` */
export function openMaskedRound(context: RoundContext): CollectingKeys {
  checkContext(context);
  return { kind: "keys", context, advertisements: [] };
}

/** Round 0. @throws ConsiliumError `signature-invalid`, `masking-message-invalid` */
export function acceptAdvertisement(state: CollectingKeys, one: Advertisement, { verify }: VerifyPort): CollectingKeys {
  const { context } = state;
  if (!context.sites.includes(one.siteId)) throw stranger("advertisement of keys", one.siteId);
  if (!verify(one.siteId, advertisedBytes(context, one), one.signature)) throw forged(one.siteId, "masking keys");
  const known = state.advertisements.find(({ siteId }) => siteId === one.siteId);
  if (known === undefined) return { ...state, advertisements: inOrder([...state.advertisements, one]) };
  if (sha256(advertisedBytes(context, known)) === sha256(advertisedBytes(context, one))) return state;
  throw invalid("advertisement of keys", `one of site ${one.siteId}`, "a second, different one");
}

/** @throws ConsiliumError `masking-below-threshold`, with a graph also where a site lacks neighbours to share with */
export function closeAdvertising(state: CollectingKeys, ports: VerifyPort): CollectingShares {
  const { context, advertisements } = state;
  checkAdvertisements(context, advertisements, ports);
  const advertisers = advertisements.map(({ siteId }) => siteId);
  checkHolders(context, { of: advertisers, among: advertisers }, "advertisements of keys around site");
  return { kind: "shares", context, advertisements, sealed: [] };
}

/** Round 1: one message for each other site that advertised. @throws ConsiliumError `masking-message-invalid` */
export function acceptSealedShares(
  state: CollectingShares,
  from: string,
  sealed: readonly SealedShares[],
): CollectingShares {
  const advertisers = state.advertisements.map(({ siteId }) => siteId);
  if (!advertisers.includes(from)) throw stranger("sealed shares", from);
  const others = holdersOf(state.context, from, advertisers).filter((siteId) => siteId !== from);
  if (state.sealed.some((each) => each.from === from)) return state;
  const addressed = sealed.map(({ to }) => to).sort();
  if (sealed.some((each) => each.from !== from) || addressed.join("\0") !== others.join("\0")) {
    throw invalid(
      `sealed shares of site ${from}`,
      "one message from it to each other site that it masks with",
      "another set",
    );
  }
  return { ...state, sealed: [...state.sealed, ...sealed] };
}

/** @throws ConsiliumError `masking-below-threshold`, with a graph also where a site lacks neighbours to mask with */
export function closeSharing({ context, advertisements, sealed }: CollectingShares): CollectingInputs {
  const senders = new Set(sealed.map(({ from }) => from));
  const sharers = advertisements.filter(({ siteId }) => senders.has(siteId));
  const ids = sharers.map(({ siteId }) => siteId);
  checkSites(context, ids, "sites that shared their secrets");
  checkHolders(context, { of: ids, among: ids }, "sites that shared their secrets around site");
  const among = new Set(ids);
  const kept = sealed.filter(({ from, to }) => among.has(from) && among.has(to));
  return { kind: "inputs", context, advertisements: sharers, sealed: kept, arrived: [] };
}

/** What a site needs to mask its input: the shares sealed for it. */
export function sealedSharesFor({ sealed }: CollectingInputs, siteId: string): readonly SealedShares[] {
  return sealed.filter(({ to }) => to === siteId);
}

/** Round 2: a masked input is stored, whole. @throws ConsiliumError `masking-message-invalid` */
export function acceptMaskedInput(state: CollectingInputs, siteId: string): CollectingInputs {
  if (!state.advertisements.some((each) => each.siteId === siteId)) throw stranger("masked input", siteId);
  return state.arrived.includes(siteId) ? state : { ...state, arrived: [...state.arrived, siteId].sort() };
}

/** @throws ConsiliumError `masking-below-threshold`, with a graph also where neighbours left no way to the sum */
export function closeInputs({ context, advertisements, arrived }: CollectingInputs): CollectingSignatures {
  if (arrived.length < context.threshold) throw belowThreshold("masked inputs", context.threshold, arrived.length);
  const dropped = advertisements.map(({ siteId }) => siteId).filter((siteId) => !arrived.includes(siteId));
  if (!staysTogether(context, arrived)) throw fallsApart("survivors", arrived.length);
  const list: SurvivorList = { survivors: arrived, dropped };
  checkHolders(context, { of: secretsOnSum(context, list), among: arrived }, "survivors that hold shares of site");
  return { kind: "signatures", context, advertisements, list, signatures: [] };
}

/** Round 3. @throws ConsiliumError `signature-invalid`, `masking-message-invalid` */
export function acceptSignature(
  state: CollectingSignatures,
  one: ListSignature,
  { verify }: VerifyPort,
): CollectingSignatures {
  if (!state.list.survivors.includes(one.siteId)) throw stranger("signature under the list of survivors", one.siteId);
  if (!verify(one.siteId, listBytes(state.context, state.list), one.signature)) {
    throw forged(one.siteId, "signature under the list of survivors");
  }
  const known = state.signatures.some(({ siteId }) => siteId === one.siteId);
  return known ? state : { ...state, signatures: inOrder([...state.signatures, one]) };
}

/** @throws ConsiliumError `masking-below-threshold`, with a graph also where those who signed would fall apart */
export function closeSigning(state: CollectingSignatures): CollectingReveals {
  const { context, advertisements, list, signatures } = state;
  const signers = signatures.map(({ siteId }) => siteId);
  checkSites(context, signers, "signatures under the list of survivors");
  if (!staysTogether(context, signers)) throw fallsApart("survivors that signed", signers.length);
  return { kind: "reveals", context, advertisements, list, signatures, revealed: [] };
}

/** Round 4. @throws ConsiliumError `masking-message-invalid` */
export function acceptReveal(state: CollectingReveals, one: RevealedShares): CollectingReveals {
  const { context, list, signatures, revealed } = state;
  if (!signatures.some(({ siteId }) => siteId === one.siteId)) throw stranger("revealed shares", one.siteId);
  if (revealed.some(({ siteId }) => siteId === one.siteId)) return state;
  const named = (shares: readonly RevealedShare[]): string =>
    inOrder(shares.map(({ of }) => ({ siteId: of })))
      .map(({ siteId }) => siteId)
      .join("\0");
  const held = (sites: readonly string[]): string => holdersOf(context, one.siteId, sites).join("\0");
  if (named(one.self) !== held(list.survivors) || named(one.mask) !== held(list.dropped)) {
    throw invalid(
      `revealed shares of site ${one.siteId}`,
      "one for each survivor and each dropped site that it holds shares of",
      "another set",
    );
  }
  return { ...state, revealed: inOrder([...revealed, one]) };
}

/**
 * Whether the shares that some sites hold of others are enough to open the others' secrets.
 * @throws ConsiliumError `masking-below-threshold`
 */
function checkHolders(
  context: RoundContext,
  { of, among }: { readonly of: readonly string[]; readonly among: readonly string[] },
  what: string,
): void {
  const threshold = shareThreshold(context);
  for (const siteId of of) {
    const holders = holdersOf(context, siteId, among);
    if (holders.length < threshold) throw belowThreshold(`${what} ${siteId}`, threshold, holders.length);
  }
}

/** Sites whose secrets must be opened for the sum. */
function secretsOnSum(context: RoundContext, list: SurvivorList): readonly string[] {
  return [...list.survivors, ...droppedWithMasks(context, list)];
}

/** Dropped sites that masked with a survivor: of the others nothing stands on the sum. */
function droppedWithMasks(context: RoundContext, { survivors, dropped }: SurvivorList): readonly string[] {
  return dropped.filter((siteId) => survivors.some((survivor) => areNeighbours(context, siteId, survivor)));
}

/** Ends round 4 with those who revealed. @throws ConsiliumError `masking-below-threshold` */
export function closeReveals(state: CollectingReveals): void {
  const { context, list, revealed } = state;
  if (revealed.length < context.threshold) throw belowThreshold("revealed shares", context.threshold, revealed.length);
  const among = revealed.map(({ siteId }) => siteId);
  checkHolders(context, { of: secretsOnSum(context, list), among }, "revealed shares of site");
}

/** Which seeds an attempt opened, and the masks to apply to the sum so that none are left on it. */
export interface OpenedMasks {
  /** Survivors whose self seed was opened. */
  readonly selfSeeds: readonly string[];
  /** Pairs of a survivor and a dropped site whose pair seed was opened. */
  readonly pairSeeds: readonly (readonly [survivor: string, dropped: string])[];
  readonly masks: readonly MaskTerm[];
}

/**
 * After round 4: the masks that remain on the sum of the survivors' inputs, with opposite signs.
 * @throws ConsiliumError `masking-below-threshold`, `masking-share-invalid`
 */
export async function openMasks(state: CollectingReveals): Promise<OpenedMasks> {
  const { context, list } = state;
  closeReveals(state);
  const masks: MaskTerm[] = [];
  for (const siteId of list.survivors) masks.push(await selfTerm(state, siteId, enoughOf(state, siteId)));
  const pairSeeds: [string, string][] = [];
  for (const dropped of droppedWithMasks(context, list)) {
    const terms = await pairTerms(state, dropped, enoughOf(state, dropped));
    masks.push(...terms);
    for (const survivor of neighboursAmong(context, dropped, list.survivors)) pairSeeds.push([survivor, dropped]);
  }
  return { selfSeeds: list.survivors, pairSeeds, masks };
}

/** As many of the revealed shares of a site's secrets as open them. */
function enoughOf({ context, revealed }: CollectingReveals, siteId: string): readonly RevealedShares[] {
  const holders = new Set(
    holdersOf(
      context,
      siteId,
      revealed.map((each) => each.siteId),
    ),
  );
  return revealed.filter((each) => holders.has(each.siteId)).slice(0, shareThreshold(context));
}

function neighboursAmong(context: RoundContext, siteId: string, sites: readonly string[]): readonly string[] {
  return sites.filter((other) => areNeighbours(context, siteId, other));
}

async function selfTerm(
  { context, advertisements }: CollectingReveals,
  siteId: string,
  reveals: readonly RevealedShares[],
): Promise<MaskTerm> {
  const bytes = await combineShares(
    sharesOf(
      siteId,
      reveals.map(({ self }) => self),
    ),
    siteId,
  );
  if (sha256(bytes) !== advertised(advertisements, siteId).self.sha256) throw badShare(siteId, "another self seed");
  return { seed: selfSeed(context, { kind: "selfSecret", bytes }, siteId), sign: -1 };
}

async function pairTerms(
  { context, advertisements, list }: CollectingReveals,
  dropped: string,
  reveals: readonly RevealedShares[],
): Promise<readonly MaskTerm[]> {
  const mine = advertised(advertisements, dropped);
  const privateKey = await combineShares(
    sharesOf(
      dropped,
      reveals.map(({ mask }) => mask),
    ),
    dropped,
  );
  const secret = { kind: "maskSecret", privateKey } as const;
  if (Buffer.compare(maskCommitmentOf(secret).publicKey, mine.mask.publicKey) !== 0) {
    throw badShare(dropped, "another mask key");
  }
  return neighboursAmong(context, dropped, list.survivors).map((survivor): MaskTerm => {
    const theirs = { siteId: survivor, commitment: advertised(advertisements, survivor).mask };
    const seed = pairSeed(context, secret, { siteId: dropped, commitment: mine.mask }, theirs);
    // The survivor added it if it comes first: the opposite sign takes it off.
    return { seed, sign: survivor < dropped ? -1 : 1 };
  });
}

function sharesOf(siteId: string, lists: readonly (readonly RevealedShare[])[]): Uint8Array[] {
  return lists.flatMap((shares) => shares.filter(({ of }) => of === siteId).map(({ share }) => share));
}

function advertised(advertisements: readonly Advertisement[], siteId: string): Advertisement {
  const found = advertisements.find((each) => each.siteId === siteId);
  if (found === undefined) throw stranger("list of survivors", siteId);
  return found;
}

function inOrder<T extends { readonly siteId: string }>(items: readonly T[]): T[] {
  return [...items].sort((a, b) => (a.siteId < b.siteId ? -1 : 1));
}

function stranger(subject: string, siteId: string) {
  return invalid(subject, "a site that is still in this attempt", `site ${siteId}`);
}
