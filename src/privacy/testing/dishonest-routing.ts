/**
 * A coordinator that hands on what it likes, before the product's own sites, and what it can read in the end. Readable
 * sums follow from the masks that were really put on each upload and from the seeds that the shares in its hands really
 * open; who neighbours whom is not asked.
 */
import { sha256 } from "../../base/index.ts";
import { maskCommitmentOf, pairSeed, selfSeed } from "../secure-aggregation/mask-keys.ts";
import type { MaskTerm } from "../secure-aggregation/mask-stream.ts";
import {
  type Advertisement,
  type ListSignature,
  listBytes,
  type RevealedShares,
  type SealedShares,
  type SurvivorList,
} from "../secure-aggregation/masking-messages.ts";
import type { RoundContext } from "../secure-aggregation/round-context.ts";
import { combineShares } from "../secure-aggregation/secret-shares.ts";
import * as site from "../secure-aggregation/site-rounds.ts";
import { portsOf } from "./masked-federation.ts";

/** What a site was sent, what it put on its input, and how far it went along. */
export interface RoutedSite {
  readonly state: site.SiteMasked;
  readonly masks: readonly MaskTerm[];
}

export interface Routed {
  readonly context: RoundContext;
  readonly advertisements: readonly Advertisement[];
  readonly sites: ReadonlyMap<string, RoutedSite>;
}

export interface Routing {
  /** Whether a site's keys are shown to another. */
  readonly introduced: (from: string, to: string) => boolean;
  /** Whether the sealed shares of a site reach another that was shown its keys. */
  readonly shown: (from: string, to: string) => boolean;
}

const VERIFIED = new Map<string, boolean>();

/** As `portsOf`; of the same bytes a signature is verified once. */
export function routingPorts(siteId: string): ReturnType<typeof portsOf> {
  const ports = portsOf(siteId);
  const verify: typeof ports.verify = (signer, bytes, signature) => {
    const name = `${signer} ${sha256(bytes)} ${hex(signature)}`;
    const known = VERIFIED.get(name) ?? ports.verify(signer, bytes, signature);
    VERIFIED.set(name, known);
    return known;
  };
  return { ...ports, verify };
}

/** A site that refuses what it gets is left out from there on. */
export async function routed(context: RoundContext, { introduced, shown }: Routing): Promise<Routed> {
  VERIFIED.clear();
  const begun = context.sites.map((siteId) => site.advertiseKeys(context, siteId, [], portsOf(siteId)).state);
  const advertisements = begun.map(({ advertisement }) => advertisement);
  const shared: site.SiteShared[] = [];
  const sealed: SealedShares[] = [];
  for (const state of begun) {
    const { siteId } = state;
    const known = advertisements.filter((each) => each.siteId === siteId || introduced(each.siteId, siteId));
    const next = await unlessRefused(() => site.shareSecrets(state, known, routingPorts(siteId)));
    if (next === undefined) continue;
    shared.push(next.state);
    sealed.push(...next.message);
  }
  const sites = new Map<string, RoutedSite>();
  for (const state of shared) {
    const mine = sealed.filter(({ from, to }) => to === state.siteId && introduced(from, to) && shown(from, to));
    const masked = await unlessRefused(() => site.maskInput(state, mine));
    if (masked !== undefined) sites.set(state.siteId, masked);
  }
  return { context, advertisements, sites };
}

/** Sites that sign the list that they are shown, with their signatures; colluders sign each. */
export async function signersOf(
  { context, sites }: Routed,
  lists: readonly SurvivorList[],
  {
    colluders,
    shownTo,
  }: { readonly colluders: ReadonlySet<string>; readonly shownTo: (siteId: string) => SurvivorList },
): Promise<{
  readonly signed: readonly site.SiteSigned[];
  readonly signatures: readonly (readonly ListSignature[])[];
}> {
  const signed: site.SiteSigned[] = [];
  const signatures: ListSignature[][] = lists.map((list) =>
    [...colluders]
      .filter((siteId) => list.survivors.includes(siteId))
      .map((siteId) => ({ siteId, signature: portsOf(siteId).sign(listBytes(context, list)) })),
  );
  for (const [siteId, { state }] of sites) {
    if (colluders.has(siteId)) continue;
    const list = shownTo(siteId);
    const step = await unlessRefused(() => site.signSurvivors(state, list, portsOf(siteId)));
    if (step === undefined) continue;
    signed.push(step.state);
    signatures[lists.indexOf(list)].push(step.message);
  }
  return { signed, signatures };
}

/** What a site would reveal that looks at nothing: the control that shows what its checks are for. */
export function revealedBlindly({ siteId, held, list: { survivors, dropped } }: site.SiteSigned): RevealedShares {
  return {
    siteId,
    self: held.flatMap(({ of, shares }) => (survivors.includes(of) ? [{ of, share: shares.self }] : [])),
    mask: held.flatMap(({ of, shares }) => (dropped.includes(of) ? [{ of, share: shares.mask }] : [])),
  };
}

