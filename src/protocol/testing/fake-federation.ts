/**
 * A small federation for tests of the protocol: an authority, a coordinator's certificate, and a service that keeps
 * objects in memory and signs an answer to whatever it is told.
 */
import { create } from "@bufbuild/protobuf";
import { ConsiliumError, systemClock } from "../../base/index.ts";
import {
  CoordinatorMessageSchema,
  type Credentials,
  certificateFingerprint,
  certificateToDer,
  createAuthority,
  createSiteKey,
  type Enrolment,
  EnrolReplySchema,
  enrolInMemory,
  enrolmentProof,
  type FederationServer,
  type FederationServerOptions,
  type FederationService,
  formatInvitation,
  type Invitation,
  isEnrolmentProof,
  issueCoordinatorCertificate,
  issueSiteCertificate,
  openEnvelope,
  type Peer,
  parseInvitation,
  readCertificate,
  readPrivateKey,
  readSiteMessage,
  sealAnswer,
  startFederationServer,
} from "../index.ts";

const SECRET = Buffer.alloc(32, 7).toString("base64url");

export interface FakeFederation {
  readonly authority: Credentials;
  readonly coordinator: Credentials;
  readonly service: FederationService;
  /** Whole objects, by digest. */
  readonly objects: Map<string, Uint8Array>;
  /** Uploads in progress, by digest. */
  readonly partial: Map<string, Uint8Array>;
  /** Breaks the next calls: each entry is thrown once. */
  readonly failures: Error[];
  /** What was moved since the start, to see what a resumed transfer moved again. */
  readonly moved: { parts: number; bytes: number };
  /** Over TLS, on a free port of loopback unless told otherwise; who asks closes it. */
  serve(options?: Partial<FederationServerOptions>): Promise<FederationServer>;
  invitation(siteId: string, address?: string): Invitation;
  join(siteId: string): Promise<Enrolment & { readonly keyPem: string; readonly peer: Peer }>;
}

export async function fakeFederation(): Promise<FakeFederation> {
  const now = systemClock.nowMs();
  const authority = await createAuthority("Test federation", now);
  const coordinator = await issueCoordinatorCertificate(authority, ["127.0.0.1"], now);
  const objects = new Map<string, Uint8Array>();
  const partial = new Map<string, Uint8Array>();
  const failures: Error[] = [];
  const moved = { parts: 0, bytes: 0 };
  const members = new Map<string, string>();
  const failOnce = (): void => {
    const failure = failures.shift();
    if (failure !== undefined) throw failure;
  };

  const service: FederationService = {
    async enrol({ siteId, csrDer, invitationId, proof }) {
      failOnce();
      if (!isEnrolmentProof(proof, enrolmentProof(SECRET, invitationId, siteId, csrDer))) {
        throw refused("invitation-invalid", `invitation of ${siteId}`);
      }
      const pem = await issueSiteCertificate(authority, { siteId, csrDer }, now);
      members.set(siteId, pem);
      return create(EnrolReplySchema, {
        certificateDer: certificateToDer(pem),
        caCertificateDer: certificateToDer(authority.certificatePem),
        federationName: "Test federation",
        federationId: certificateFingerprint(authority.certificatePem),
      });
    },
    async exchange(peer, envelope) {
      failOnce();
      const certificate = members.get(peer.siteId);
      if (certificate === undefined) throw refused("site-unknown", peer.siteId);
      const asked = openEnvelope(envelope, { sender: peer.siteId, publicKey: readCertificate(certificate).publicKey });
      const activity = readSiteMessage(envelope).kind;
      const reason = activity.case === "poll" ? activity.value.activity : "";
      return sealAnswer({
        request: envelope,
        asked,
        studyHash: "",
        timeMs: now,
        key: readPrivateKey(coordinator.keyPem),
        certificateDer: certificateToDer(coordinator.certificatePem),
        answer: create(CoordinatorMessageSchema, {
          verdict: { outcome: "accepted" },
          directive: { kind: { case: "wait", value: { retryAfterMs: 10, reason } } },
        }),
      });
    },
    async readObject(_peer, { sha256, offset, bytes }) {
      failOnce();
      const object = objects.get(sha256);
      if (object === undefined) throw refused("object-missing", `object ${sha256.slice(0, 12)}`);
      const part = object.subarray(offset, offset + bytes);
      moved.parts++;
      moved.bytes += part.length;
      return part;
    },
    async heldBytes(_peer, { sha256, totalBytes }) {
      failOnce();
      return objects.has(sha256) ? totalBytes : (partial.get(sha256)?.length ?? 0);
    },
    async writeObject(_peer, { sha256, offset, totalBytes, bytes }) {
      failOnce();
      moved.parts++;
      moved.bytes += bytes.length;
      const held = partial.get(sha256) ?? new Uint8Array();
      const joined = Buffer.concat([held.subarray(0, offset), bytes]);
      partial.set(sha256, joined);
      if (joined.length === totalBytes) objects.set(sha256, joined);
      return joined.length;
    },
  };

  function invitation(siteId: string, address = "127.0.0.1:1"): Invitation {
    const text = formatInvitation({
      federation: "Test federation",
      address,
      caFingerprint: certificateFingerprint(authority.certificatePem),
      invitationId: "0123456789abcdef".repeat(2),
      siteId,
      secret: SECRET,
      expiresMs: now + 3_600_000,
    });
    return parseInvitation(text, "invitation.json", now);
  }
  async function join(siteId: string): Promise<Enrolment & { keyPem: string; peer: Peer }> {
    const keyPem = createSiteKey();
    const options = { invitation: invitation(siteId), keyPem, productVersion: "0", nowMs: now };
    const enrolment = await enrolInMemory(service, options);
    return { ...enrolment, keyPem, peer: { siteId, keySha256: readCertificate(enrolment.certificatePem).keySha256 } };
  }
  const serve = (options: Partial<FederationServerOptions> = {}): Promise<FederationServer> =>
    startFederationServer({
      service,
      listen: "127.0.0.1:0",
      ...coordinator,
      authorityPem: authority.certificatePem,
      clock: systemClock,
      ...options,
    });
  return { authority, coordinator, service, objects, partial, failures, moved, serve, invitation, join };
}

export function refused(
  code: "invitation-invalid" | "site-unknown" | "object-missing",
  subject: string,
): ConsiliumError {
  return new ConsiliumError(code, { subject, expected: "something else", actual: "this", hint: "Do otherwise." });
}
