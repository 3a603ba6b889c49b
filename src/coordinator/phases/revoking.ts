/**
 * A site is revoked: its key is refused from now on, and nobody else is touched.
 *
 * Invariants: the site leaves the study underway (`leaving.ts`), which goes on where the quorum is still within reach,
 * and fails in words where it is not.
 */
import type { SiteRevoked } from "../events.ts";
import type { StudyRecord } from "../records.ts";
import { type CoordinatorState, candidatesOf, participantsOf, quorumOf, trainersAmong, trains } from "../state.ts";
import { accepted, rejected, type Taken } from "../verdict.ts";
import { afterDecision } from "./approving.ts";
import { failStudy } from "./ending.ts";
import { withDecision } from "./leaving.ts";

export function revokeSite(state: CoordinatorState, event: SiteRevoked): Taken {
  const { siteId, reason, atMs } = event;
  const site = state.sites[siteId];
  if (site === undefined || site.revoked !== undefined) {
    return rejected(state, "site-unknown", {
      subject: `site ${siteId}`,
      expected: "a site that belongs to the federation",
      actual: site === undefined ? "another" : "one that was revoked",
      hint: "`consilium status` lists the sites.",
    });
  }
  const sites = { ...state.sites, [siteId]: { ...site, revoked: { reason, atMs } } };
  return accepted(withoutSite({ ...state, sites }, event));
}

function withoutSite(state: CoordinatorState, { siteId, reason, atMs }: SiteRevoked): CoordinatorState {
  const { phase, study } = state;
  if (study === null || phase.kind === "idle" || phase.kind === "done" || phase.kind === "failed") return state;
  const onRoster = study.roster.some((entry) => entry.siteId === siteId);
  if (!onRoster || study.approvals[siteId]?.approved === false) return state;
  const decision = { approved: false, revoked: true, reason, atMs } as const;
  const left: StudyRecord = { ...study, approvals: { ...study.approvals, [siteId]: decision } };
  const members = phase.kind === "approving" ? candidatesOf(left) : participantsOf(left);
  const remaining = trainersAmong(left, members);
  if (trains(left, siteId) && remaining.length < quorumOf(left)) {
    const round = "round" in phase ? phase.round : 0;
    const why = `${siteId} was revoked (${reason}), and ${remaining.length} of ${quorumOf(left)} sites are left.`;
    return failStudy({ ...state, study: left }, { code: "quorum-not-reached", reason: why, round, atMs });
  }
  if (phase.kind === "approving") return afterDecision({ ...state, study: left }, left, atMs);
  return withDecision(state, study, siteId, decision);
}
