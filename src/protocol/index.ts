export {
  type CertificateFacts,
  type Credentials,
  certificateFingerprint,
  certificateServes,
  certificatesIn,
  certificateToDer,
  certificateToPem,
  createAuthority,
  isIssued,
  isRenewalDue,
  issueCoordinatorCertificate,
  issuerIn,
  issueSiteCertificate,
  publicKeySha256,
  readCertificate,
  renewSiteCertificate,
  verifyCertificate,
} from "./certificates.ts";
export { type ConnectLinkOptions, connectLink, enrol } from "./connect-link.ts";
export {
  createSiteKey,
  type EnrolChannel,
  type Enrolment,
  type EnrolOptions,
  enrolmentProof,
  isEnrolmentProof,
} from "./enrolment.ts";
export {
  checkEnvelope,
  type EnvelopeExpectation,
  type EnvelopeHeader,
  type EnvelopeToSeal,
  envelopeDigest,
  openEnvelope,
  readHeader,
  sealEnvelope,
} from "./envelope.ts";
export { type FederationServer, type FederationServerOptions, startFederationServer } from "./federation-server.ts";
export { systemCode, writeError } from "./file-errors.ts";
export { type FolderLock, lockFolder } from "./folder-lock.ts";
export * from "./gen/consilium/v1/console_pb.ts";
export * from "./gen/consilium/v1/federation_pb.ts";
export { formatInvitation, type Invitation, parseInvitation } from "./invitation.ts";
export type { CoordinatorLink, FetchObject, SendObject } from "./link.ts";
export { enrolInMemory, memoryLink } from "./memory-link.ts";
export {
  type AnswerToSeal,
  type OpenedAnswer,
  openAnswer,
  readPrivateKey,
  readSiteMessage,
  type SiteMessageToSeal,
  sealAnswer,
  sealSiteMessage,
} from "./messages.ts";
export { checkSiteId, isSiteId, PROTOCOL_VERSION } from "./names.ts";
export { syncFolder, writeAll } from "./object-transfer.ts";

export { type CoordinatorProbe, type ProbeOptions, probeCoordinator, type Transfer } from "./probe.ts";

export { type ErrorRecord, errorFromRecord, errorRecord, toConnectError } from "./refusal.ts";
export { enrolSealed, type SealedLinkOptions, type SealedWay, sealedLink } from "./sealed/sealed-link.ts";
export { probeSealed } from "./sealed/sealed-probe.ts";
export { checkPassphrase, findSealedKey, openSealedKey, sealKey } from "./sealed-key.ts";
export type { FederationService, ObjectChunk, ObjectRange, Peer } from "./service.ts";
export { followSuccession, readSuccession, type Succession, signSuccession, successionMessage } from "./succession.ts";
export { splitAddress } from "./tls.ts";
