/** A study is offered: it is kept for the reviewer, and what was decided about it is sent. */
import { ConsiliumError, LIMITS } from "../base/index.ts";
import { rosterSha256Of } from "../privacy/index.ts";
import type { Directive, ReviewStudy } from "../protocol/index.ts";
import type { Answer } from "./outgoing.ts";
import { readReview, recordOffer, refusalOf, refusedReview, type StudyReview } from "./reviews.ts";
import { type Shift, say, tellVerdict } from "./shift.ts";
import { knownStudies, readEnd } from "./study-progress.ts";

/**
 * The coordinator's answer to the decision, or undefined while the reviewer has not decided, or decided as the
 * coordinator knows. A study that this site can never run is refused without asking anyone, once in a shift.
 */
export async function answerOffer(shift: Shift, offer: ReviewStudy): Promise<Answer | undefined> {
  const offered = await offeredReview(shift, offer);
  const key = `${offer.studyHash} ${rosterSha256Of(offer.roster)}`;
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
  const isKnown = decision?.approved === false && offer.decision === "refused";
  return decision === undefined || isKnown ? undefined : decide(shift, offer, decision);
}

/**
 * The study whose refusal by this site's reviewer the coordinator cannot know: it asks for work in it, or the site has
 * worked in it and has not said so in this shift.
 */
export async function refusalToTell(shift: Shift, directive: Directive): Promise<StudyReview | undefined> {
  const { store } = shift.site;
  const asked = await refusedReview(store, directive);
  if (asked !== undefined || directive.kind.case !== "wait") return asked;
  for (const studyHash of await knownStudies(store)) {
    if ((await readEnd(store, studyHash)) !== undefined) continue;
    const refused = await refusalOf(store, studyHash);
    if (refused?.decision === undefined) continue;
    const key = `left ${studyHash} ${refused.decision.decidedAtMs}`;
    if (shift.told.has(key)) continue;
    shift.told.add(key);
    return refused;
  }
  return undefined;
}

/** This site's word that it leaves a study, as its reviewer decided, though it is asked for work in it. */
export async function tellRefusal(shift: Shift, { studyHash, roster, decision }: StudyReview): Promise<Answer> {
  const reason = decision?.reason ?? "";
  return decide(shift, { studyHash, roster }, { approved: false, reason });
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
  offer: Pick<StudyReview, "studyHash" | "roster">,
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
