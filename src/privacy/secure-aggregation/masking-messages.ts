/**
 * What sites and coordinator say to each other in a masked round (Bonawitz et al. 2017, figure 4), as plain records,
 * and the bytes that sites sign. Signatures are made with the site's own key, which reviewers approved in the roster,
 * so the coordinator can neither invent a site nor answer for one.
 */
import { ConsiliumError } from "../../base/index.ts";
import type { MaskCommitment, SelfCommitment, ShareCommitment } from "./mask-keys.ts";
import { boundBytes, type RoundContext } from "./round-context.ts";

/** Round 0: the public halves of a site's keys for one attempt. */
export interface Advertisement {
  readonly siteId: string;
  readonly mask: MaskCommitment;
  readonly share: ShareCommitment;
  readonly self: SelfCommitment;
  readonly signature: Uint8Array;
}

/** Round 1: shares of `from`'s secrets that only `to` can open. */
export interface SealedShares {
  readonly from: string;
  readonly to: string;
  readonly sealed: Uint8Array;
}

/** Round 3: who is in the sum, and who shared keys and is not; each in ascending order. */
export interface SurvivorList {
  readonly survivors: readonly string[];
  readonly dropped: readonly string[];
}

export interface ListSignature {
  readonly siteId: string;
  readonly signature: Uint8Array;
}

/** Round 4: for each survivor a share of its self seed, for each dropped site a share of its mask key. */
export interface RevealedShares {
  readonly siteId: string;
  readonly self: readonly RevealedShare[];
  readonly mask: readonly RevealedShare[];
}

export interface RevealedShare {
  /** Whose secret it is a share of. */
  readonly of: string;
  readonly share: Uint8Array;
}

export interface SignPort {
  readonly sign: (bytes: Uint8Array) => Uint8Array;
}

export interface VerifyPort {
  /** False for a site that is not in the roster, too. */
  readonly verify: (siteId: string, bytes: Uint8Array, signature: Uint8Array) => boolean;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

export function advertisedBytes(context: RoundContext, keys: Omit<Advertisement, "signature">): Uint8Array {
  return boundBytes(context, "advertisement", {
    site: keys.siteId,
    mask: hex(keys.mask.publicKey),
    share: hex(keys.share.publicKey),
    self: keys.self.sha256,
  });
}

/** What a sealed message is bound to: nobody can hand it on to another site, or as another's. */
export function sealedBytes(context: RoundContext, { from, to }: Omit<SealedShares, "sealed">): Uint8Array {
  return boundBytes(context, "sealed shares", { from, to });
}

/** Divergence: the list that is signed names the dropped sites too, whose mask keys will be opened. */
export function listBytes(context: RoundContext, { survivors, dropped }: SurvivorList): Uint8Array {
  return boundBytes(context, "survivors", { survivors, dropped });
}

/**
 * The advertisements of one attempt: enough, each of another site of the roster, each signed by it, no key twice.
 * @throws ConsiliumError `masking-below-threshold`, `masking-message-invalid` or `signature-invalid`
 */
export function checkAdvertisements(
  context: RoundContext,
  all: readonly Advertisement[],
  { verify }: VerifyPort,
): void {
  checkSites(
    context,
    all.map(({ siteId }) => siteId),
    "advertisements of keys",
  );
  for (const each of all) {
    if (!verify(each.siteId, advertisedBytes(context, each), each.signature)) throw forged(each.siteId, "masking keys");
  }
  const keys = all.flatMap(({ mask, share }) => [hex(mask.publicKey), hex(share.publicKey)]);
  if (new Set(keys).size !== keys.length) throw invalid("advertisements of keys", "keys that differ", "a key twice");
}

/** @throws ConsiliumError `masking-below-threshold` or `masking-message-invalid` */
export function checkSites({ sites, threshold }: RoundContext, named: readonly string[], subject: string): void {
  const stranger = named.find((site) => !sites.includes(site));
  if (stranger !== undefined) throw invalid(subject, "sites of the approved roster", `site ${stranger}`);
  if (new Set(named).size !== named.length) throw invalid(subject, "each site once", "a site twice");
  if (named.length < threshold) throw belowThreshold(subject, threshold, named.length);
}

export function belowThreshold(subject: string, threshold: number, actual: number): ConsiliumError {
  return new ConsiliumError("masking-below-threshold", {
    subject,
    expected: `at least ${threshold} sites`,
    actual: String(actual),
    hint: "The round fails and nothing of its updates can be opened: try again when more sites are there.",
  });
}

/** Survivors, or those of them that signed, by whom the sum of a part of the sites could be seen. */
export function fallsApart(who: "survivors" | "survivors that signed", count: number): ConsiliumError {
  return new ConsiliumError("masking-below-threshold", {
    subject: `neighbours among the ${who}`,
    expected: `${who} who hang together by their masks, without any of the declared colluders`,
    actual: `${count} ${who} who fall apart`,
    hint: "The round fails and nothing of its updates can be opened: more neighbours bear more dropouts.",
  });
}

export function invalid(subject: string, expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("masking-message-invalid", {
    subject,
    expected,
    actual,
    hint: "The sender does not follow the protocol: nothing was answered. Look into it before going on.",
  });
}

export function forged(siteId: string, what: string): ConsiliumError {
  return new ConsiliumError("signature-invalid", {
    subject: `${what} of site ${siteId}`,
    expected: "a signature by the key that reviewers approved for that site",
    actual: "one that does not verify",
    hint: "Somebody speaks for that site who is not it: stop the study and ask the site by another way.",
  });
}
