/**
 * A site is revoked: its key is refused from now on, and nobody else is touched.
 *
 * Invariants: of the study underway, what the site gave to the round that is open is taken out, unless it is masked and
 * cannot be told apart; rounds that are summed stay as they are; the study goes on where the quorum is still within
 * reach, and fails in words where it is not.
 */
import type { SiteRevoked } from "../events.ts";
import type { StudyRecord } from "../records.ts";
import { type CoordinatorState, participantsOf, quorumOf } from "../state.ts";
import { accepted, rejected, type Taken } from "../verdict.ts";
import { afterDecision } from "./approving.ts";
import { closeCollectingWhenComplete } from "./collecting.ts";
import { failStudy } from "./ending.ts";
import { closeWhenComplete } from "./evaluating.ts";

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
  const next = { ...state, study: left };
  const participants = participantsOf(left);
  if (participants.length < quorumOf(left)) {
    const round = "round" in phase ? phase.round : 0;
    const why = `${siteId} was revoked (${reason}), and ${participants.length} of ${quorumOf(left)} sites are left.`;
    return failStudy(next, { code: "quorum-not-reached", reason: why, round, atMs });
  }
  switch (phase.kind) {
    case "approving":
      return afterDecision(next, left, atMs);
    case "collecting": {
      const { [siteId]: dropped, ...others } = phase.updates;
      const updates = phase.masking === undefined ? others : phase.updates;
      const open = { ...phase, updates };
      return closeCollectingWhenComplete({ ...next, phase: open }, left, open, atMs);
    }
    case "evaluating": {
      const { [siteId]: dropped, ...evaluations } = phase.evaluations;
      const open = { ...phase, evaluations };
      return closeWhenComplete({ ...next, phase: open }, open, atMs);
    }
    case "agreeing":
    case "unmasking":
    case "aggregating":
      return next;
    default:
      return phase satisfies never;
  }
}
