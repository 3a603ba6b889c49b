import { X509Certificate } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { LIMITS } from "../base/index.ts";
import {
  type Credentials,
  certificateFingerprint,
  createAuthority,
  enrolmentProof,
  formatInvitation,
  isEnrolmentProof,
  isSiteId,
  issueCoordinatorCertificate,
  issueSiteCertificate,
  parseInvitation,
  readCertificate,
  verifyCertificate,
} from "./index.ts";
import { fakeFederation } from "./testing/fake-federation.ts";

const NOW = Date.UTC(2026, 0, 15);
const DAY_MS = 86_400_000;
let authority: Credentials;

beforeAll(async () => {
  authority = await createAuthority('Tumour, "brain"+\n=CN=coordinator', NOW);
});

describe("certificates", () => {
  test("the coordinator's is issued by the authority, for its addresses", async () => {
    const issued = await issueCoordinatorCertificate(authority, ["127.0.0.1", "::1", "hospital.example"], NOW);
    const facts = verifyCertificate(issued.certificatePem, authority.certificatePem, NOW);
    expect(facts.name).toBe("coordinator");
    const certificate = new X509Certificate(issued.certificatePem);
    expect(certificate.checkIP("127.0.0.1")).toBe("127.0.0.1");
    expect(certificate.checkHost("hospital.example")).toBe("hospital.example");
    expect(certificate.checkHost("other.example")).toBeUndefined();
    expect(certificate.ca).toBe(false);
  });

  test("a federation's name cannot forge another name", () => {
    expect(readCertificate(authority.certificatePem).name).toBe('Tumour, "brain"+\n=CN=coordinator');
  });

  test("of another authority is refused, even one of the same name", async () => {
    const twin = await createAuthority('Tumour, "brain"+\n=CN=coordinator', NOW);
    const issued = await issueCoordinatorCertificate(twin, ["127.0.0.1"], NOW);
    expect(() => verifyCertificate(issued.certificatePem, authority.certificatePem, NOW)).toThrow(/untrusted/);
  });

  test("the authority's own is nobody's identity", () => {
    expect(() => verifyCertificate(authority.certificatePem, authority.certificatePem, NOW)).toThrow(/untrusted/);
  });

  test("is refused before and after its time", async () => {
    const federation = await fakeFederation();
    const site = await federation.join("upenn");
    const { notBeforeMs, notAfterMs } = readCertificate(site.certificatePem);
    const check = (nowMs: number) => () => verifyCertificate(site.certificatePem, site.authorityPem, nowMs);
    expect(check(notBeforeMs)).not.toThrow();
    expect(check(notBeforeMs - 1)).toThrow(/certificate-expired/);
    expect(check(notAfterMs + 1)).toThrow(/certificate-expired/);
    expect(Math.round((notAfterMs - notBeforeMs) / DAY_MS)).toBe(LIMITS.certificateValidDays);
  });

  test("a request that its own key did not sign gets none", async () => {
    const junk = { siteId: "upenn", csrDer: new Uint8Array(200) };
    await expect(issueSiteCertificate(authority, junk, NOW)).rejects.toMatchObject({ code: "certificate-untrusted" });
  });

  test("the coordinator's name is issued to no site", async () => {
    expect(isSiteId("coordinator")).toBe(false);
    const request = { siteId: "coordinator", csrDer: new Uint8Array() };
    await expect(issueSiteCertificate(authority, request, NOW)).rejects.toMatchObject({ code: "message-invalid" });
  });
});

describe("the proof of an invitation", () => {
  const secret = Buffer.alloc(32, 1).toString("base64url");
  const csr = new Uint8Array([1, 2, 3]);
  const proof = enrolmentProof(secret, "id", "upenn", csr);

  test("holds for the same secret, invitation, site and request only", () => {
    expect(isEnrolmentProof(proof, enrolmentProof(secret, "id", "upenn", csr))).toBe(true);
    const otherSecret = Buffer.alloc(32, 2).toString("base64url");
    expect(isEnrolmentProof(proof, enrolmentProof(otherSecret, "id", "upenn", csr))).toBe(false);
    expect(isEnrolmentProof(proof, enrolmentProof(secret, "other", "upenn", csr))).toBe(false);
    expect(isEnrolmentProof(proof, enrolmentProof(secret, "id", "tum", csr))).toBe(false);
    expect(isEnrolmentProof(proof, enrolmentProof(secret, "id", "upenn", new Uint8Array([1, 2])))).toBe(false);
    expect(isEnrolmentProof(new Uint8Array(), proof)).toBe(false);
  });
});

describe("an invitation file", () => {
  const written = {
    federation: "Tumour",
    address: "127.0.0.1:7443",
    caFingerprint: "0".repeat(64),
    invitationId: "1".repeat(32),
    siteId: "upenn",
    secret: "A".repeat(43),
    expiresMs: NOW + DAY_MS,
  };
  const text = formatInvitation(written);

  test("is read as it was written", () => {
    expect(parseInvitation(text, "upenn.json", NOW)).toEqual({ schema: "consilium.invitation/1", ...written });
    expect(certificateFingerprint(authority.certificatePem)).toMatch(/^[0-9a-f]{64}$/);
  });

  test("is refused after its time", () => {
    expect(() => parseInvitation(text, "upenn.json", written.expiresMs)).not.toThrow();
    expect(() => parseInvitation(text, "upenn.json", written.expiresMs + 1)).toThrow(/invitation-expired/);
  });

  test("cut off, empty, or with anything else in it is refused", () => {
    const wrong = [text.slice(0, -10), "", "null", "[]", text.replace("upenn", "U Penn"), text.replace("7443", "")];
    for (const spoiled of [...wrong, text.replace("{", '{"more": 1,')]) {
      expect(() => parseInvitation(spoiled, "upenn.json", NOW)).toThrow(/invitation-invalid/);
    }
  });
});
