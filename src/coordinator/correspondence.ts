/**
 * Letters in, letters out: a site's envelope is verified, its number made durable, its message taken, and the answer
 * signed with the verdict and with what the site is to do now.
 *
 * Invariants
 * - The caller's certificate, the envelope's sender and the enrolled key are one and the same.
 * - A number is on disk before its message has any effect, so a replay is refused after any restart.
 * - With its number goes the journal's head that the message countersigns; a head that this journal does not have means
 *   that records were taken away: the site is refused, and the operator told.
 * - An update is looked at (length, digest, range of every coordinate) before the state machine counts it.
 * - What is wrong with a message is a verdict, signed; what is wrong at this end (a full disk) is an error, after which
 *   the same message may be sent again under a new number.
 */
import { createPrivateKey, type KeyObject } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { type Clock, ConsiliumError, type ErrorCode, LIMITS, type Sha256 } from "../base/index.ts";
import {
  CoordinatorMessageSchema,
  certificateToDer,
  checkEnvelope,
  type EnvelopeHeader,
  isIssued,
  isRenewalDue,
  type Peer,
  readCertificate,
  readHeader,
  readSiteMessage,
  renewSiteCertificate,
  type SignedEnvelope,
  type SiteMessage,
  sealAnswer,
  successionMessage,
} from "../protocol/index.ts";
import { currentSuccession, unlocked } from "./authority.ts";
import type { Contacts } from "./contacts.ts";
import { directiveFor } from "./directive.ts";
import type { SiteEventKind } from "./events.ts";
import type { Home } from "./home.ts";
import { inspectUpdate } from "./inspect-update.ts";
import type { Countersigned, JournalHead } from "./journal.ts";
import type { Machine } from "./machine.ts";
import { isKnown } from "./membership.ts";
import type { ObjectStore } from "./object-store.ts";
import type { Evidence, SiteRecord } from "./records.ts";
import { evidenceOf, type ReadMessage, readMessage } from "./site-messages.ts";
import type { Verdict } from "./verdict.ts";

export interface CorrespondenceOptions {
  readonly machine: () => Machine;
  readonly store: ObjectStore;
  readonly contacts: Contacts;
  readonly chain: Chain;
  readonly home: () => Home;
  readonly clock: Clock;
  /** Hears of a site that comes by sealed calls, without mutual TLS, or no longer. */
  readonly wayChanged: (siteId: string, mutualTls: boolean) => void;
}

/** What a correspondence needs of the journal. */
export interface Chain {
  head(): JournalHead;
  holds(head: JournalHead): Promise<boolean>;
  /** Hears of a site that was told of records which are no longer there. */
  rolledBack(error: ConsiliumError): void;
}

export type Correspondence = (peer: Peer, envelope: SignedEnvelope) => Promise<SignedEnvelope>;

/** Faults of this end: the site is not to take them for a verdict on its message. */
export const OWN_FAULTS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["disk-full", "folder-not-writable", "internal"]);

