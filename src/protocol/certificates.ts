/**
 * The federation's certificates (RFC 5280), all on P-256: its authority, the coordinator's, each site's.
 *
 * Making them is @peculiar/x509's work, reading and checking them node:crypto's; both stay behind this file.
 *
 * Invariants: the authority signs only certificates that cannot sign others; a site's certificate serves for clients
 * only and carries the site's name; the name "coordinator" is issued to the coordinator alone.
 */
import "reflect-metadata";
import { createPrivateKey, generateKeyPairSync, type KeyObject, webcrypto, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import {
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  PemConverter,
  Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  X509Certificate as X509CertificateReader,
} from "@peculiar/x509";
import { ConsiliumError, LIMITS, type Sha256, sha256 } from "../base/index.ts";
import { COORDINATOR_NAME, checkSiteId } from "./names.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Certificates begin an hour early, for sites whose clocks run behind. */
const BACKDATED_MS = HOUR_MS;
const AUTHORITY_DAYS = 3650;
const COORDINATOR_DAYS = 397;
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

cryptoProvider.set(webcrypto);

/** A certificate and the private key to it, both PEM; the key PKCS #8, not encrypted. */
export interface Credentials {
  readonly certificatePem: string;
  readonly keyPem: string;
}

export interface CertificateFacts {
  /** Common name: a site's identifier, "coordinator", or the federation's name. */
  readonly name: string;
  readonly publicKey: KeyObject;
  /** SHA-256 of the SubjectPublicKeyInfo (DER). */
  readonly keySha256: Sha256;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly der: Uint8Array;
}

/**
 * A new authority, valid for ten years.
 * @param after the certificate that it takes over from: TLS tells authorities apart by their names, so its own names it
 */
export async function createAuthority(federationName: string, nowMs: number, after?: string): Promise<Credentials> {
  const keyPem = createPrivateKeyPem();
  const unit = after === undefined ? undefined : `after ${certificateFingerprint(after).slice(0, 32)}`;
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: nameOf(federationName, unit),
    keys: await keyPairOf(keyPem),
    signingAlgorithm: ALGORITHM,
    ...validity(nowMs, AUTHORITY_DAYS),
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  return { certificatePem: certificate.toString("pem"), keyPem };
}

/** A key and certificate for the coordinator, good for the names and addresses that sites dial. */
export async function issueCoordinatorCertificate(
  authority: Credentials,
  hosts: readonly string[],
  nowMs: number,
): Promise<Credentials> {
  const keyPem = createPrivateKeyPem();
  const { publicKey } = await keyPairOf(keyPem);
  const names = hosts.map((host) => ({ type: isIP(host) ? ("ip" as const) : ("dns" as const), value: host }));
  const certificatePem = await issue(authority, COORDINATOR_NAME, publicKey, validity(nowMs, COORDINATOR_DAYS), [
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
    new SubjectAlternativeNameExtension(names),
  ]);
  return { certificatePem, keyPem };
}

/**
 * A site's certificate for the key of its request.
 * @throws ConsiliumError `certificate-untrusted` for a request that is not a P-256 request signed by its own key.
 */
export async function issueSiteCertificate(
  authority: Credentials,
  site: { readonly siteId: string; readonly csrDer: Uint8Array },
  nowMs: number,
): Promise<string> {
  checkSiteId(site.siteId);
  const request = await readSigningRequest(site.csrDer);
  const publicKey = await request.publicKey.export(ALGORITHM, ["verify"], webcrypto);
  return issue(authority, site.siteId, publicKey, validity(nowMs, LIMITS.certificateValidDays), [
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth]),
  ]);
}

export function createPrivateKeyPem(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/** PKCS #10 request for the key, under the site's name. */
export async function createSigningRequest(siteId: string, keyPem: string): Promise<Uint8Array> {
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: nameOf(checkSiteId(siteId)),
    keys: await keyPairOf(keyPem),
    signingAlgorithm: ALGORITHM,
  });
  return new Uint8Array(request.rawData);
}

/** @throws ConsiliumError `certificate-untrusted` for anything but one certificate. */
export function readCertificate(certificate: string | Uint8Array): CertificateFacts {
  const key = sha256(certificate);
  const facts = known.get(key) ?? factsOf(certificate);
  if (known.size >= KNOWN_AT_MOST) known.clear();
  known.set(key, facts);
  return facts;
}

/** Facts of certificates by their bytes: a site looks at its own at every question, and the bytes say the same. */
const known = new Map<Sha256, CertificateFacts>();
const KNOWN_AT_MOST = 4096;