export async function unlessRefused<T>(step: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await step();
  } catch (error) {
    if ((error as { code?: string }).code?.startsWith("masking-") === true) return undefined;
    throw error;
  }
}

/**
 * Sites of each sum of inputs that can be read; the sites of colluders, whose inputs are known, are not counted.
 *
 * A sum with factors a is readable where no unknown mask stays on it. An unknown mask stands on one upload, so that its
 * factor is 0, or on two with opposite signs, so that their factors are one: the readable sums are those of whole
 * components of uploads that unknown masks join, where no upload has a mask that no other has.
 */
export async function readableSums(
  round: Routed,
  reveals: readonly RevealedShares[],
  colluders: ReadonlySet<string>,
): Promise<readonly (readonly string[])[]> {
  const known = await knownSeeds(round, reveals, colluders);
  const bearers = new Map<string, { readonly siteId: string; readonly sign: number }[]>();
  const honest = [...round.sites].filter(([siteId]) => !colluders.has(siteId));
  for (const [siteId, { masks }] of honest) {
    for (const { seed, sign } of masks) {
      const name = hex(seed.bytes);
      if (!known.has(name)) bearers.set(name, [...(bearers.get(name) ?? []), { siteId, sign }]);
    }
  }
  const part = new Map(honest.map(([siteId]) => [siteId, siteId]));
  const alone = new Set<string>();
  for (const [first, second, ...more] of bearers.values()) {
    if (second === undefined) {
      alone.add(first.siteId);
      continue;
    }
    if (more.length > 0 || first.sign + second.sign !== 0) throw new Error("masks of pairs with opposite signs");
    const [from, to] = [part.get(first.siteId), part.get(second.siteId)];
    for (const [siteId, name] of part) if (name === from) part.set(siteId, to as string);
  }
  const hidden = new Set([...alone].map((siteId) => part.get(siteId)));
  const names = [...new Set(part.values())].filter((name) => !hidden.has(name));
  return names.map((name) => [...part].filter(([, own]) => own === name).map(([siteId]) => siteId));
}

/** Seeds that shares or keys of colluders give. */
async function knownSeeds(
  { context, advertisements, sites }: Routed,
  reveals: readonly RevealedShares[],
  colluders: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  const helping = [...colluders].flatMap((siteId) => sites.get(siteId)?.state ?? []);
  const known = new Set(
    helping.flatMap(({ siteId }) => (sites.get(siteId)?.masks ?? []).map((m) => hex(m.seed.bytes))),
  );
  const secretOf = async (which: "self" | "mask", of: string): Promise<Uint8Array | undefined> => {
    const revealed = reveals.flatMap((each) => each[which].filter((one) => one.of === of).map(({ share }) => share));
    const given = helping.flatMap(({ held }) => held.filter((one) => one.of === of).map(({ shares }) => shares[which]));
    const enough = context.graph?.threshold ?? context.threshold;
    const all = [...new Map([...revealed, ...given].map((share) => [hex(share), share])).values()];
    return all.length < enough ? undefined : combineShares(all.slice(0, enough), of);
  };
  for (const { siteId, self, mask } of advertisements) {
    const bytes = await secretOf("self", siteId);
    if (bytes !== undefined && sha256(bytes) === self.sha256) {
      known.add(hex(selfSeed(context, { kind: "selfSecret", bytes }, siteId).bytes));
    }
    const helper = helping.find((state) => state.siteId === siteId)?.keys.mask.privateKey;
    const privateKey = helper ?? (await secretOf("mask", siteId));
    if (privateKey === undefined) continue;
    const secret = { kind: "maskSecret", privateKey } as const;
    if (hex(maskCommitmentOf(secret).publicKey) !== hex(mask.publicKey)) continue;
    for (const other of advertisements) {
      if (other.siteId === siteId) continue;
      const ends = [
        { siteId, commitment: mask },
        { siteId: other.siteId, commitment: other.mask },
      ] as const;
      known.add(hex(pairSeed(context, secret, ...ends).bytes));
    }
  }
  return known;
}

/** The sites in the order of the ring, as it shows from who receives from whom, for four neighbours or more. */
export function ringFrom(context: RoundContext, near: (a: string, b: string) => boolean): readonly string[] {
  const common = (a: string, b: string): number =>
    context.sites.filter((each) => near(a, each) && near(each, b)).length;
  const [start] = context.sites;
  const order = [start];
  while (order.length < context.sites.length) {
    const at = order[order.length - 1];
    // Next to each other: no two sites have more neighbours in common.
    const open = context.sites.filter((each) => near(at, each) && !order.includes(each));
    const [next] = open.sort((a, b) => common(at, b) - common(at, a));
    order.push(next);
  }
  return order;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
