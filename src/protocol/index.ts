export {
  type CertificateFacts,
  type Credentials,
  certificateFingerprint,
  certificateToDer,
  certificateToPem,
  createAuthority,
  issueCoordinatorCertificate,
  issueSiteCertificate,
  publicKeySha256,
  readCertificate,
  verifyCertificate,
} from "./certificates.ts";
export {
  createSiteKey,
  type EnrolChannel,
  type Enrolment,
  type EnrolOptions,
  enrolmentProof,
  enrolThrough,
  isEnrolmentProof,
} from "./enrolment.ts";
export {
  type EnvelopeExpectation,
  type EnvelopeHeader,
  type EnvelopeToSeal,
  envelopeDigest,
  openEnvelope,
  readHeader,
  sealEnvelope,
} from "./envelope.ts";
export * from "./gen/consilium/v1/federation_pb.ts";
export { formatInvitation, type Invitation, parseInvitation } from "./invitation.ts";
export type { CoordinatorLink, FetchObject, SendObject } from "./link.ts";
export { COORDINATOR_NAME, checkSiteId, isSiteId, PROTOCOL_VERSION } from "./names.ts";
export type { FederationService, ObjectChunk, ObjectRange, Peer } from "./service.ts";
