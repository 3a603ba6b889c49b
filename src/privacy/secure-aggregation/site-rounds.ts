/**
 * A site's part in a masked round, one pure function for each of the paper's rounds (Bonawitz et al. 2017, figure 4,
 * with the steps for active adversaries): state and message in, state and message out. Randomness and signatures are
 * ports; nothing is sent or stored here.
 *
 * The caller makes the new state durable before it sends the message. A message that is asked for again is sent again
 * as it was, never made anew.
 *
 * Invariants, against a coordinator that does not follow the protocol:
 * - For one attempt a site signs one list of survivors, and for one round it reveals shares in one attempt.
 * - It reveals nothing before `threshold` sites signed the very list that it signed.
 * - Of one site it reveals a share of the mask key or of the self seed, never both.
 * - It takes part only with sites of the roster, under keys that these sites signed, and masks with its neighbours.
 * - It signs no list whose survivors fall apart, and reveals nothing unless those who signed hold together, itself
 *   among them: the sum of a part of the sites could be seen otherwise (neighbour-graph.ts).
 * - Once it signed a list it has no more use for its own secrets, and its state no longer holds them.
 */
import { ConsiliumError } from "../../base/index.ts";
import {
  KEY_BYTES,
  type MaskSecret,
  maskCommitmentOf,
  pairSeed,
  type SelfSecret,
  type ShareSecret,
  selfCommitmentOf,
  selfSeed,
  shareCommitmentOf,
  shareKey,
} from "./mask-keys.ts";
import type { MaskTerm } from "./mask-stream.ts";
import {
  type Advertisement,
  advertisedBytes,
  belowThreshold,
  checkAdvertisements,
  checkSites,
  fallsApart,
  invalid,
  type ListSignature,
  listBytes,
  type RevealedShares,
  type SealedShares,
  type SignPort,
  type SurvivorList,
  sealedBytes,
  type VerifyPort,
} from "./masking-messages.ts";
import { areNeighbours, holdersOf, shareThreshold, staysTogether } from "./neighbour-graph.ts";
import { checkContext, type RoundContext } from "./round-context.ts";
import { openShares, type SealingPorts, type SharePair, sealShares, splitSecret } from "./secret-shares.ts";

interface SiteKeys {
  readonly mask: MaskSecret;
  readonly share: ShareSecret;
  readonly self: SelfSecret;
}

interface SiteBase {
  readonly context: RoundContext;
  readonly siteId: string;
}

interface WithKeys extends SiteBase {
  readonly keys: SiteKeys;
}

export interface SiteAdvertised extends WithKeys {
  readonly kind: "advertised";
  readonly advertisement: Advertisement;
}

export interface SiteShared extends WithKeys {
  readonly kind: "shared";
  /** Every site that advertised keys, this one included. */
  readonly advertisements: readonly Advertisement[];
  /** This site's shares of its own secrets. */
  readonly own: SharePair;
}

interface Held {
  /** Every site whose shares are held here, this one included. */
  readonly held: readonly { readonly of: string; readonly shares: SharePair }[];
}

export interface SiteMasked extends WithKeys, Held {
  readonly kind: "masked";
}

export interface SiteSigned extends SiteBase, Held {
  readonly kind: "signed";
  readonly list: SurvivorList;
  readonly message: ListSignature;
}

export interface SiteRevealed extends SiteBase {
  readonly kind: "revealed";
  readonly list: SurvivorList;
  readonly message: RevealedShares;
}

export interface Step<S, M> {
  readonly state: S;
  readonly message: M;
}

/** An attempt in which this site revealed shares, kept for as long as the study runs. */
export type RevealedAttempt = Pick<RoundContext, "studyHash" | "round" | "attempt">;

/**
 * Round 0: fresh keys for this attempt.
 *
 * @param revealed what this site revealed before. Two sums over nearly the same sites betray the difference, so a
 *   round whose masks were opened once is never masked again.
 * @throws ConsiliumError `masking-parameters`, `masking-round-revealed`
 */
export function advertiseKeys(
  context: RoundContext,
  siteId: string,
  revealed: readonly RevealedAttempt[],
  ports: SealingPorts & SignPort,
): Step<SiteAdvertised, Advertisement> {
  checkContext(context);
  const before = revealed.find(({ studyHash, round }) => studyHash === context.studyHash && round === context.round);
  if (before !== undefined) {
    throw new ConsiliumError("masking-round-revealed", {
      subject: `masked round ${context.round}, attempt ${context.attempt}`,
      expected: "a round of which this site has revealed nothing",
      actual: `shares revealed in attempt ${before.attempt}`,
      hint: "The round's sum was opened: the coordinator goes on with it, or starts the study anew.",
    });
  }
  const keys: SiteKeys = {
    mask: { kind: "maskSecret", privateKey: ports.randomBytes(KEY_BYTES) },
    share: { kind: "shareSecret", privateKey: ports.randomBytes(KEY_BYTES) },
    self: { kind: "selfSecret", bytes: ports.randomBytes(KEY_BYTES) },
  };
  const halves = {
    siteId,
    mask: maskCommitmentOf(keys.mask),
    share: shareCommitmentOf(keys.share),
    self: selfCommitmentOf(keys.self),
  };
  const advertisement = { ...halves, signature: ports.sign(advertisedBytes(context, halves)) };
  return { state: { kind: "advertised", context, siteId, keys, advertisement }, message: advertisement };
}

