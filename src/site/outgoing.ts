/**
 * The only way out of a site. Every message and every object passes here: it is numbered, signed, recorded in the
 * site's log, and only then handed to the link; every answer is verified before anything acts on it.
 *
 * Invariants
 * - Sequence numbers strictly increase across restarts: a block of them is made durable before its first is used, and
 *   what a killed process left of its block is skipped.
 * - Messages go one after another, in the order of their numbers.
 * - What is not in the log has not left.
 * - Every message countersigns the last head of the coordinator's journal that this site was told. It is kept on disk,
 *   and never goes back: a coordinator that tells an earlier one, or another under the same number, lost records.
 */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type Clock, ConsiliumError, canonicalJson, LIMITS, type Sha256, sha256 } from "../base/index.ts";
import {
  type CoordinatorLink,
  certificateToPem,
  type Directive,
  errorFromRecord,
  isIssued,
  isRenewalDue,
  openAnswer,
  readCertificate,
  SignedEnvelopeSchema,
  SiteMessageSchema,
  sealSiteMessage,
  type Verdict,
  verifyCertificate,
} from "../protocol/index.ts";
import { openAuthorities } from "./authorities.ts";
import { writeFileDurably } from "./file-store.ts";
import { identityPath, type Site } from "./home.ts";
import { openHeads } from "./journal-heads.ts";
import { destinationOf } from "./line.ts";
import { type Departure, openSiteLog } from "./site-log.ts";
import type { Erased } from "./site-store.ts";

const SEQUENCE_DOCUMENT = "sequence";

export interface OutgoingMessage {
  readonly what: Departure;
  /** Empty where the message is about no study. */
  readonly studyHash: Sha256 | "";
  readonly round: number;
  readonly attempt: number;
  readonly kind: NonNullable<MessageInitShape<typeof SiteMessageSchema>["kind"]>;
}

export interface Answer {
  readonly verdict: Verdict;
  readonly directive: Directive;
  /** The coordinator's clock less this machine's. */
  readonly clockOffsetMs: number;
}

