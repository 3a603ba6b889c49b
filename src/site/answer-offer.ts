/** A study is offered: it is kept for the reviewer, and what was decided about it is sent. */
import { ConsiliumError, LIMITS } from "../base/index.ts";
import type { ReviewStudy } from "../protocol/index.ts";
import type { Answer } from "./outgoing.ts";
import { readReview, recordOffer, rosterDigest, type StudyReview } from "./reviews.ts";
import { type Shift, say, tellVerdict } from "./shift.ts";

/**
 * The coordinator's answer to the decision, or undefined while the reviewer has not decided. A study that this site
 * can never run is refused without asking anyone, once in a shift.
 */
export async function answerOffer(shift: Shift, offer: ReviewStudy): Promise<Answer | undefined> {
  const offered = await offeredReview(shift, offer);
  const key = `${offer.studyHash} ${rosterDigest(offer.roster)}`;
  const news = !shift.told.has(key);
  shift.told.add(key);
  if (offered instanceof ConsiliumError) {
    if (!news) return undefined;
    await shift.emit({ kind: "failure", round: 0, times: 1, error: offered });
    return decide(shift, offer, { approved: false, reason: offered.message.slice(0, LIMITS.reasonChars) });
  }
  const { studyHash, study } = offered;
  if (news && offered.decision === undefined) await shift.emit({ kind: "review", studyHash, name: study.name });
  const { decision } = offered.decision === undefined ? await readReview(shift.site.store, studyHash) : offered;
  return decision && decide(shift, offer, decision);
}

/** The review, or why this site refuses the study by itself. The words of such a refusal are about the study alone. */
async function offeredReview(shift: Shift, offer: ReviewStudy): Promise<StudyReview | ConsiliumError> {
  try {
    const offered = await recordOffer(shift.site, offer, shift.clock.nowMs());
    return offered.refusal ?? offered;
  } catch (error) {
    if (error instanceof ConsiliumError && ["study-invalid", "roster-mismatch"].includes(error.code)) return error;
    throw error;
  }
}

/** The envelope's signature covers the roster: an approval is of this study with these sites and no others. */
async function decide(
  shift: Shift,
  offer: ReviewStudy,
  { approved, reason }: { readonly approved: boolean; readonly reason: string },
): Promise<Answer> {
  const { studyHash } = offer;
  const roster = [...offer.roster].sort((a, b) => (a.siteId < b.siteId ? -1 : 1));
  const answer = await say(shift, {
    what: approved ? "approval" : "refusal",
    studyHash,
    round: 0,
    attempt: 0,
    kind: { case: "approval", value: { studyHash, approved, reason, roster } },
  });
  await tellVerdict(shift, "approval", answer.verdict);
  if (answer.verdict.outcome === "accepted") await shift.emit({ kind: "approval-sent", studyHash, approved });
  return answer;
}