/**
 * Round 1: shares of both secrets, sealed to each other site.
 * @throws ConsiliumError as `checkAdvertisements`, and `masking-message-invalid` where this site's own keys are missing
 */
export async function shareSecrets(
  state: SiteAdvertised,
  advertisements: readonly Advertisement[],
  ports: SealingPorts & VerifyPort,
): Promise<Step<SiteShared, readonly SealedShares[]>> {
  const { context, siteId, keys, advertisement } = state;
  checkAdvertisements(context, advertisements, ports);
  const mine = advertisements.find((each) => each.siteId === siteId);
  if (mine === undefined || !sameBytes(advertisedBytes(context, mine), advertisedBytes(context, advertisement))) {
    throw invalid("advertisements of keys", "this site's own among them", "others only");
  }
  const among = advertisements.map((each) => each.siteId);
  const ids = new Set(holdersOf(context, siteId, among));
  const holders = advertisements.filter((each) => ids.has(each.siteId));
  const threshold = shareThreshold(context);
  if (holders.length < threshold) throw belowThreshold("neighbours that advertised keys", threshold, holders.length);
  const maskShares = await splitSecret(keys.mask.privateKey, holders.length, threshold);
  const selfShares = await splitSecret(keys.self.bytes, holders.length, threshold);
  let own: SharePair | undefined;
  const message: SealedShares[] = [];
  holders.forEach((to, i) => {
    const pair: SharePair = { mask: maskShares[i], self: selfShares[i] };
    if (to.siteId === siteId) own = pair;
    else message.push(sealFor(state, mine, to, pair, ports));
  });
  if (own === undefined) throw invalid("advertisements of keys", "this site's own among them", "others only");
  return { state: { kind: "shared", context, siteId, keys, advertisements, own }, message };
}

function sealFor(
  { context, siteId, keys }: WithKeys,
  mine: Advertisement,
  to: Advertisement,
  pair: SharePair,
  ports: SealingPorts,
): SealedShares {
  const [here, there] = [endOf(mine), endOf(to)];
  const key = shareKey(context, keys.share, there, { from: here, to: there });
  const about = sealedBytes(context, { from: siteId, to: to.siteId });
  return { from: siteId, to: to.siteId, sealed: sealShares(pair, key, about, ports) };
}

/**
 * Round 2: the masks to put on this site's input, one with each site that shared, and its own.
 * Of a pair, the site that comes first adds the mask and the other takes it away, so that they cancel.
 *
 * @param sealed from every other site that is still there.
 * @throws ConsiliumError `masking-below-threshold`, `masking-message-invalid`, `masking-share-invalid`
 */
export function maskInput(
  state: SiteShared,
  sealed: readonly SealedShares[],
): { readonly state: SiteMasked; readonly masks: readonly MaskTerm[] } {
  const { context, siteId, keys, advertisements, own } = state;
  const byId = new Map(advertisements.map((each) => [each.siteId, each]));
  const sharers = [siteId, ...sealed.map(({ from }) => from)];
  checkSites({ ...context, threshold: shareThreshold(context) }, sharers, "sealed shares");
  const stranger = sharers.find((from) => from !== siteId && !areNeighbours(context, siteId, from));
  if (stranger !== undefined) throw invalid("sealed shares", "shares of neighbours", `shares of site ${stranger}`);
  const mine = end(byId, siteId);
  const held = sealed.map(({ from, to, sealed: bytes }) => {
    if (to !== siteId) throw invalid("sealed shares", `shares for site ${siteId}`, `shares for site ${to}`);
    const theirs = end(byId, from);
    const key = shareKey(context, keys.share, endOf(theirs), { from: endOf(theirs), to: endOf(mine) });
    return { of: from, shares: openShares(bytes, key, sealedBytes(context, { from, to }), from) };
  });
  const masks = held.map(({ of }): MaskTerm => {
    const theirs = end(byId, of);
    const ends = [maskEndOf(mine), maskEndOf(theirs)] as const;
    return { seed: pairSeed(context, keys.mask, ...ends), sign: siteId < of ? 1 : -1 };
  });
  masks.push({ seed: selfSeed(context, keys.self, siteId), sign: 1 });
  const next: SiteMasked = { kind: "masked", context, siteId, keys, held: [...held, { of: siteId, shares: own }] };
  return { state: next, masks };
}

/**
 * Round 3: this site's signature under the list of survivors; again the same one for the same list.
 * @throws ConsiliumError `masking-second-list` for another list than the one already signed, and as `checkList`
 */