function factsOf(certificate: string | Uint8Array): CertificateFacts {
  return reading(certificate, () => {
    const parsed = new X509Certificate(certificate);
    return {
      name: commonName(parsed.raw, "subject"),
      publicKey: parsed.publicKey,
      keySha256: publicKeySha256(parsed.publicKey),
      notBeforeMs: Date.parse(parsed.validFrom),
      notAfterMs: Date.parse(parsed.validTo),
      der: new Uint8Array(parsed.raw),
    };
  });
}

/** Whether half of a site's certificate is over. */
export function isRenewalDue({ notBeforeMs, notAfterMs }: CertificateFacts, nowMs: number): boolean {
  return nowMs > (notBeforeMs + notAfterMs) / 2;
}

/** A new certificate for a site's key, whose holder the caller has verified. */
export async function renewSiteCertificate(
  authority: Credentials,
  site: { readonly siteId: string; readonly certificatePem: string },
  nowMs: number,
): Promise<string> {
  const { publicKey } = readCertificate(site.certificatePem);
  const spki = publicKey.export({ type: "spki", format: "der" });
  const key = await webcrypto.subtle.importKey("spki", ownBuffer(spki), ALGORITHM, true, ["verify"]);
  return issue(authority, checkSiteId(site.siteId), key, validity(nowMs, LIMITS.certificateValidDays), [
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth]),
  ]);
}

/** The certificates in a PEM text, in their order. */
export function certificatesIn(pem: string): readonly string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
}

/** @throws ConsiliumError `certificate-untrusted` for anything but an authority's certificate under its own key */
export function checkAuthority(certificate: string | Uint8Array): void {
  const parsed = parseCertificate(certificate);
  if (parsed.ca && parsed.checkIssued(parsed) && parsed.verify(parsed.publicKey)) return;
  throw new ConsiliumError("certificate-untrusted", {
    subject: "authority",
    expected: "an authority's certificate, signed by its own key",
    actual: "another certificate",
    hint: "Tell the study lead.",
  });
}

/**
 * Checks that a certificate was issued by one of these authorities, whatever the time.
 * @param authorityPem one authority's certificate, or several one after the other
 * @throws ConsiliumError `certificate-untrusted`
 */
export function verifyIssued(certificate: string | Uint8Array, authorityPem: string): CertificateFacts {
  const key = sha256(authorityPem, certificate);
  const facts = verified.get(key) ?? verifyIssuer(certificate, authorityPem);
  if (verified.size >= VERIFIED_AT_MOST) verified.clear();
  verified.set(key, facts);
  return facts;
}

/** Of these authorities the one that issued a certificate, as PEM; the first where none did. */
export function issuerIn(authorityPem: string, certificatePem: string): string {
  const authorities = certificatesIn(authorityPem);
  return `${authorities.find((each) => isIssued(certificatePem, each)) ?? authorities[0]}\n`;
}

/** Whether a certificate was issued by one of these authorities, whatever the time. */
export function isIssued(certificate: string | Uint8Array, authorityPem: string): boolean {
  try {
    verifyIssued(certificate, authorityPem);
    return true;
  } catch {
    return false;
  }
}

/**
 * Checks that a certificate was issued by this authority and is valid now.
 * @throws ConsiliumError `certificate-untrusted` or `certificate-expired`.
 */
export function verifyCertificate(
  certificate: string | Uint8Array,
  authorityPem: string,
  nowMs: number,
): CertificateFacts {
  const facts = verifyIssued(certificate, authorityPem);
  if (nowMs >= facts.notBeforeMs && nowMs <= facts.notAfterMs) return facts;
  throw new ConsiliumError("certificate-expired", {
    subject: `certificate of ${facts.name}`,
    expected: `a time between ${iso(facts.notBeforeMs)} and ${iso(facts.notAfterMs)}`,
    actual: iso(nowMs),
    hint: "Check this machine's clock; if it is right, join the federation anew with a new invitation.",
  });
}

/** Certificates whose issuer was verified, by the bytes of both: a signature holds or does not, once and for all. */
const verified = new Map<Sha256, CertificateFacts>();
const VERIFIED_AT_MOST = 4096;

function verifyIssuer(certificate: string | Uint8Array, authorityPem: string): CertificateFacts {
  const parsed = parseCertificate(certificate);
  const facts = readCertificate(certificate);
  const issued = (authority: X509Certificate): boolean =>
    authority.fingerprint256 !== parsed.fingerprint256 &&
    parsed.checkIssued(authority) &&
    parsed.verify(authority.publicKey);
  if (certificatesIn(authorityPem).map(parseCertificate).some(issued)) return facts;
  const issuer = reading(certificate, () => commonName(parsed.raw, "issuer"));
  throw new ConsiliumError("certificate-untrusted", {
    subject: `certificate of ${facts.name}`,
    expected: "one issued by this federation's authority",
    actual: `one issued by ${issuer || "another authority"} under another key`,
    hint: "It belongs to another federation: join this one with an invitation of its own.",
  });
}

