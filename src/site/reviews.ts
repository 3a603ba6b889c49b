/**
 * Studies that the coordinator offers, and what this site's reviewer decided about each. Nothing runs here without a
 * decision that names exactly the study and exactly the roster of sites that are offered now: if either changes, the
 * approval no longer holds and the reviewer is asked again.
 *
 * The decision is a document of its own, written by whoever reviews (often another process than the one that runs),
 * and on disk before it is sent.
 */
import { z } from "zod";
import { ConsiliumError, canonicalJson, LIMITS, type Sha256 } from "../base/index.ts";
import { plannedPrivacy, plannedSitePrivacy, rosterSha256Of } from "../privacy/index.ts";
import type { Directive, ReviewStudy } from "../protocol/index.ts";
import {
  checkStudyConsistency,
  describeStudy,
  type Study,
  type StudyChange,
  studyDifference,
  studyFromBytes,
} from "../study/index.ts";
import { parseDocument, type Site } from "./home.ts";
import type { SiteStore } from "./site-store.ts";

const rosterEntrySchema = z.strictObject({ siteId: z.string(), keySha256: z.string() });
/** A member of the federation: its name and the SHA-256 of its key. */
export type RosterMember = z.infer<typeof rosterEntrySchema>;

const offerSchema = z.strictObject({
  studyHash: z.string(),
  study: z.unknown(),
  roster: z.array(rosterEntrySchema),
  networkBytes: z.number().int().min(0),
  offeredAtMs: z.number(),
});

const decisionSchema = z.strictObject({
  approved: z.boolean(),
  reason: z.string(),
  rosterSha256: z.string(),
  decidedAtMs: z.number(),
});
export type Decision = z.infer<typeof decisionSchema>;

export interface StudyReview {
  readonly studyHash: Sha256;
  readonly study: Study;
  /** The study in plain words. */
  readonly text: string;
  /** Sorted by site. */
  readonly roster: readonly RosterMember[];
  /** Size of the ONNX model under the study's `network.sha256`; 0 where the network is not a file. */
  readonly networkBytes: number;
  readonly offeredAtMs: number;
  /** The decision on this study with this roster; undefined where the reviewer is still asked. */
  readonly decision?: Decision;
  /** Why this site cannot take part, where it cannot. */
  readonly refusal?: ConsiliumError;
  /** What changed since the last study that this site approved. */
  readonly changes?: readonly StudyChange[];
}

/**
 * Keeps what is offered, after checking that the study is what its hash says and that this site is on the roster.
 *
 * @throws ConsiliumError `study-invalid`, `roster-mismatch`
 */
export async function recordOffer(site: Site, offer: ReviewStudy, nowMs: number): Promise<StudyReview> {
  studyFromBytes(offer.study, offer.studyHash);
  const roster = sortedRoster(offer.roster);
  checkRoster(site, roster);
  const known = await readOffer(site.store, offer.studyHash);
  if (known === undefined || rosterSha256Of(known.roster) !== rosterSha256Of(roster)) {
    await site.store.write(`review/${offer.studyHash}`, {
      studyHash: offer.studyHash,
      study: JSON.parse(new TextDecoder().decode(offer.study)),
      roster,
      networkBytes: Number(offer.networkBytes),
      offeredAtMs: nowMs,
    });
  }
  return readReview(site.store, offer.studyHash);
}

/** @throws ConsiliumError `study-unknown` */
export async function readReview(store: SiteStore, studyHash: Sha256): Promise<StudyReview> {
  const offer = await readOffer(store, studyHash);
  if (offer === undefined) throw unknownStudy(studyHash, []);
  const study = studyFromBytes(new TextEncoder().encode(canonicalJson(offer.study as never)), studyHash);
  const decision = await readDecision(store, studyHash);
  const refusal = problemOf(study, offer.roster.length);
  const last = await lastApproved(store, studyHash);
  return {
    studyHash,
    study,
    text: describeStudy(study, {
      patientEpsilon: plannedPrivacy(study)?.epsilon,
      siteEpsilon: plannedSitePrivacy(study)?.epsilon,
    }),
    roster: offer.roster,
    networkBytes: offer.networkBytes,
    offeredAtMs: offer.offeredAtMs,
    ...(decision?.rosterSha256 === rosterSha256Of(offer.roster) && { decision }),
    ...(refusal && { refusal }),
    ...(last && { changes: studyDifference(last, study) }),
  };
}