export function createCorrespondence(options: CorrespondenceOptions): Correspondence {
  const { machine, store, contacts, chain, home, clock, wayChanged } = options;
  const keys = new Map<Sha256, KeyObject>();
  const signer = signerOf(home);

  function publicKeyOf({ keySha256, certificatePem }: SiteRecord): KeyObject {
    const known = keys.get(keySha256) ?? readCertificate(certificatePem).publicKey;
    keys.set(keySha256, known);
    return known;
  }
  async function admit(site: SiteRecord, { envelope, header, message, evidence }: Letter): Promise<void> {
    const { siteId, keySha256 } = site;
    await contacts.exclusively(keySha256, async (afterSequence) => {
      const expected = {
        sender: siteId,
        publicKey: publicKeyOf(site),
        ...(afterSequence !== undefined && { afterSequence }),
      };
      checkEnvelope(envelope, header, expected);
      const countersigned = await countersignedBy(site, headIn(message), evidence);
      return { keySha256, sequence: header.sequence, atMs: clock.nowMs(), ...(countersigned && { countersigned }) };
    });
  }
  async function countersignedBy(
    { siteId, keySha256 }: SiteRecord,
    head: JournalHead | undefined,
    evidence: Evidence,
  ): Promise<Countersigned | undefined> {
    if (head === undefined) return undefined;
    if (await chain.holds(head)) return { siteId, keySha256, head, evidence };
    const error = rolledBack(siteId, head, chain.head());
    chain.rolledBack(error);
    throw error;
  }
  async function take(message: ReadMessage, siteId: string): Promise<Verdict> {
    if (message.kind === "event") return takeEvent(message.event);
    if (message.kind === "renewal") return renew(siteId);
    contacts.active(siteId, message.activity);
    // Sites ask far more often than they have news: those that have none need not wait for what others bring.
    if (!isKnown(machine().state().sites[siteId], message.report)) await machine().take(message.report);
    return { outcome: "accepted" };
  }
  /** Asked again before half of the present certificate is over (an answer was lost), it is the present one. */
  async function renew(siteId: string): Promise<Verdict> {
    const { certificatePem, keySha256 } = machine().state().sites[siteId];
    const atMs = clock.nowMs();
    const present = isIssued(certificatePem, home().authority.certificatePem);
    if (present && !isRenewalDue(readCertificate(certificatePem), atMs)) return { outcome: "accepted" };
    const renewed = await renewSiteCertificate(unlocked(home().authority), { siteId, certificatePem }, atMs);
    return machine().take({ kind: "site-renewed", siteId, keySha256, certificatePem: renewed, atMs });
  }
  async function takeEvent(event: SiteEventKind): Promise<Verdict> {
    const { study } = machine().state();
    if (event.kind === "update-received" && study !== null) {
      const first = machine().wouldTake(event);
      if (first.outcome !== "accepted") return first;
      await inspectUpdate(store, study, event);
    }
    return machine().take(event);
  }
  async function judged({ header, message, evidence }: Letter, siteId: string): Promise<Verdict> {
    try {
      if (message instanceof ConsiliumError) throw message;
      const origin = { siteId, studyHash: header.studyHash, atMs: clock.nowMs(), evidence };
      return await take(readMessage(message, origin), siteId);
    } catch (error) {
      if (!(error instanceof ConsiliumError) || OWN_FAULTS.has(error.code)) throw error;
      return { outcome: "rejected", error };
    }
  }
  return async (peer, envelope) => {
    const header = readHeader(envelope);
    const site = knownSite(machine().state().sites[peer.siteId], peer);
    const letter = letterOf(envelope, header);
    const renews = kindOf(letter.message) === "renewal";
    checkExpiry(peer, clock.nowMs(), renews);
    await admit(site, letter);
    const mutualTls = peer.sealed === undefined;
    if (contacts.arrived(site.siteId, mutualTls)) wayChanged(site.siteId, mutualTls);
    const verdict = await judged(letter, site.siteId);
    const state = machine().state();
    return sealAnswer({
      request: envelope,
      asked: header,
      studyHash: state.study?.hash ?? "",
      timeMs: clock.nowMs(),
      ...signer(),
      answer: create(CoordinatorMessageSchema, {
        verdict: { outcome: verdict.outcome, ...("error" in verdict && verdict.error.toJSON()) },
        directive: directiveFor(state, site.siteId, clock.nowMs()),
        ...(renews && { certificateDer: new Uint8Array(certificateToDer(state.sites[site.siteId].certificatePem)) }),
        head: { number: BigInt(chain.head().number), sha256: chain.head().sha256 },
        ...successionMessage(currentSuccession(home(), clock.nowMs())),
      }),
    });
  };
}

/** An envelope, read once. What it claims is to be believed once its signature was verified. */
interface Letter {
  readonly envelope: SignedEnvelope;
  readonly header: EnvelopeHeader;
  /** What is no message at all is judged later, by its verdict. */
  readonly message: SiteMessage | ConsiliumError;
  readonly evidence: Evidence;
}

