/**
 * The auditor's own check, in the browser: nothing that the server says about the journal is believed.
 *
 * - The chain: record n carries SHA-256 of "<hash of n-1> <n> <body>"; before the first stands the hash of the chain's
 *   name (src/coordinator/journal.ts).
 * - Signatures: ECDSA P-256 over "consilium.v1.envelope\0" and the header; the header names the body's digest. The key is
 *   found in the certificate that the journal holds for the site, and is the one whose digest the journal names.
 * - Heads that sites countersigned: signed by the site, and a record of this chain.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { SiteMessageSchema } from "../../src/protocol/gen/consilium/v1/federation_pb.ts";
import { type Bytes, sha256, toHex } from "./digest.ts";

const CHAIN = "consilium.journal/1";
const DOMAIN = "consilium.v1.envelope\0";
/** SubjectPublicKeyInfo of an uncompressed P-256 point: always this, then x and y. */
const SPKI_PREFIX = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
const SPKI_BYTES = 91;
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNING = { name: "ECDSA", hash: "SHA-256" } as const;

export interface ChainedRecord {
  readonly number: number;
  readonly body: string;
  readonly sha256: string;
}

export interface SignedHead {
  readonly siteId: string;
  readonly keySha256: string;
  readonly number: number;
  readonly sha256: string;
  readonly header: string;
  readonly body: Bytes;
  readonly signature: Bytes;
}

interface Event {
  readonly kind: string;
  readonly siteId?: string;
  readonly keySha256?: string;
  readonly certificatePem?: string;
  readonly evidence?: { readonly header: string; readonly body: string; readonly signature: string };
}

interface SiteKey {
  readonly siteId: string;
  readonly keySha256: string;
  readonly key: CryptoKey;
}

export interface JournalCheck {
  /** Takes the next records in their order. @throws Error in words at the first that does not hold */
  take(records: readonly ChainedRecord[]): Promise<void>;
  /** @throws Error in words */
  checkHead(head: SignedHead): Promise<void>;
  readonly records: () => number;
  readonly signatures: () => number;
  readonly head: () => string;
}

export function createJournalCheck(): JournalCheck {
  const hashes: string[] = [];
  /** The key that each site had last. */
  const keys = new Map<string, SiteKey>();
  const byDigest = new Map<string, SiteKey>();
  let signatures = 0;

  async function previous(): Promise<string> {
    return hashes.at(-1) ?? (await sha256(utf8(CHAIN)));
  }
  async function enrol({ siteId, keySha256, certificatePem }: Event, number: number): Promise<void> {
    if (siteId === undefined || keySha256 === undefined || certificatePem === undefined) return;
    const spki = publicKeyIn(certificatePem);
    if (spki === undefined || (await sha256(spki)) !== keySha256) {
      throw new Error(`record ${number}: the certificate of ${siteId} does not hold the key that the record names`);
    }
    const key = await crypto.subtle.importKey("spki", spki, ALGORITHM, false, ["verify"]);
    const known = { siteId, keySha256, key };
    keys.set(siteId, known);
    byDigest.set(keySha256, known);
  }
  async function checkEvidence({ siteId, evidence }: Event, number: number): Promise<void> {
    if (evidence === undefined || siteId === undefined) return;
    const site = keys.get(siteId);
    const { header, body, signature } = evidence;
    const holds = site !== undefined && (await isSigned(site, header, fromBase64(body), fromBase64(signature)));
    if (!holds) throw new Error(`record ${number}: the signature is not one of ${siteId} over what the record holds`);
    signatures++;
  }
  return {
    async take(records) {
      for (const { number, body, sha256: claimed } of records) {
        if (number !== hashes.length + 1) throw new Error(`record ${hashes.length + 1} is missing`);
        const actual = await sha256(utf8(`${await previous()} ${number} ${body}`));
        if (actual !== claimed) throw new Error(`record ${number} is not what its digest says`);
        const event = JSON.parse(body) as Event;
        if (event.kind === "site-enrolled") await enrol(event, number);
        await checkEvidence(event, number);
        hashes.push(actual);
      }
    },
    async checkHead({ siteId, keySha256, number, sha256: digest, header, body, signature }) {
      const site = byDigest.get(keySha256);
      if (site?.siteId !== siteId) throw new Error(`the key that countersigned for ${siteId} is not in the journal`);
      if (!(await isSigned(site, header, body, signature)))
        throw new Error(`the countersignature of ${siteId} does not hold`);
      const { seen } = fromBinary(SiteMessageSchema, body);
      if (Number(seen?.number) !== number || seen?.sha256 !== digest) {
        throw new Error(`${siteId} signed another head than the one shown`);
      }
      if (hashes[number - 1] !== digest)
        throw new Error(`record ${number}, which ${siteId} was told of, is not in this chain`);
    },
    records: () => hashes.length,
    signatures: () => signatures,
    head: () => hashes.at(-1) ?? "",
  };
}

async function isSigned({ key, siteId }: SiteKey, header: string, body: Bytes, signature: Bytes): Promise<boolean> {
  const said = JSON.parse(header) as { sender?: string; bodySha256?: string };
  if (said.sender !== siteId || said.bodySha256 !== (await sha256(body))) return false;
  return crypto.subtle.verify(SIGNING, key, signature, utf8(DOMAIN + header));
}

function publicKeyIn(pem: string): Bytes | undefined {
  const der = fromBase64(pem.replace(/-----[A-Z ]+-----|\s/g, ""));
  const at = toHex(der).indexOf(SPKI_PREFIX);
  return at < 0 || at % 2 === 1 ? undefined : der.slice(at / 2, at / 2 + SPKI_BYTES);
}

function utf8(text: string): Bytes {
  return new TextEncoder().encode(text) as Bytes;
}

function fromBase64(text: string): Bytes {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
