/**
 * The federation's authority in the coordinator's home, and the one before it while it is being rotated.
 *
 * `authority.pem` holds the certificate and the key, the key sealed under a passphrase unless the federation was founded
 * without. `previous-authority.json` holds the whole of the file before it, with the old authority's statement about
 * its successor.
 *
 * Invariants: without the passphrase a sealed authority issues nothing; a rotation that was cut short is none, since the
 * old file is set aside first and counts only once the new one, which it names, is in its place.
 */
import { join } from "node:path";
import { z } from "zod";
import { ConsiliumError, LIMITS } from "../base/index.ts";
import {
  type Credentials,
  certificateFingerprint,
  certificatesIn,
  createAuthority,
  findSealedKey,
  openSealedKey,
  readCertificate,
  type Succession,
  sealKey,
  signSuccession,
} from "../protocol/index.ts";
import { readOptional, writePrivately, writing } from "./home-files.ts";

const DAY_MS = 86_400_000;
const FILE = "authority.pem";
const PREVIOUS_FILE = "previous-authority.json";
const PREVIOUS_SCHEMA = "consilium.previous-authority/1";

export interface Authority {
  readonly certificatePem: string;
  /** Whether the key is encrypted at rest. */
  readonly sealed: boolean;
  /** Undefined where it is sealed and no passphrase was given. */
  readonly keyPem: string | undefined;
}

export interface PreviousAuthority extends Authority {
  readonly succession: Succession;
}

export interface Authorities {
  readonly authority: Authority;
  /** Set while it is believed beside the present one. */
  readonly previous: PreviousAuthority | null;
}

const previousSchema = z.strictObject({
  schema: z.literal(PREVIOUS_SCHEMA),
  authority: z.string(),
  succession: z.strictObject({ authorityPem: z.string(), endsMs: z.number().int(), signatureHex: z.string() }),
});

/** @throws ConsiliumError `disk-full`, `usage` for a passphrase that is too short */
export async function writeAuthority(
  folder: string,
  authority: Credentials,
  passphrase: string | undefined,
): Promise<void> {
  const text = await authorityText(authority, passphrase);
  await writing(() => writePrivately(join(folder, FILE), text));
}

/** Undefined where there is none. @throws ConsiliumError `passphrase-wrong`, `home-invalid` */
export async function readAuthorities(folder: string, passphrase?: string): Promise<Authorities | undefined> {
  const authority = await openAuthority(await readOptional(join(folder, FILE)), passphrase);
  if (authority === undefined) return undefined;
  const text = await readOptional(join(folder, PREVIOUS_FILE));
  return { authority, previous: text === undefined ? null : await openPrevious(text, authority, passphrase) };
}

/** The authority as one that can sign. @throws ConsiliumError `passphrase-missing` */
export function unlocked({ certificatePem, keyPem }: Authority): Credentials {
  if (keyPem !== undefined) return { certificatePem, keyPem };
  throw new ConsiliumError("passphrase-missing", {
    subject: "key of the federation's authority",
    expected: "its passphrase",
    actual: "none",
    hint: "Give it with --passphrase-file FILE, in CONSILIUM_CA_PASSPHRASE, or at the terminal when asked.",
  });
}

/** The authority that the coordinator's own certificate is of: the old one as long as sites may know no other. */
export function serverAuthority({ authority, previous }: Authorities, nowMs: number): Authority {
  return overlaps(previous, nowMs) ? previous : authority;
}

/** Certificates of the authorities that are believed now, the present one first. */
export function believedAuthorities({ authority, previous }: Authorities, nowMs: number): string {
  return overlaps(previous, nowMs) ? authority.certificatePem + previous.certificatePem : authority.certificatePem;
}

/** What sites are told while both authorities are believed. */
export function currentSuccession({ previous }: Authorities, nowMs: number): Succession | undefined {
  return overlaps(previous, nowMs) ? previous.succession : undefined;
}

function overlaps(previous: PreviousAuthority | null, nowMs: number): previous is PreviousAuthority {
  return previous !== null && nowMs < previous.succession.endsMs;
}

export interface RotateOptions {
  readonly folder: string;
  /** LIMITS.authorityOverlapDays unless given. */
  readonly overlapDays?: number | undefined;
  /** That the new key is sealed under: the present one's. */
  readonly passphrase: string | undefined;
  readonly nowMs: number;
}

