/**
 * A coordinator for tests of the site alone: it enrols, offers one study, orders rounds of training and evaluation
 * from all of its sites, sums updates exactly, and answers through the real protocol. It keeps everything in memory
 * and writes down every byte that it receives.
 */
import { randomBytes } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { applySum, createExactSum, updateScales } from "../../aggregation/index.ts";
import { ConsiliumError, type ErrorCode, sha256, systemClock } from "../../base/index.ts";
import {
  type Parameters,
  parameterLayout,
  parametersFromSafetensors,
  parametersToSafetensors,
} from "../../graph/index.ts";
import {
  CoordinatorMessageSchema,
  certificateFingerprint,
  certificateToDer,
  createAuthority,
  type Directive,
  DirectiveSchema,
  EnrolReplySchema,
  enrolmentProof,
  type FederationService,
  formatInvitation,
  isEnrolmentProof,
  issueCoordinatorCertificate,
  issueSiteCertificate,
  openEnvelope,
  readCertificate,
  readPrivateKey,
  readSiteMessage,
  SignedEnvelopeSchema,
  type SiteMessage,
  sealAnswer,
  type UpdateReady,
} from "../../protocol/index.ts";
import { type Study, studyHash, studyToBytes } from "../../study/index.ts";

export interface Received {
  readonly siteId: string;
  readonly message: SiteMessage;
}

export interface ScriptedCoordinator {
  readonly service: FederationService;
  readonly studyHash: string;
  readonly received: Received[];
  /** Every byte that came in: envelopes and pieces of objects. */
  readonly bytesIn: Uint8Array[];
  /** Whole objects, by digest. */
  readonly objects: Map<string, Uint8Array>;
  /** SHA-256 of every update that was accepted, by "round site". */
  readonly updates: Map<string, string>;
  /** Thrown once each by the next exchanges. */
  readonly failures: (Error | null)[];
  /** Replaces the directive of the moment. */
  override: ((siteId: string, usual: Directive) => Directive) | undefined;
  /** Answers the next update with this, once. */
  nextVerdict: { readonly outcome: string; readonly code: ErrorCode } | undefined;
  finalSha256(): string;
  round(): number;
  invitation(
    siteId: string,
    changes?: { readonly expiresMs?: number; readonly caFingerprint?: string; readonly address?: string },
  ): string;
}

type Phase = "approve" | "train" | "evaluate" | "done";

