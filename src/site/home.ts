/**
 * A site's home folder: who this site is, and everything it must not forget.
 *
 * ```
 * home/federation.json           which federation, as which site; its presence is what "joined" means
 * home/identity/key.pem          the private key, mode 0600; made here, never leaves
 * home/identity/certificate.pem  the site's certificate
 * home/identity/authority.pem    the federation's authority, the only one believed
 * home/identity/proxy-ca.pem     of a proxy that ends TLS, where the site chose to speak through one (`line.ts`)
 * home/data.json                 registered cases and their split; never leaves
 * home/review/, home/decision/   what was offered for approval, and what was decided
 * home/study/<hash>/             where the site is in a study
 * home/objects/                  weights, updates, optimiser moments, under their SHA-256
 * home/predictions/              label maps that the site's model drew of its own cases, for its viewer
 * home/journal-head.json         the last record of the coordinator's journal that this site was told
 * home/outbox-log.jsonl          what left; full files of it lie beside it under numbers
 * home/privacy-ledger.jsonl      the privacy budget and what was spent of it, over all studies
 * ```
 */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { ConsiliumError, type Sha256 } from "../base/index.ts";
import { publicKeySha256 } from "../protocol/index.ts";
import { openFileStore } from "./file-store.ts";
import { lockHome } from "./home-lock.ts";
import type { SiteStore } from "./site-store.ts";

export const FEDERATION_DOCUMENT = "federation";

const membershipSchema = z.strictObject({
  schema: z.literal("consilium.site/1"),
  siteId: z.string(),
  federationName: z.string(),
  federationId: z.string(),
  /** host:port of the coordinator. */
  address: z.string(),
  joinedAtMs: z.number(),
  /** False where the site chose sealed calls through a proxy that ends TLS. */
  mutualTls: z.literal(false).optional(),
});

/** Which federation a home belongs to, and as which site. */
export type Membership = z.infer<typeof membershipSchema>;

/** A proxy that ends TLS, and which the site chose to speak through. */
export interface TlsProxy {
  /** Certificates that it shows in other hosts' names are of one of these authorities; of those that Node believes unless given. */
  readonly caPem?: string | undefined;
}

/** A joined site, ready to speak for itself. */
export interface Site {
  readonly home: string;
  readonly siteId: string;
  readonly membership: Membership;
  readonly store: SiteStore;
  readonly keyPem: string;
  readonly certificatePem: string;
  readonly authorityPem: string;
  /** Undefined where TLS is mutual. */
  readonly tlsProxy?: TlsProxy | undefined;
  readonly privateKey: KeyObject;
  /** SHA-256 of the public key (SPKI), as rosters name it. */
  readonly keySha256: Sha256;
}

export interface OpenSite extends Site {
  /** Lets go of the home's lock. */
  close(): Promise<void>;
}

export function identityPath(home: string, name: "key" | "certificate" | "authority" | "proxy-ca"): string {
  return join(home, "identity", `${name}.pem`);
}

/** The home's membership, or undefined where it has joined nothing. @throws ConsiliumError `home-invalid` */
export async function readMembership(store: SiteStore): Promise<Membership | undefined> {
  const value = await store.read(FEDERATION_DOCUMENT);
  return value === undefined ? undefined : parseDocument(membershipSchema, value, "federation.json");
}

/** Reads a joined home without locking it. @throws ConsiliumError `home-invalid` where it has not joined. */
export async function readSite(home: string): Promise<Site> {
  const store = await openExisting(home);
  const membership = await readMembership(store);
  if (membership === undefined) throw notJoined();
  const [keyPem, certificatePem, authorityPem] = await Promise.all(
    (["key", "certificate", "authority"] as const).map((name) => readIdentity(home, name)),
  );
  const privateKey = createPrivateKey(keyPem);
  const tlsProxy = membership.mutualTls === false ? { caPem: await readProxyCa(home) } : undefined;
  return {
    home,
    siteId: membership.siteId,
    membership,
    store,
    keyPem,
    certificatePem,
    authorityPem,
    tlsProxy,
    privateKey,
    keySha256: publicKeySha256(createPublicKey(privateKey)),
  };
}

/** Opens a joined home for work. @throws ConsiliumError `home-invalid`, `home-locked` */
export async function openSite(home: string): Promise<OpenSite> {
  const site = await readSite(home);
  const lock = await lockHome(home);
  return { ...site, close: async () => lock.release() };
}

/** A document that the site wrote itself, checked all the same. @throws ConsiliumError `home-invalid` */
export function parseDocument<T>(schema: z.ZodType<T>, value: unknown, name: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ConsiliumError("home-invalid", {
    subject: name,
    expected: "what this version of Consilium writes",
    actual: `${issue.path.join(".") || "the document"}: ${issue.message}`,
    hint: "The home was edited, damaged, or written by another version: restore it whole from a backup.",
  });
}

async function openExisting(home: string): Promise<SiteStore> {
  await readFile(join(home, `${FEDERATION_DOCUMENT}.json`)).catch((cause: unknown) => {
    throw notJoined(cause);
  });
  return openFileStore(home);
}

/** @throws ConsiliumError `home-invalid` where it is there and cannot be read: another would be believed in its place */
async function readProxyCa(home: string): Promise<string | undefined> {
  return readFile(identityPath(home, "proxy-ca"), "utf8").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return undefined;
    throw new ConsiliumError("home-invalid", {
      subject: "the site's home",
      expected: "identity/proxy-ca.pem that this user may read",
      actual: String(cause.code),
      hint: "Choose the line again: `consilium site line --home HOME --through-tls-proxy --proxy-ca FILE`.",
      cause,
    });
  });
}

async function readIdentity(home: string, name: "key" | "certificate" | "authority"): Promise<string> {
  try {
    return await readFile(identityPath(home, name), "utf8");
  } catch (cause) {
    throw new ConsiliumError("home-invalid", {
      subject: "the site's home",
      expected: `identity/${name}.pem`,
      actual: "no such file, or no permission to read it",
      hint: "Restore the home from a backup, or join again in a new folder with a new invitation.",
      cause,
    });
  }
}

function notJoined(cause?: unknown): ConsiliumError {
  return new ConsiliumError("home-invalid", {
    subject: "the site's home",
    expected: "a folder that joined a federation",
    actual: "one that did not",
    hint: "Join first: `consilium site join --home HOME --invitation FILE`.",
    cause,
  });
}