function letterOf(envelope: SignedEnvelope, header: EnvelopeHeader): Letter {
  return { envelope, header, message: messageIn(envelope), evidence: evidenceOf(envelope) };
}

function messageIn(envelope: SignedEnvelope): SiteMessage | ConsiliumError {
  try {
    return readSiteMessage(envelope);
  } catch (error) {
    if (error instanceof ConsiliumError) return error;
    throw error;
  }
}

/** The head that a message countersigns. */
function headIn(message: Letter["message"]): JournalHead | undefined {
  const seen = message instanceof ConsiliumError ? undefined : message.seen;
  return seen && { number: Number(seen.number), sha256: seen.sha256 };
}

function kindOf(message: Letter["message"]): string {
  return message instanceof ConsiliumError ? "" : (message.kind.case ?? "");
}

/**
 * A certificate that ran out serves to ask for a new one, for LIMITS.certificateRenewalGraceDays, and for nothing else:
 * the key is the one that the site joined with.
 * @throws ConsiliumError `certificate-expired`
 */
export function checkExpiry({ siteId, expiredMs }: Peer, nowMs: number, renews = false): void {
  if (expiredMs === undefined) return;
  const late = nowMs > expiredMs + LIMITS.certificateRenewalGraceDays * 86_400_000;
  if (renews && !late) return;
  throw new ConsiliumError("certificate-expired", {
    subject: `certificate of ${siteId}`,
    expected: `use until ${new Date(expiredMs).toISOString()}`,
    actual: new Date(nowMs).toISOString(),
    hint: late
      ? "Join the federation anew, with a new invitation."
      : "The site renews it by itself when it starts: check that its clock and its version are right.",
  });
}

function rolledBack(siteId: string, seen: JournalHead, head: JournalHead): ConsiliumError {
  return new ConsiliumError("journal-rolled-back", {
    subject: `journal, record ${seen.number}`,
    expected: `the record that ${siteId} was told of, SHA-256 ${seen.sha256.slice(0, 64)}`,
    actual: seen.number > head.number ? `${head.number} records: the journal's tail is gone` : "another in its place",
    hint: "Restore the coordinator's home from its latest copy, or start a new federation: sites do not follow this one.",
  });
}

/** The present certificate and key, read again only where the certificate was renewed. */
function signerOf(home: () => Home): () => { readonly key: KeyObject; readonly certificateDer: Uint8Array } {
  let of = "";
  let signer: { key: KeyObject; certificateDer: Uint8Array } | undefined;
  return () => {
    const { certificatePem, keyPem } = home().server;
    if (signer === undefined || of !== certificatePem) {
      signer = { key: createPrivateKey(keyPem), certificateDer: certificateToDer(certificatePem) };
      of = certificatePem;
    }
    return signer;
  };
}

/** @throws ConsiliumError `site-unknown`, `site-revoked`, `certificate-untrusted` */
export function knownSite(site: SiteRecord | undefined, peer: Peer): SiteRecord {
  if (site === undefined) {
    throw new ConsiliumError("site-unknown", {
      subject: `site ${peer.siteId}`,
      expected: "a site that was invited and has joined",
      actual: "another",
      hint: "Join the federation first, with an invitation: `consilium site join`.",
    });
  }
  if (site.revoked !== undefined) {
    throw new ConsiliumError("site-revoked", {
      subject: `site ${peer.siteId}`,
      expected: "a site that belongs to the federation",
      actual: `one that was revoked on ${new Date(site.revoked.atMs).toISOString().slice(0, 10)}: ${site.revoked.reason}`,
      hint: "Ask the study lead. To take part again, join anew in another folder, with a new invitation.",
    });
  }
  if (site.keySha256 === peer.keySha256) return site;
  throw new ConsiliumError("certificate-untrusted", {
    subject: `site ${peer.siteId}`,
    expected: "the certificate with which the site joined last",
    actual: "one before it",
    hint: "The site has joined anew since: use that home, or ask the study lead for a new invitation.",
  });
}
