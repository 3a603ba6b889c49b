/**
 * A reviewer's commands. They work beside a running site, which holds the home's lock: then they read and write the
 * reviewer's own documents, and the running site sends the decision at its next question. Where none runs they take
 * the lock, speak to the coordinator themselves, and let go.
 */
import { type Clock, ConsiliumError, type Sha256, systemClock } from "../base/index.ts";
import { rosterSha256Of } from "../privacy/index.ts";
import { type CoordinatorLink, connectLink, sealedLink } from "../protocol/index.ts";
import { answerOffer, refusalToTell, tellRefusal } from "./answer-offer.ts";
import { openSite, readSite, type Site } from "./home.ts";
import { checkStudyFitsBudget } from "./privacy-account.ts";
import { type Decision, findReview, readReviews, type StudyReview, writeDecision } from "./reviews.ts";
import { ask, startShift } from "./shift.ts";
import { checkPatchFitsData, readRegisteredData } from "./site-data.ts";

/** How a site reaches its coordinator. */
export type Dial = (site: Site) => CoordinatorLink;

/**
 * The product's own way: HTTP/2 with mutual TLS; sealed calls where the site chose to speak through a proxy that ends TLS.
 * @param maxBytesPerSecond what objects may take of the line; all of it unless given
 */
export function dialCoordinator(site: Site, maxBytesPerSecond?: number): CoordinatorLink {
  const { membership, authorityPem, certificatePem, keyPem, tlsProxy } = site;
  const options = { address: membership.address, authorityPem, certificatePem, keyPem, maxBytesPerSecond };
  return tlsProxy === undefined ? connectLink(options) : sealedLink({ ...options, proxyCaPem: tlsProxy.caPem });
}

export interface ReviewOptions {
  readonly home: string;
  readonly productVersion: string;
  readonly dial?: Dial;
  readonly clock?: Clock;
}

export interface StudiesToReview {
  readonly siteId: string;
  readonly reviews: readonly StudyReview[];
  /** Whether the coordinator was asked just now, or why not. */
  readonly asked: "by this command" | "by the running site" | ConsiliumError;
}

/** What waits for a decision, and what was decided, latest first; asks the coordinator first if no site runs here. */
export async function reviewStudies(options: ReviewOptions): Promise<StudiesToReview> {
  const site = await readSite(options.home);
  const asked = await speakOnce(options).catch((error: unknown) => {
    if (error instanceof ConsiliumError && error.code === "unreachable") return error;
    throw error;
  });
  return { siteId: site.siteId, reviews: await readReviews(site.store), asked };
}

export interface ApproveOptions extends ReviewOptions {
  /** The study's hash, the beginning of it (at least six digits), or its name. */
  readonly study: string;
  readonly decision: "approve" | "refuse";
  readonly reason?: string;
  /** Digest of the roster that the reviewer saw; the decision is about no other. */
  readonly rosterSha256?: Sha256;
}

export interface ApproveResult {
  readonly review: StudyReview;
  readonly decision: Decision;
  /** Whether the decision has reached the coordinator, will be sent by the running site, or could not be sent yet. */
  readonly sent: "by this command" | "by the running site" | ConsiliumError;
}

/**
 * Decides about a study as it was offered, and sends the decision.
 *
 * @throws ConsiliumError `study-unknown`; `study-refused` for an approval that this version cannot honour,
 * `patch-too-large` for one that this site's volumes cannot; `privacy-budget-unset` or `privacy-budget-exceeded` for
 * one that this hospital's budget cannot
 */
export async function approveStudy(options: ApproveOptions): Promise<ApproveResult> {
  const { home, study, decision, reason = "", clock = systemClock } = options;
  const site = await readSite(home);
  const review = findReview(await readReviews(site.store), study);
  if (options.rosterSha256 !== undefined) checkSameRoster(review, options.rosterSha256);
  const data = await readRegisteredData(site.store);
  if (decision === "approve" && data !== undefined) checkPatchFitsData(review.study, data.smallestExtentMm);
  if (decision === "approve") await checkStudyFitsBudget(site.store, review.study, review.studyHash);
  const kept = await writeDecision(site.store, review, {
    approved: decision === "approve",
    reason,
    decidedAtMs: clock.nowMs(),
  });
  const sent = await speakOnce(options).catch((error: unknown) => {
    if (error instanceof ConsiliumError && error.code === "unreachable") return error;
    throw error;
  });
  return { review, decision: kept, sent };
}

/** @throws ConsiliumError `roster-mismatch` */
function checkSameRoster({ roster, study }: StudyReview, seen: Sha256): void {
  if (rosterSha256Of(roster) === seen) return;
  throw new ConsiliumError("roster-mismatch", {
    subject: `study "${study.name}"`,
    expected: "the list of sites that the reviewer saw",
    actual: "another, offered since",
    hint: "Read the study again, and decide about the list as it is now.",
  });
}

/** One conversation: what is offered is kept, what is decided is sent. Work is left to the site that runs. */
async function speakOnce(options: ReviewOptions): Promise<"by this command" | "by the running site"> {
  const { home, productVersion, dial = dialCoordinator, clock = systemClock } = options;
  const site = await openSite(home).catch((error: unknown) => {
    if (error instanceof ConsiliumError && error.code === "home-locked") return undefined;
    throw error;
  });
  if (site === undefined) return "by the running site";
  const link = dial(site);
  try {
    const shift = await startShift({ site, link, productVersion, clock, patience: "none" });
    const directive = await ask(shift);
    const left = await refusalToTell(shift, directive);
    if (left !== undefined) await tellRefusal(shift, left);
    if (directive.kind.case === "review") await answerOffer(shift, directive.kind.value);
    return "by this command";
  } finally {
    await link.close();
    await site.close();
  }
}