/** Whether a certificate is good for a host name or address that is dialled. */
export function certificateServes(certificate: string | Uint8Array, host: string): boolean {
  const parsed = parseCertificate(certificate);
  return (isIP(host) ? parsed.checkIP(host) : parsed.checkHost(host)) !== undefined;
}

/** SHA-256 of the certificate (DER), as `openssl x509 -fingerprint -sha256` shows it, in lower case without colons. */
export function certificateFingerprint(certificate: string | Uint8Array): Sha256 {
  return sha256(parseCertificate(certificate).raw);
}

export function publicKeySha256(publicKey: KeyObject): Sha256 {
  return sha256(publicKey.export({ type: "spki", format: "der" }));
}

export function certificateToPem(der: Uint8Array): string {
  return PemConverter.encode(ownBuffer(der), PemConverter.CertificateTag);
}

export function certificateToDer(pem: string): Uint8Array {
  return new Uint8Array(parseCertificate(pem).raw);
}

async function issue(
  authority: Credentials,
  name: string,
  publicKey: webcrypto.CryptoKey,
  valid: { readonly notBefore: Date; readonly notAfter: Date },
  extensions: readonly (ExtendedKeyUsageExtension | SubjectAlternativeNameExtension)[],
): Promise<string> {
  const { privateKey } = await keyPairOf(authority.keyPem);
  const certificate = await X509CertificateGenerator.create({
    subject: nameOf(name),
    issuer: new X509CertificateReader(authority.certificatePem).subjectName,
    publicKey,
    signingKey: privateKey,
    signingAlgorithm: ALGORITHM,
    ...valid,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      ...extensions,
    ],
  });
  return certificate.toString("pem");
}

async function readSigningRequest(der: Uint8Array): Promise<Pkcs10CertificateRequest> {
  try {
    const request = new Pkcs10CertificateRequest(ownBuffer(der));
    if (await request.verify(webcrypto)) return request;
  } catch {
    // Told below, in the same words: whatever it was, it is no request that its own key signed.
  }
  throw new ConsiliumError("certificate-untrusted", {
    subject: "certificate request",
    expected: "a PKCS #10 request signed by its own P-256 key",
    actual: `${der.length} bytes that are not`,
    hint: "Run `consilium site join` again with a new invitation.",
  });
}

/** As a tagged string: a bare one would be parsed, quotation marks and all. */
function nameOf(commonName: string, unit?: string): Name {
  const name = { CN: [{ utf8String: commonName }] };
  return new Name(unit === undefined ? [name] : [name, { OU: [{ utf8String: unit }] }]);
}

/** Read from the DER: node's text form escapes, and a line break in a name could forge a second one there. */
function commonName(der: Uint8Array, of: "subject" | "issuer"): string {
  const certificate = new X509CertificateReader(ownBuffer(der));
  const name = of === "subject" ? certificate.subjectName : certificate.issuerName;
  return name.getField("CN")[0] ?? "";
}

function parseCertificate(certificate: string | Uint8Array): X509Certificate {
  return reading(certificate, () => new X509Certificate(certificate));
}

/** What is read of a certificate; a key or a name in it may be damaged where its frame is whole. */
function reading<T>(certificate: string | Uint8Array, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new ConsiliumError("certificate-untrusted", {
      subject: "certificate",
      expected: "an X.509 certificate",
      actual: `${certificate.length} bytes that are not`,
      hint: "The file or message is damaged: fetch it again.",
      cause,
    });
  }
}

async function keyPairOf(keyPem: string): Promise<webcrypto.CryptoKeyPair> {
  const privateDer = createPrivateKey(keyPem).export({ type: "pkcs8", format: "der" });
  const privateKey = await webcrypto.subtle.importKey("pkcs8", privateDer, ALGORITHM, true, ["sign"]);
  const { kty, crv, x, y } = await webcrypto.subtle.exportKey("jwk", privateKey);
  const publicJwk = { kty: kty ?? "", crv: crv ?? "", x: x ?? "", y: y ?? "" };
  const publicKey = await webcrypto.subtle.importKey("jwk", publicJwk, ALGORITHM, true, ["verify"]);
  return { privateKey, publicKey };
}

function validity(nowMs: number, days: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(nowMs - BACKDATED_MS), notAfter: new Date(nowMs + days * DAY_MS) };
}

function iso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

function ownBuffer(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