export async function scriptedCoordinator(study: Study, sites: readonly string[]): Promise<ScriptedCoordinator> {
  const now = systemClock.nowMs();
  const authority = await createAuthority("Scripted federation", now);
  const coordinator = await issueCoordinatorCertificate(authority, ["127.0.0.1"], now);
  const key = readPrivateKey(coordinator.keyPem);
  const hash = studyHash(study);
  const members = new Map<string, { pem: string; sequence: number; csr: string }>();
  const invitations = new Map<string, { secret: string; siteId: string; used?: string }>();
  const objects = new Map<string, Uint8Array>();
  const partial = new Map<string, Uint8Array>();
  const received: Received[] = [];
  const bytesIn: Uint8Array[] = [];
  const updates = new Map<string, string>();
  const failures: (Error | null)[] = [];
  const answered = new Set<string>();
  const collected = new Map<string, UpdateReady>();
  let phase: Phase = "approve";
  let round = 0;
  let global = startingModel();
  let globalSha = keep(parametersToSafetensors(global));

  function keep(bytes: Uint8Array): string {
    const digest = sha256(bytes);
    objects.set(digest, bytes);
    return digest;
  }
  function roster(): { siteId: string; keySha256: string }[] {
    return [...members].map(([siteId, { pem }]) => ({ siteId, keySha256: readCertificate(pem).keySha256 }));
  }
  function usual(siteId: string): Directive {
    const wait = { case: "wait", value: { retryAfterMs: 1, reason: `waiting in ${phase}` } } as const;
    const at = { studyHash: hash, round, attempt: 1 };
    const bytes = BigInt(objects.get(globalSha)?.length ?? 0);
    const kind = (() => {
      if (phase === "done") {
        const result = { finalSha256: globalSha, bestSha256: globalSha, bestRound: round, finalRound: round };
        return { case: "done", value: { studyHash: hash, ...result, finalBytes: bytes, bestBytes: bytes } } as const;
      }
      if (members.size < sites.length || answered.has(siteId)) return wait;
      if (phase === "approve") {
        return { case: "review", value: { studyHash: hash, study: studyToBytes(study), roster: roster() } } as const;
      }
      if (phase === "train")
        return { case: "train", value: { ...at, globalSha256: globalSha, globalBytes: bytes } } as const;
      return { case: "evaluate", value: { ...at, modelSha256: globalSha, modelBytes: bytes } } as const;
    })();
    return create(DirectiveSchema, { kind });
  }
  function answer(siteId: string, next: Phase): void {
    answered.add(siteId);
    if (answered.size < sites.length) return;
    answered.clear();
    if (phase === "train") aggregate();
    phase = next;
    if (phase === "train") round++;
    if (round > study.rounds.count) {
      round--;
      phase = "done";
    }
  }
  function aggregate(): void {
    const { precisionBits } = study.aggregation;
    const totalWeight = [...collected.values()].reduce((sum, { trainingCases }) => sum + trainingCases, 0);
    const sum = createExactSum(global.layout.length, { precisionBits, maxTotalWeight: totalWeight });
    for (const { updateSha256, trainingCases } of collected.values()) {
      const bytes = Uint8Array.from(objects.get(updateSha256) ?? []);
      sum.addChunk(0, new Int32Array(bytes.buffer), trainingCases);
    }
    const into = new Float32Array(global.layout.length);
    applySum(
      { global, scales: updateScales(global, precisionBits), sums: sum.sums, offsetElements: 0, totalWeight },
      into,
    );
    global = { layout: global.layout, data: into };
    globalSha = keep(parametersToSafetensors(global));
    collected.clear();
  }
  function take(siteId: string, { kind }: SiteMessage): { outcome: string; code?: string } {
    if (kind.case === "approval" && phase === "approve" && kind.value.approved) answer(siteId, "train");
    if (kind.case === "evaluation" && phase === "evaluate" && kind.value.round === round) answer(siteId, "train");
    if (kind.case !== "update") return { outcome: "accepted" };
    if (self.nextVerdict !== undefined) {
      const verdict = self.nextVerdict;
      self.nextVerdict = undefined;
      return verdict;
    }
    const object = objects.get(kind.value.updateSha256);
    if (phase !== "train" || kind.value.round !== round) return { outcome: "discarded", code: "update-wrong-round" };
    if (object?.length !== Number(kind.value.updateBytes)) return { outcome: "rejected", code: "update-shape" };
    updates.set(`${round} ${siteId}`, kind.value.updateSha256);
    collected.set(siteId, kind.value);
    answer(siteId, "evaluate");
    return { outcome: "accepted" };
  }
  const service: FederationService = {
    async enrol({ siteId, csrDer, invitationId, proof }) {
      failOnce(failures);
      const invited = invitations.get(invitationId);
      const proven = invited && isEnrolmentProof(proof, enrolmentProof(invited.secret, invitationId, siteId, csrDer));
      if (!proven || invited.siteId !== siteId) throw refusal("invitation-invalid");
      const pem = await issueSiteCertificate(authority, { siteId, csrDer }, now);
      const ownKey = readCertificate(pem).keySha256;
      if (invited.used !== undefined && invited.used !== ownKey) throw refusal("invitation-used");
      invited.used = ownKey;
      members.set(siteId, { pem, sequence: 0, csr: ownKey });
      failOnce(failures);
      return create(EnrolReplySchema, {
        certificateDer: certificateToDer(pem),
        caCertificateDer: certificateToDer(authority.certificatePem),
        federationName: "Scripted federation",
        federationId: certificateFingerprint(authority.certificatePem),
      });
    },
    async exchange(peer, envelope) {
      failOnce(failures);
      const member = members.get(peer.siteId);
      if (member === undefined) throw refusal("site-unknown");
      const { publicKey } = readCertificate(member.pem);
      bytesIn.push(toBinary(SignedEnvelopeSchema, envelope));
      const header = openEnvelope(envelope, { sender: peer.siteId, publicKey, afterSequence: member.sequence });
      member.sequence = header.sequence;
      const message = readSiteMessage(envelope);
      received.push({ siteId: peer.siteId, message });
      const verdict = take(peer.siteId, message);
      const directive = self.override?.(peer.siteId, usual(peer.siteId)) ?? usual(peer.siteId);
      return sealAnswer({
        request: envelope,
        asked: header,
        studyHash: hash,
        timeMs: now,
        key,
        certificateDer: certificateToDer(coordinator.certificatePem),
        answer: create(CoordinatorMessageSchema, { verdict, directive }),
      });
    },
    async readObject(_peer, { sha256: digest, offset, bytes }) {
      const object = objects.get(digest);
      if (object === undefined) throw refusal("object-missing");
      return object.subarray(offset, offset + bytes);
    },
    async heldBytes(_peer, { sha256: digest }) {
      return objects.get(digest)?.length ?? partial.get(digest)?.length ?? 0;
    },
    async writeObject(_peer, { sha256: digest, offset, totalBytes, bytes }) {
      bytesIn.push(Uint8Array.from(bytes));
      const joined = Buffer.concat([(partial.get(digest) ?? new Uint8Array()).subarray(0, offset), bytes]);
      partial.set(digest, joined);
      if (joined.length === totalBytes && sha256(joined) === digest) objects.set(digest, joined);
      return joined.length;
    },
  };
  const self: ScriptedCoordinator = {
    service,
    studyHash: hash,
    received,
    bytesIn,
    objects,
    updates,
    failures,
    override: undefined,
    nextVerdict: undefined,
    finalSha256: () => (phase === "done" ? globalSha : ""),
    round: () => round,
    invitation(siteId, changes = {}) {
      const invitationId = randomBytes(16).toString("hex");
      const secret = randomBytes(32).toString("base64url");
      invitations.set(invitationId, { secret, siteId });
      return formatInvitation({
        federation: "Scripted federation",
        address: "127.0.0.1:1",
        caFingerprint: certificateFingerprint(authority.certificatePem),
        invitationId,
        siteId,
        secret,
        expiresMs: now + 3_600_000,
        ...changes,
      });
    },
  };
  return self;
}

function startingModel(): Parameters {
  const layout = parameterLayout(
    new Map([
      ["w", [4, 3]],
      ["b", [5]],
    ]),
  );
  const start: Parameters = { layout, data: Float32Array.from({ length: layout.length }, (_, i) => Math.sin(i)) };
  return parametersFromSafetensors(parametersToSafetensors(start), "start");
}

function failOnce(failures: (Error | null)[]): void {
  const failure = failures.shift();
  if (failure instanceof Error) throw failure;
}

function refusal(code: ErrorCode): ConsiliumError {
  return new ConsiliumError(code, { subject: "test", expected: "another", actual: "this", hint: "Do otherwise." });
}
