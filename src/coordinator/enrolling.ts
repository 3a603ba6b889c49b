/**
 * Turning an invitation and a certificate request into a site's certificate.
 *
 * Invariants: a certificate is given only for a request that the invitation's secret vouches for, once; the same key may
 * ask again (its answer may have been lost) and gets the same certificate.
 */
import { create } from "@bufbuild/protobuf";
import { type Clock, ConsiliumError } from "../base/index.ts";
import {
  certificateToDer,
  type EnrolReply,
  EnrolReplySchema,
  type EnrolRequest,
  enrolmentProof,
  isEnrolmentProof,
  isSiteId,
  issueSiteCertificate,
  PROTOCOL_VERSION,
  readCertificate,
  successionMessage,
} from "../protocol/index.ts";
import { currentSuccession, serverAuthority, unlocked } from "./authority.ts";
import type { Home } from "./home.ts";
import type { Machine } from "./machine.ts";
import type { Secrets } from "./secrets.ts";

export interface EnrollingOptions {
  readonly machine: () => Machine;
  readonly secrets: Secrets;
  readonly home: () => Home;
  readonly clock: Clock;
}

/** @throws ConsiliumError `invitation-invalid`, `invitation-used`, `invitation-expired`, `protocol-version` */
export async function enrolSiteByInvitation(request: EnrolRequest, options: EnrollingOptions): Promise<EnrolReply> {
  const { machine, secrets, home, clock } = options;
  const { siteId, invitationId, csrDer } = request;
  checkProtocol(request);
  const secret = secrets.get(invitationId);
  const expected = enrolmentProof(secret ?? "", invitationId, siteId, csrDer);
  const proven = isEnrolmentProof(request.proof, expected);
  if (secret === undefined || !proven || !isSiteId(siteId)) {
    throw new ConsiliumError("invitation-invalid", {
      subject: `invitation of ${isSiteId(siteId) ? siteId : "a site"}`,
      expected: "one that this coordinator gave and that has not run out, with its secret",
      actual: "another",
      hint: "Ask the study lead for a new invitation.",
    });
  }
  const { authority } = home();
  const certificatePem = await issueSiteCertificate(unlocked(authority), { siteId, csrDer }, clock.nowMs());
  const { keySha256 } = readCertificate(certificatePem);
  const verdict = await machine().take({
    kind: "site-enrolled",
    siteId,
    invitationId,
    keySha256,
    certificatePem,
    productVersion: request.productVersion.slice(0, 100),
    atMs: clock.nowMs(),
  });
  if (verdict.outcome === "rejected") throw verdict.error;
  const site = machine().state().sites[siteId];
  if (site?.keySha256 !== keySha256) throw replaced(siteId);
  const nowMs = clock.nowMs();
  return create(EnrolReplySchema, {
    certificateDer: new Uint8Array(certificateToDer(site.certificatePem)),
    caCertificateDer: new Uint8Array(certificateToDer(serverAuthority(home(), nowMs).certificatePem)),
    ...successionMessage(currentSuccession(home(), nowMs)),
    federationName: home().name,
    federationId: home().id,
  });
}

function checkProtocol({ protocol }: EnrolRequest): void {
  if (protocol === PROTOCOL_VERSION) return;
  throw new ConsiliumError("protocol-version", {
    subject: "enrolment",
    expected: `protocol ${PROTOCOL_VERSION}`,
    actual: `protocol ${protocol}`,
    hint: "The site and the coordinator run different versions of Consilium: upgrade the older one.",
  });
}

/** The invitation's key was enrolled, and then the site joined anew with another. */
function replaced(siteId: string): ConsiliumError {
  return new ConsiliumError("invitation-used", {
    subject: `invitation of ${siteId}`,
    expected: "the site's latest invitation",
    actual: "one before it",
    hint: "Ask the study lead for a new invitation.",
  });
}