export interface ObjectTransfer {
  readonly sha256: Sha256;
  readonly studyHash: Sha256;
  readonly round: number;
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

export interface Outgoing {
  /** @throws ConsiliumError `unreachable` where trying again may help; others where it will not. */
  say(message: OutgoingMessage): Promise<Answer>;
  /** Has the certificate renewed where half of it is over or the authority was rotated, and keeps the new one. Returns when it ends then. */
  renewIfDue(): Promise<number | undefined>;
  /** Sends an update that the store holds. */
  sendUpdate(transfer: ObjectTransfer): Promise<void>;
  /** Writes down in the log what was only counted: when nothing more is to be said. */
  close(): Promise<void>;
  /** Writes down what was erased of a study that ended. */
  noteErasure(studyHash: Sha256, erased: Erased): Promise<void>;
  /** Brings an object into the store, unless it is there. @param bytes its size, as the directive said */
  fetch(transfer: ObjectTransfer, bytes: number): Promise<Uint8Array>;
}

export async function openOutgoing(site: Site, link: CoordinatorLink, clock: Clock): Promise<Outgoing> {
  const { store, membership } = site;
  const log = await openSiteLog(store);
  const nextSequence = await openSequence(site);
  const heads = await openHeads(store);
  const authorities = await openAuthorities(site, clock.nowMs());
  let certificatePem = site.certificatePem;
  const to = destinationOf(membership);
  let queue: Promise<unknown> = Promise.resolve();

  async function exchange(message: OutgoingMessage): Promise<Answer & { readonly certificateDer: Uint8Array }> {
    const { what, studyHash, round, attempt, kind } = message;
    const seen = heads.last();
    const body = create(SiteMessageSchema, {
      kind,
      ...(seen && { seen: { number: BigInt(seen.number), sha256: seen.sha256 } }),
    });
    const request = sealSiteMessage({
      siteId: site.siteId,
      key: site.privateKey,
      studyHash,
      round,
      attempt,
      sequence: await nextSequence(),
      timeMs: clock.nowMs(),
      message: body,
    });
    const bytes = toBinary(SignedEnvelopeSchema, request);
    await log.record({ what, to, bytes: bytes.length, sha256: sha256(bytes), studyHash, round }, clock.nowMs());
    const reply = await roomMayCome(() => link.exchange(request));
    const { answer, header } = openAnswer(reply, { request, authorityPem: authorities.pem(), nowMs: clock.nowMs() });
    await authorities.answered(reply.certificateDer);
    const { succession } = answer;
    if (succession !== undefined && (await authorities.follow(succession, clock.nowMs()))) {
      link.useCertificate(certificatePem, authorities.pem());
    }
    const { verdict, directive, head, certificateDer } = answer;
    if (verdict === undefined || directive === undefined) throw incomplete();
    await heads.tell(head && { number: Number(head.number), sha256: head.sha256 });
    return { verdict, directive, certificateDer, clockOffsetMs: header.timeMs - clock.nowMs() };
  }
  function inTurn(message: OutgoingMessage): ReturnType<typeof exchange> {
    const answer = queue.then(() => exchange(message));
    queue = answer.catch(() => undefined);
    return answer;
  }
  return {
    say: inTurn,
    async renewIfDue() {
      const present = isIssued(certificatePem, authorities.presentPem());
      if (present && !isRenewalDue(readCertificate(certificatePem), clock.nowMs())) return undefined;
      const about = { studyHash: "", round: 0, attempt: 0 } as const;
      const { verdict, certificateDer } = await inTurn({
        what: "certificate renewal",
        ...about,
        kind: { case: "renewal", value: {} },
      });
      if (verdict.outcome !== "accepted") throw errorFromRecord(verdict);
      const renewed = verifyCertificate(certificateDer, authorities.pem(), clock.nowMs());
      if (renewed.keySha256 !== site.keySha256 || renewed.name !== site.siteId) throw foreignCertificate(site.siteId);
      const pem = certificateToPem(certificateDer);
      await writeFileDurably(identityPath(site.home, "certificate"), pem);
      link.useCertificate(pem, authorities.pem());
      certificatePem = pem;
      return renewed.notAfterMs;
    },
    close: () => log.flush(clock.nowMs()),
    noteErasure: (studyHash, { files, bytes }) =>
      log.record(
        {
          what: "erasure",
          to: "this machine",
          bytes: 0,
          sha256: sha256(canonicalJson({ bytes, files, studyHash })),
          studyHash,
          round: 0,
          count: files,
        },
        clock.nowMs(),
      ),
    async sendUpdate({ sha256: hash, studyHash, round, onProgress, signal }) {
      const fromFile = store.objectPath(hash);
      const size = await store.objectBytes(hash);
      // Withdrawn or stopped meanwhile, it does not leave, and the home may be another's by now.
      signal?.throwIfAborted();
      await log.record({ what: "update", to, bytes: size, sha256: hash, studyHash, round }, clock.nowMs());
      await roomMayCome(() => link.sendObject({ sha256: hash, fromFile, onProgress, signal }));
    },
    async fetch({ sha256: hash, onProgress, signal }, bytes) {
      if (await store.hasObject(hash)) return store.object(hash);
      const request = { sha256: hash, bytes, toFile: store.objectPath(hash), inMemory: true, onProgress, signal };
      return (await link.fetchObject(request)) ?? store.object(hash);
    },
  };
}

async function openSequence({ store }: Site): Promise<() => Promise<number>> {
  const kept = await store.read(SEQUENCE_DOCUMENT);
  let reserved = typeof kept === "number" ? kept : 0;
  let next = reserved + 1;
  return async () => {
    if (next > reserved) {
      reserved = next + LIMITS.sequenceBlock - 1;
      await store.write(SEQUENCE_DOCUMENT, reserved);
    }
    return next++;
  };
}

/** A coordinator without room on its disk stays up, and may have room later: to a site that is as if it were away. */
async function roomMayCome<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    if (!(cause instanceof ConsiliumError && ["disk-full", "folder-not-writable"].includes(cause.code))) throw cause;
    const { subject, expected, actual, hint } = cause;
    throw new ConsiliumError("unreachable", { subject: `coordinator, ${subject}`, expected, actual, hint, cause });
  }
}

function foreignCertificate(siteId: string): ConsiliumError {
  return new ConsiliumError("certificate-untrusted", {
    subject: "renewed certificate",
    expected: `one of ${siteId} for this site's key`,
    actual: "another",
    hint: "Tell the study lead: the coordinator answered with somebody else's certificate.",
  });
}

function incomplete(): ConsiliumError {
  return new ConsiliumError("message-invalid", {
    subject: "the coordinator's answer",
    expected: "a verdict and a directive",
    actual: "less",
    hint: "The coordinator runs another version of Consilium: upgrade the older one.",
  });
}