export function signSurvivors(
  state: SiteMasked | SiteSigned,
  list: SurvivorList,
  { sign }: SignPort,
): Step<SiteSigned, ListSignature> {
  const { context, siteId, held } = state;
  checkList(
    context,
    siteId,
    held.map(({ of }) => of),
    list,
  );
  if (state.kind === "signed") {
    checkSameList(state, list);
    return { state, message: state.message };
  }
  const message = { siteId, signature: sign(listBytes(context, list)) };
  return { state: { kind: "signed", context, siteId, held, list, message }, message };
}

/**
 * Round 4: shares of survivors' self seeds and of dropped sites' mask keys, once enough sites signed this list.
 * @throws ConsiliumError `masking-both-shares`, `masking-second-list`, `masking-below-threshold`,
 *   `masking-message-invalid` where its own signature is missing, `signature-invalid`
 */
export function revealShares(
  state: SiteSigned | SiteRevealed,
  list: SurvivorList,
  signatures: readonly ListSignature[],
  { verify }: VerifyPort,
): Step<SiteRevealed, RevealedShares> {
  const { context, siteId } = state;
  if (list.survivors.some((site) => list.dropped.includes(site))) throw bothShares();
  checkSameList(state, list);
  const signers = signatures.map((each) => each.siteId);
  checkSites({ ...context, sites: list.survivors }, signers, "signatures under the list of survivors");
  if (!signers.includes(siteId)) {
    throw invalid("signatures under the list of survivors", "this site's own among them", "those of others only");
  }
  if (!staysTogether(context, signers)) throw fallsApart("survivors that signed", signers.length);
  for (const each of signatures) {
    if (!verify(each.siteId, listBytes(context, list), each.signature)) {
      throw new ConsiliumError("signature-invalid", {
        subject: `signature of site ${each.siteId} under the list of survivors`,
        expected: "a signature under the list that this site signed",
        actual: "one under another list, or by another key",
        hint: "The coordinator shows sites different lists, or somebody speaks for that site: stop the study.",
      });
    }
  }
  if (state.kind === "revealed") return { state, message: state.message };
  const message: RevealedShares = {
    siteId,
    self: state.held.flatMap(({ of, shares }) => (list.survivors.includes(of) ? [{ of, share: shares.self }] : [])),
    mask: state.held.flatMap(({ of, shares }) => (list.dropped.includes(of) ? [{ of, share: shares.mask }] : [])),
  };
  return { state: { kind: "revealed", context, siteId, list, message }, message };
}

/**
 * A list that splits exactly the sites whose shares are held here, this one among the survivors; of sites that are no
 * neighbours, any of the roster may stand in it. Its survivors hang together.
 */
function checkList(context: RoundContext, siteId: string, sharers: readonly string[], list: SurvivorList): void {
  const { survivors, dropped } = list;
  if (survivors.some((site) => dropped.includes(site))) throw bothShares();
  if (survivors.length < context.threshold) {
    throw belowThreshold("list of survivors", context.threshold, survivors.length);
  }
  const named = [...survivors, ...dropped];
  const around = holdersOf(context, siteId, named);
  const exact = around.length === sharers.length && new Set(named).size === named.length;
  if (!exact || !around.every((site) => sharers.includes(site)) || !survivors.includes(siteId)) {
    throw invalid("list of survivors", "every site that shared, once, and this one as a survivor", "another list");
  }
  if (!named.every((site) => context.sites.includes(site))) {
    throw invalid("list of survivors", "sites of the approved roster", "another site");
  }
  if (![survivors, dropped].every((sites) => sites.every((site, i) => i === 0 || sites[i - 1] < site))) {
    throw invalid("list of survivors", "sites in ascending order", "another order");
  }
  if (!staysTogether(context, survivors)) throw fallsApart("survivors", survivors.length);
}

function checkSameList(state: SiteSigned | SiteRevealed, list: SurvivorList): void {
  if (sameBytes(listBytes(state.context, state.list), listBytes(state.context, list))) return;
  throw new ConsiliumError("masking-second-list", {
    subject: `masked round ${state.context.round}, attempt ${state.context.attempt}`,
    expected: "the list of survivors that this site signed",
    actual: "another list",
    hint: "With two lists the coordinator could open single updates: stop the study and look into the coordinator.",
  });
}

function bothShares(): ConsiliumError {
  return new ConsiliumError("masking-both-shares", {
    subject: "list of survivors",
    expected: "each site as a survivor or as dropped",
    actual: "a site as both",
    hint: "Both shares of one site would open its update: stop the study and look into the coordinator.",
  });
}

function end(byId: ReadonlyMap<string, Advertisement>, siteId: string): Advertisement {
  const found = byId.get(siteId);
  if (found === undefined) throw invalid("sealed shares", "shares of a site that advertised keys", `site ${siteId}`);
  return found;
}

function endOf({ siteId, share }: Advertisement) {
  return { siteId, commitment: share };
}

function maskEndOf({ siteId, mask }: Advertisement) {
  return { siteId, commitment: mask };
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