/** The review of a study, undefined of one that was never offered. */
export async function knownReview(store: SiteStore, studyHash: Sha256): Promise<StudyReview | undefined> {
  return (await readOffer(store, studyHash)) === undefined ? undefined : readReview(store, studyHash);
}

/** Every study that was offered to this site, latest first. */
export async function readReviews(store: SiteStore): Promise<StudyReview[]> {
  const names = await store.list("review/");
  const reviews = await Promise.all(names.map((name) => readReview(store, name.slice("review/".length))));
  return reviews.sort((a, b) => b.offeredAtMs - a.offeredAtMs);
}

/** The study that a person means by its hash, the beginning of it, or its name. @throws ConsiliumError `study-unknown` */
export function findReview(reviews: readonly StudyReview[], study: string): StudyReview {
  const byHash = study.length < 6 ? [] : reviews.filter(({ studyHash }) => studyHash.startsWith(study.toLowerCase()));
  const found = byHash.length > 0 ? byHash : reviews.filter((review) => review.study.name === study);
  if (found.length === 1) return found[0];
  throw found.length > 1 ? ambiguousStudy(study, found) : unknownStudy(study, reviews);
}

/** @throws ConsiliumError `study-refused` for an approval that this version cannot honour; `limit-exceeded` */
export async function writeDecision(
  store: SiteStore,
  review: StudyReview,
  decision: { readonly approved: boolean; readonly reason: string; readonly decidedAtMs: number },
): Promise<Decision> {
  if (decision.approved && review.refusal !== undefined) throw review.refusal;
  if (decision.reason.length > LIMITS.reasonChars) {
    throw new ConsiliumError("limit-exceeded", {
      subject: "the reason of a decision",
      expected: `at most ${LIMITS.reasonChars} characters`,
      actual: `${decision.reason.length}`,
      hint: "Say it shorter: it travels to the coordinator.",
    });
  }
  const kept: Decision = { ...decision, rosterSha256: rosterSha256Of(review.roster) };
  await store.write(`decision/${review.studyHash}`, kept);
  return kept;
}

/**
 * The review of a study, if this site's reviewer approved it with the roster offered last.
 *
 * @throws ConsiliumError `study-not-approved`
 */
export async function approvedReview(store: SiteStore, studyHash: Sha256): Promise<StudyReview> {
  const review = await knownReview(store, studyHash);
  if (review?.decision?.approved === true && review.refusal === undefined) return review;
  throw new ConsiliumError("study-not-approved", {
    subject: `study ${studyHash.slice(0, 12)}`,
    expected: "an approval of this study with its present roster by this site's reviewer",
    actual: review === undefined ? "a study that was never offered" : describeDecision(review.decision),
    hint: "Review it with `consilium site review`, then `consilium site approve`.",
  });
}

/** The review of the study that an order for work is of, where this site's reviewer has refused it. */
export async function refusedReview(store: SiteStore, { kind }: Directive): Promise<StudyReview | undefined> {
  switch (kind.case) {
    case "survey":
    case "train":
    case "evaluate":
    case "crossEvaluate":
    case "masking":
      return refusalOf(store, kind.value.studyHash);
    default:
      return undefined;
  }
}

/** The review of a study that this site's reviewer has refused, undefined otherwise. */
export async function refusalOf(store: SiteStore, studyHash: Sha256): Promise<StudyReview | undefined> {
  if ((await readDecision(store, studyHash))?.approved !== false) return undefined;
  const review = await readReview(store, studyHash);
  return review.decision && review;
}

