/**
 * A site for tests of the coordinator: it does what it is told over a real link, with updates and figures that depend
 * on nothing but its name and the model, so that a federation of them must come out the same whatever happens to it.
 */
import { createPrivateKey, type KeyObject } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { encodeUpdate } from "../../aggregation/index.ts";
import { type Clock, createRandom, sha256, systemClock } from "../../base/index.ts";
import { parametersFromSafetensors } from "../../graph/index.ts";
import {
  type CoordinatorLink,
  createSiteKey,
  type Directive,
  type Enrolment,
  enrolInMemory,
  memoryLink,
  openAnswer,
  parseInvitation,
  readCertificate,
  type SignedEnvelope,
  SiteMessageSchema,
  sealSiteMessage,
  type Verdict,
} from "../../protocol/index.ts";
import type { Coordinator } from "../index.ts";

export type MessageKind = NonNullable<MessageInitShape<typeof SiteMessageSchema>["kind"]>;

export interface FakeSite {
  readonly siteId: string;
  readonly enrolment: Enrolment;
  readonly keyPem: string;
  /** Replaced when a test connects the site elsewhere. */
  link: CoordinatorLink;
  sequence: number;
  /** The last head of the journal that it was told, which it countersigns. */
  head?: { readonly number: number; readonly sha256: string };
  /** Real time unless given. */
  readonly clock?: Clock;
  /** Everything that it sent, as it went out. */
  readonly sent: SignedEnvelope[];
  readonly folder: string;
  readonly cases: number;
}

export interface Said {
  readonly verdict: Verdict;
  readonly directive: Directive;
  readonly certificateDer: Uint8Array;
}

/** Joins by an invitation in memory. */
export async function joinFake(coordinator: Coordinator, siteId: string, folder: string, cases = 3): Promise<FakeSite> {
  const { text } = await coordinator.invite({ siteId });
  const nowMs = systemClock.nowMs();
  const invitation = parseInvitation(text, "invitation", nowMs);
  const keyPem = createSiteKey();
  const enrolment = await enrolInMemory(coordinator.service, { invitation, keyPem, productVersion: "0.1.0", nowMs });
  const site = { siteId, enrolment, keyPem, sequence: 0, sent: [], folder, cases };
  return { ...site, link: memoryLinkOf(coordinator, { siteId, enrolment }) };
}

export function memoryLinkOf(coordinator: Coordinator, site: Pick<FakeSite, "siteId" | "enrolment">): CoordinatorLink {
  const { keySha256 } = readCertificate(site.enrolment.certificatePem);
  return memoryLink(coordinator.service, { siteId: site.siteId, keySha256 });
}

export function seal(site: FakeSite, kind: MessageKind, about: Partial<About> = {}): SignedEnvelope {
  const { studyHash = "", round = 0, attempt = 0 } = about;
  return sealSiteMessage({
    siteId: site.siteId,
    key: keyFrom(site.keyPem),
    studyHash,
    round,
    attempt,
    sequence: ++site.sequence,
    timeMs: clockOf(site).nowMs(),
    message: create(SiteMessageSchema, {
      kind,
      ...(site.head && { seen: { number: BigInt(site.head.number), sha256: site.head.sha256 } }),
    }),
  });
}

/** Keys are parsed once: that takes ten times as long as a signature. */
const keys = new Map<string, KeyObject>();

function keyFrom(keyPem: string): KeyObject {
  const key = keys.get(keyPem) ?? createPrivateKey(keyPem);
  keys.set(keyPem, key);
  return key;
}

interface About {
  readonly studyHash: string;
  readonly round: number;
  readonly attempt: number;
}

function clockOf({ clock = systemClock }: FakeSite): Clock {
  return clock;
}

export async function say(site: FakeSite, kind: MessageKind, about: Partial<About> = {}): Promise<Said> {
  const request = seal(site, kind, about);
  site.sent.push(request);
  const reply = await site.link.exchange(request);
  const { authorityPem } = site.enrolment;
  const nowMs = clockOf(site).nowMs();
  const { answer } = openAnswer(reply, { request, authorityPem, nowMs });
  if (answer.verdict === undefined || answer.directive === undefined || answer.head === undefined) {
    throw new Error("an incomplete answer");
  }
  site.head = { number: Number(answer.head.number), sha256: answer.head.sha256 };
  const { verdict, directive, certificateDer } = answer;
  return { verdict, directive, certificateDer };
}

/** Asks for a new certificate. @returns DER */
export async function renew(site: FakeSite): Promise<Uint8Array> {
  return (await say(site, { case: "renewal", value: {} })).certificateDer;
}