/** @throws ConsiliumError `authority-rotating` while the last rotation goes on, `passphrase-missing`, `disk-full` */
export async function makeSuccessor(present: Authorities, options: RotateOptions): Promise<Authorities> {
  const { folder, overlapDays = LIMITS.authorityOverlapDays, passphrase, nowMs } = options;
  if (overlaps(present.previous, nowMs)) throw rotating(present.previous.succession.endsMs);
  const old = unlocked(present.authority);
  const next = await createAuthority(readCertificate(old.certificatePem).name, nowMs, old.certificatePem);
  const succession = signSuccession(old, next.certificatePem, nowMs + Math.ceil(overlapDays * DAY_MS));
  const kept = present.authority.sealed ? passphrase : undefined;
  if (present.authority.sealed && kept === undefined) unlocked({ ...present.authority, keyPem: undefined });
  await writePrevious(folder, { ...present.authority, succession }, next.certificatePem, kept);
  await writeAuthority(folder, next, kept);
  return {
    authority: { ...next, sealed: kept !== undefined },
    previous: { ...present.authority, succession },
  };
}

/** Seals the keys anew, or for the first time. @throws ConsiliumError `passphrase-missing` for the present one */
export async function resealAuthorities(folder: string, present: Authorities, passphrase: string): Promise<void> {
  const { authority, previous } = present;
  const credentials = unlocked(authority);
  if (previous !== null) await writePrevious(folder, previous, authority.certificatePem, passphrase);
  await writeAuthority(folder, credentials, passphrase);
}

async function writePrevious(
  folder: string,
  previous: PreviousAuthority,
  authorityPem: string,
  passphrase: string | undefined,
): Promise<void> {
  const { endsMs, signature } = previous.succession;
  const document = {
    schema: PREVIOUS_SCHEMA,
    authority: await authorityText(unlocked(previous), passphrase),
    succession: { authorityPem, endsMs, signatureHex: Buffer.from(signature).toString("hex") },
  };
  await writing(() => writePrivately(join(folder, PREVIOUS_FILE), `${JSON.stringify(document, null, 2)}\n`));
}

async function openPrevious(
  text: string,
  { certificatePem }: Authority,
  passphrase: string | undefined,
): Promise<PreviousAuthority | null> {
  const { authority, succession } = parsePrevious(text);
  const sha256 = certificateFingerprint(succession.authorityPem);
  if (sha256 !== certificateFingerprint(certificatePem)) return null;
  const previous = await openAuthority(authority, passphrase);
  if (previous === undefined) throw damaged();
  const { authorityPem, endsMs, signatureHex } = succession;
  const authorityDer = readCertificate(authorityPem).der;
  const signature = new Uint8Array(Buffer.from(signatureHex, "hex"));
  return { ...previous, succession: { authorityDer, endsMs, signature } };
}

function parsePrevious(text: string): z.infer<typeof previousSchema> {
  try {
    return previousSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw damaged(cause);
  }
}

async function authorityText({ certificatePem, keyPem }: Credentials, passphrase: string | undefined): Promise<string> {
  const key =
    passphrase === undefined ? keyPem : await sealKey(keyPem, passphrase, certificateFingerprint(certificatePem));
  return `${certificatePem.trim()}\n${key.trim()}\n`;
}

async function openAuthority(text: string | undefined, passphrase?: string): Promise<Authority | undefined> {
  const [certificate] = certificatesIn(text ?? "");
  const sealedKey = findSealedKey(text ?? "");
  const keyPem = /-----BEGIN PRIVATE KEY-----[\s\S]*?-----END PRIVATE KEY-----/.exec(text ?? "")?.[0];
  if (certificate === undefined) return undefined;
  const certificatePem = `${certificate}\n`;
  if (sealedKey === undefined) {
    return keyPem === undefined ? undefined : { certificatePem, sealed: false, keyPem: `${keyPem}\n` };
  }
  if (passphrase === undefined) return { certificatePem, sealed: true, keyPem: undefined };
  const opened = await openSealedKey(sealedKey, passphrase, certificateFingerprint(certificatePem));
  return { certificatePem, sealed: true, keyPem: opened };
}

function rotating(endsMs: number): ConsiliumError {
  return new ConsiliumError("authority-rotating", {
    subject: "the federation's authority",
    expected: "one that is not being rotated",
    actual: `a rotation that goes on until ${new Date(endsMs).toISOString()}`,
    hint: "Wait for its end, so that every site follows one change before the next.",
  });
}

function damaged(cause?: unknown): ConsiliumError {
  return new ConsiliumError("home-invalid", {
    subject: PREVIOUS_FILE,
    expected: "the authority before the present one, as this product keeps it",
    actual: "a damaged file",
    hint: "Restore the home from a copy.",
    cause,
  });
}