/** What no site can run, whoever checked the study before; a reviewer cannot approve it by mistake. */
function problemOf(study: Study, sites: number): ConsiliumError | undefined {
  try {
    checkStudyConsistency(study, { sites }, `study "${study.name}"`);
    return undefined;
  } catch (error) {
    if (error instanceof ConsiliumError && error.code !== "internal") return error;
    throw error;
  }
}

function describeDecision(decision: Decision | undefined): string {
  return decision === undefined ? "no decision yet" : decision.approved ? "an approval" : "a refusal";
}

function sortedRoster(roster: readonly RosterMember[]): RosterMember[] {
  return roster.map(({ siteId, keySha256 }) => ({ siteId, keySha256 })).sort((a, b) => (a.siteId < b.siteId ? -1 : 1));
}

function checkRoster(site: Site, roster: readonly RosterMember[]): void {
  const own = roster.filter(({ siteId }) => siteId === site.siteId);
  const names = new Set(roster.map(({ siteId }) => siteId));
  if (own.length === 1 && own[0].keySha256 === site.keySha256 && names.size === roster.length) return;
  const actual =
    own.length === 0
      ? "a roster without it"
      : names.size < roster.length
        ? "a roster with a site named twice"
        : "a roster with another key under its name";
  throw new ConsiliumError("roster-mismatch", {
    subject: `roster of the study offered to ${site.siteId}`,
    expected: "this site, once, with its own key",
    actual,
    hint: "Do not approve it: ask the study lead who the members of the federation are.",
  });
}

async function readOffer(store: SiteStore, hash: Sha256): Promise<z.infer<typeof offerSchema> | undefined> {
  const value = await store.read(`review/${hash}`);
  return value === undefined ? undefined : parseDocument(offerSchema, value, `review/${hash}.json`);
}

async function readDecision(store: SiteStore, hash: Sha256): Promise<Decision | undefined> {
  const value = await store.read(`decision/${hash}`);
  return value === undefined ? undefined : parseDocument(decisionSchema, value, `decision/${hash}.json`);
}

async function lastApproved(store: SiteStore, except: Sha256): Promise<Study | undefined> {
  const decided: { hash: Sha256; atMs: number }[] = [];
  for (const name of await store.list("decision/")) {
    const hash = name.slice("decision/".length);
    const decision = hash === except ? undefined : await readDecision(store, hash);
    if (decision?.approved === true) decided.push({ hash, atMs: decision.decidedAtMs });
  }
  const latest = decided.sort((a, b) => b.atMs - a.atMs)[0];
  const offer = latest === undefined ? undefined : await readOffer(store, latest.hash);
  if (offer === undefined) return undefined;
  return studyFromBytes(new TextEncoder().encode(canonicalJson(offer.study as never)), offer.studyHash);
}

function unknownStudy(study: string, reviews: readonly StudyReview[]): ConsiliumError {
  const none = reviews.length === 0;
  return new ConsiliumError("study-unknown", {
    subject: `study "${study.slice(0, 80)}"`,
    expected: none ? "a study that was offered to this site" : `one of ${inWords(reviews)}`,
    actual: none ? "none that this site has heard of" : "none of them",
    hint: "See what waits with `consilium site review`, which asks the coordinator.",
  });
}

function ambiguousStudy(study: string, found: readonly StudyReview[]): ConsiliumError {
  return new ConsiliumError("study-unknown", {
    subject: `study "${study.slice(0, 80)}"`,
    expected: `one of ${inWords(found)}`,
    actual: `${found.length} that it may mean`,
    hint: "Name the study by more of its hash.",
  });
}

function inWords(reviews: readonly StudyReview[]): string {
  return reviews.map((review) => `"${review.study.name}" (${review.studyHash.slice(0, 12)})`).join(", ");
}
