/**
 * The full check of a journal, which a start leaves out: every record's place in the chain, every event through the
 * state machine again, every site's signature over what it said, every snapshot against the state that it claims, and
 * every head that sites countersigned.
 *
 * A coordinator's operator can write a chain anew from any record on; what they cannot write is a site's signature, nor
 * what a site keeps: heads that sites give (`site status`) are checked beside those that the journal holds.
 */
import type { KeyObject } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { ConsiliumError, canonicalJson, type Json, type Sha256 } from "../base/index.ts";
import {
  openEnvelope,
  readCertificate,
  readSiteMessage,
  type SignedEnvelope,
  SignedEnvelopeSchema,
} from "../protocol/index.ts";
import { studyHash } from "../study/index.ts";
import type { CoordinatorEvent, SiteEventKind } from "./events.ts";
import type { Countersigned, Journal, JournalHead, Snapshot } from "./journal.ts";
import { corrupt } from "./journal-database.ts";
import type { Evidence } from "./records.ts";
import { readMessage } from "./site-messages.ts";
import { type CoordinatorState, INITIAL_STATE, STATE_FORMAT } from "./state.ts";
import { takenAgain } from "./take-again.ts";

export interface JournalAudit {
  readonly records: number;
  readonly head: JournalHead;
  /** Messages of sites whose signatures were verified. */
  readonly signatures: number;
  /** Records that snapshots follow, each found equal to the state there. */
  readonly snapshots: readonly number[];
  /** The last record that each site countersigned. */
  readonly countersigned: readonly { readonly siteId: string; readonly number: number }[];
}

/**
 * @param given heads that sites keep of their own
 * @throws ConsiliumError `journal-corrupt`, `journal-version`, `journal-rolled-back`, each naming the record
 */
export async function auditJournal(journal: Journal, given: readonly JournalHead[] = []): Promise<JournalAudit> {
  // Read before the records: a coordinator that runs meanwhile adds records that these cannot speak of.
  const countersigned = await journal.countersigned();
  const snapshots = new Map((await journal.snapshots()).map((each) => [each.head.number, each]));
  const keys = new Map<Sha256, SiteKey>();
  const used = new Set<string>();
  const checked: number[] = [];
  let state = INITIAL_STATE;
  let signatures = 0;
  await journal.replay((event, { number }) => {
    if (event.kind === "site-enrolled") keys.set(event.keySha256, keyOf(event.siteId, event.certificatePem));
    if ("evidence" in event) {
      const keySha256 = state.sites[event.siteId]?.keySha256 ?? "";
      const sequence = checkSigned(event, number, keys.get(keySha256));
      if (used.has(`${keySha256} ${sequence}`)) {
        throw corrupt(`record ${number}`, "a message that was not taken before", `message ${sequence} again`);
      }
      used.add(`${keySha256} ${sequence}`);
      signatures++;
    }
    state = next(state, event, number);
    const snapshot = snapshots.get(number);
    if (snapshot?.format !== STATE_FORMAT) return;
    checkSnapshot(snapshot, state);
    checked.push(number);
  });
  for (const each of countersigned) checkCountersignature(each, keys.get(each.keySha256));
  await checkCountersigned(journal, countersigned);
  for (const head of given) await checkHead(journal, head, "a site keeps");
  return {
    records: journal.head().number,
    head: journal.head(),
    signatures,
    snapshots: checked,
    countersigned: countersigned.map(({ siteId, head }) => ({ siteId, number: head.number })),
  };
}

/** Every head that a site countersigned is in the chain. @throws ConsiliumError `journal-rolled-back` */
export async function checkCountersigned(journal: Journal, heads?: readonly Countersigned[]): Promise<void> {
  for (const { head, siteId } of heads ?? (await journal.countersigned())) {
    await checkHead(journal, head, `${siteId} countersigned`);
  }
}

async function checkHead(journal: Journal, head: JournalHead, whose: string): Promise<void> {
  if (await journal.holds(head)) return;
  const { number } = journal.head();
  throw new ConsiliumError("journal-rolled-back", {
    subject: `journal, record ${head.number}`,
    expected: `the record that ${whose}, SHA-256 ${head.sha256.slice(0, 64)}`,
    actual: head.number > number ? `${number} records: the journal's tail was removed` : "another in its place",
    hint: "Restore the home from its latest copy: sites do not follow a journal that lost what they know of.",
  });
}

interface SiteKey {
  readonly siteId: string;
  readonly publicKey: KeyObject;
}

function keyOf(siteId: string, certificatePem: string): SiteKey {
  return { siteId, publicKey: readCertificate(certificatePem).publicKey };
}

function next(state: CoordinatorState, event: CoordinatorEvent, number: number): CoordinatorState {
  const after = takenAgain(state, event, number);
  if (event.kind === "study-submitted" && studyHash(event.study) !== event.hash) {
    throw corrupt(`record ${number}`, `study ${event.hash.slice(0, 12)}`, "another study under its hash");
  }
  return after;
}

/** The event says what its site signed. @returns the message's number */
function checkSigned(event: SiteEventKind, number: number, key: SiteKey | undefined): number {
  const where = `record ${number}`;
  const { siteId, evidence, atMs } = event;
  if (key?.siteId !== siteId) throw corrupt(where, "a message of a site that joined", `one of ${siteId}`);
  const envelope = envelopeOf(evidence);
  const { header, message } = unlessCorrupt(where, `a message that ${siteId} signed`, () => {
    const header = openEnvelope(envelope, { sender: siteId, publicKey: key.publicKey });
    const origin = { siteId, studyHash: header.studyHash, atMs, evidence };
    return { header, message: readMessage(readSiteMessage(envelope), origin) };
  });
  if (message.kind === "event" && canonical(message.event) === canonical(event)) return header.sequence;
  throw corrupt(where, `what ${siteId} signed`, "something else under its signature");
}

function checkCountersignature({ siteId, head, evidence }: Countersigned, key: SiteKey | undefined): void {
  const where = `head that ${siteId} countersigned`;
  if (key?.siteId !== siteId) throw corrupt(where, "a site that joined", "another key");
  const envelope = envelopeOf(evidence);
  const seen = unlessCorrupt(where, `a message that ${siteId} signed`, () => {
    openEnvelope(envelope, { sender: siteId, publicKey: key.publicKey });
    return readSiteMessage(envelope).seen;
  });
  if (Number(seen?.number) === head.number && seen?.sha256 === head.sha256) return;
  throw corrupt(where, `record ${head.number}`, `record ${seen?.number}`);
}

function checkSnapshot({ head, body }: Snapshot, state: CoordinatorState): void {
  if (canonical(JSON.parse(body)) === canonical(state)) return;
  throw corrupt(`snapshot after record ${head.number}`, "the state that the records lead to", "another");
}

function envelopeOf({ header, body, signature }: Evidence): SignedEnvelope {
  const bytes = (base64: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(base64, "base64"));
  return create(SignedEnvelopeSchema, {
    header: new Uint8Array(Buffer.from(header, "utf8")),
    body: bytes(body),
    signature: bytes(signature),
  });
}

function unlessCorrupt<T>(where: string, expected: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConsiliumError)) throw error;
    throw corrupt(where, expected, `${error.code}: ${error.actual}`);
  }
}

function canonical(value: unknown): string {
  return canonicalJson(value as Json);
}