export function poll(site: FakeSite): Promise<Said> {
  const data = { trainingCases: site.cases, validationCases: 1, channels: ["t1"], labelConvention: "brats2021" };
  const siteTimeMs = BigInt(clockOf(site).nowMs());
  return say(site, { case: "poll", value: { productVersion: "0.1.0", siteTimeMs, activity: "idle", data } });
}

/** Asks, and does what it is told, once. Returns what it was told, and how its work was taken where there was some. */
export async function act(site: FakeSite): Promise<{ readonly told: Directive["kind"]; readonly said?: Said }> {
  const { directive } = await poll(site);
  const { kind } = directive;
  switch (kind.case) {
    case "review": {
      const { studyHash, roster } = kind.value;
      return { told: kind, said: await say(site, approvalOf(studyHash, roster), { studyHash }) };
    }
    case "train":
      return { told: kind, said: await train(site, kind.value) };
    case "evaluate": {
      const { studyHash, round, attempt, modelSha256, modelBytes } = kind.value;
      const toFile = join(site.folder, `${site.siteId}-model`);
      await site.link.fetchObject({ sha256: modelSha256, bytes: Number(modelBytes), toFile });
      return { told: kind, said: await say(site, evaluationOf(site, kind.value), { studyHash, round, attempt }) };
    }
    case "crossEvaluate": {
      const { studyHash, round, attempt, ofSite, updateSha256, updateBytes } = kind.value;
      const toFile = join(site.folder, `${site.siteId}-other`);
      await site.link.fetchObject({ sha256: updateSha256, bytes: Number(updateBytes), toFile });
      const regions = figuresDrawn(site.siteId, updateSha256);
      const value = { round, attempt, ofSite, updateSha256, cases: 1, regions };
      return { told: kind, said: await say(site, { case: "crossEvaluation", value }, { studyHash, round, attempt }) };
    }
    default:
      return { told: kind };
  }
}

type Order<C> = Extract<Directive["kind"], { case: C }>["value"];

async function train(site: FakeSite, order: Order<"train">): Promise<Said> {
  const { studyHash, round, attempt, globalSha256, globalBytes } = order;
  const { sha256: digest, bytes, file } = await makeUpdate(site, globalSha256, Number(globalBytes));
  await site.link.sendObject({ sha256: digest, fromFile: file });
  return say(site, announcement(site, order, { sha256: digest, bytes }), { studyHash, round, attempt });
}

/** Coordinates drawn from the site's name and the model. */
export async function makeUpdate(
  site: FakeSite,
  globalSha256: string,
  globalBytes: number,
): Promise<{ readonly sha256: string; readonly bytes: number; readonly file: string }> {
  const toFile = join(site.folder, `${site.siteId}-global`);
  await site.link.fetchObject({ sha256: globalSha256, bytes: globalBytes, toFile });
  const { layout } = parametersFromSafetensors(await readFile(toFile), "global model");
  const random = createRandom("update", site.siteId, globalSha256);
  const coordinates = Int32Array.from({ length: layout.length }, () => random.integer(2001) - 1000);
  const bytes = encodeUpdate(coordinates);
  const file = join(site.folder, `${site.siteId}-update`);
  await writeFile(file, bytes);
  return { sha256: sha256(bytes), bytes: bytes.length, file };
}

export function announcement(
  site: FakeSite,
  { round, attempt }: Pick<About, "round" | "attempt">,
  update: { readonly sha256: string; readonly bytes: number },
): MessageKind {
  return {
    case: "update",
    value: {
      round,
      attempt,
      updateSha256: update.sha256,
      updateBytes: BigInt(update.bytes),
      trainingCases: site.cases,
      gradientSteps: 2,
      clippedCoordinates: 0n,
      meanLoss: 0.25,
      runRecord: new TextEncoder().encode('{"threads":1}'),
    },
  };
}

export function approvalOf(studyHash: string, roster: readonly { siteId: string; keySha256: string }[]): MessageKind {
  const signed = roster.map(({ siteId, keySha256 }) => ({ siteId, keySha256 }));
  return { case: "approval", value: { studyHash, approved: true, reason: "", roster: signed } };
}

export function evaluationOf(
  site: Pick<FakeSite, "siteId">,
  { round, attempt, modelSha256 }: Order<"evaluate">,
): MessageKind {
  const regions = figuresDrawn(site.siteId, modelSha256);
  return { case: "evaluation", value: { round, attempt, modelSha256, cases: 1, regions } };
}

function figuresDrawn(siteId: string, of: string) {
  const random = createRandom("dice", siteId, of);
  return ["WT", "TC", "ET"].map((region) => {
    return { region, diceSum: random.uniform(), diceCases: 1, hd95Sum: 10 * random.uniform(), hd95Cases: 1 };
  });
}
