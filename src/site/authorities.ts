/**
 * Which authorities a site believes, as the federation's authority is rotated.
 *
 * Invariants: a new authority is believed only on a statement signed by one believed before; the old one is believed
 * until the statement's end or until the coordinator first answers under the new one, whichever comes first, and never
 * again.
 */
import { z } from "zod";
import {
  type AuthoritySuccession,
  certificateFingerprint,
  certificatesIn,
  followSuccession,
  isIssued,
  readSuccession,
} from "../protocol/index.ts";
import { writeFileDurably } from "./file-store.ts";
import { FEDERATION_DOCUMENT, identityPath, parseDocument, type Site } from "./home.ts";

const DOCUMENT = "succession";

const schema = z.strictObject({ endsMs: z.number() });

export interface BelievedAuthorities {
  /** PEM, the present one first. */
  pem(): string;
  /** The one whose certificates are to be had now. */
  presentPem(): string;
  /** @returns whether there is a new one. @throws ConsiliumError as `followSuccession` does */
  follow(message: AuthoritySuccession, nowMs: number): Promise<boolean>;
  /** An answer was verified under this certificate. */
  answered(certificateDer: Uint8Array): Promise<void>;
}

export async function openAuthorities(site: Site, nowMs: number): Promise<BelievedAuthorities> {
  const { home, store, membership } = site;
  let pem = site.authorityPem;
  const keep = async (next: string): Promise<void> => {
    await writeFileDurably(identityPath(home, "authority"), next);
    pem = next;
  };
  const presentPem = (): string => `${certificatesIn(pem)[0]}\n`;
  const kept = await store.read(DOCUMENT);
  const ended = kept !== undefined && nowMs > parseDocument(schema, kept, `${DOCUMENT}.json`).endsMs;
  if (ended && certificatesIn(pem).length > 1) await keep(presentPem());
  return {
    pem: () => pem,
    presentPem,
    async follow(message, atMs) {
      const succession = readSuccession(message);
      const next = followSuccession(succession, pem, atMs);
      if (next === pem) return false;
      await store.write(DOCUMENT, { endsMs: succession.endsMs });
      await keep(next);
      await store.write(FEDERATION_DOCUMENT, { ...membership, federationId: certificateFingerprint(presentPem()) });
      return true;
    },
    async answered(certificateDer) {
      if (certificatesIn(pem).length > 1 && isIssued(certificateDer, presentPem())) await keep(presentPem());
    },
  };
}
