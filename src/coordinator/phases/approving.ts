/**
 * A study is submitted, and the reviewers of its roster look at it.
 *
 * Invariants: the roster is fixed when the study is submitted; a decision counts only under the study's hash and the
 * very roster that the coordinator holds, so nobody can be added after a reviewer signed; the study begins (with its
 * statistics where it declares some, else with the first round) when every site of the roster that did not refuse has
 * approved, or when the study lead begins it with those who have. A refusal before it takes a site out where the quorum
 * is still within reach, and ends the study where it is not. Later decisions let a site leave, come late, or come back;
 * a round that is short of its quorum waits for its deadline.
 */
import { ConsiliumError, invariant, LIMITS } from "../../base/index.ts";
import { checkContext, siteNoise } from "../../privacy/index.ts";
import { withOrderedRegions } from "../../study/index.ts";
import type { ApprovalReceived, StudySubmitted } from "../events.ts";
import { isMasked, roundContext, uploadBytes } from "../masked-round.ts";
import type { RosterEntry, StudyRecord } from "../records.ts";
import {
  type CoordinatorState,
  candidatesOf,
  participantsOf,
  quorumOf,
  rosterTrainers,
  trainersAmong,
} from "../state.ts";
import { accepted, discarded, rejected, type Taken } from "../verdict.ts";
import { failStudy } from "./ending.ts";
import { withDecision } from "./leaving.ts";
import { startStudy } from "./surveying.ts";
import { studyMismatch } from "./wrong-study.ts";

export function submitStudy(state: CoordinatorState, event: StudySubmitted): Taken {
  const { hash, initial, network, parameterCount, atMs } = event;
  const study = withOrderedRegions(event.study);
  const subject = `study ${study.name}`;
  const { phase } = state;
  if (phase.kind !== "idle" && phase.kind !== "done" && phase.kind !== "failed") {
    return rejected(state, "study-refused", {
      subject,
      expected: "no study underway",
      actual: `${state.study?.study.name} in its ${phase.kind} phase`,
      hint: "Wait for its end, or stop it.",
    });
  }
  if ([state.study?.hash, ...state.past.map(({ record }) => record.hash)].includes(hash)) {
    return rejected(state, "study-refused", {
      subject,
      expected: "a study that has not run here",
      actual: `hash ${hash.slice(0, 12)}, which has`,
      hint: "To run it again, change its name or its seed: approvals are given to a hash.",
    });
  }
  const unknown = event.sites?.find((siteId) => state.sites[siteId]?.revoked !== undefined || !(siteId in state.sites));
  if (unknown !== undefined) {
    return rejected(state, "site-unknown", {
      subject,
      expected: "sites that belong to the federation",
      actual: unknown,
      hint: "Invite the site, and submit the study once it has joined.",
    });
  }
  const record: StudyRecord = {
    hash,
    study,
    roster: rosterOf(state, event.sites),
    submittedMs: atMs,
    initial,
    ...(network && { network }),
    parameterCount,
    approvals: {},
    settled: [],
    contributors: [],
  };
  const stranger = study.evaluateOnly?.find((siteId) => !record.roster.some((entry) => entry.siteId === siteId));
  if (stranger !== undefined) {
    return rejected(state, "site-unknown", {
      subject: `${subject}, evaluateOnly`,
      expected: "sites of its roster",
      actual: stranger,
      hint: "Name sites that have joined and take part.",
    });
  }
  const { crossSite } = study.rounds;
  if (crossSite !== undefined && record.roster.length > LIMITS.crossSiteSites) {
    return rejected(state, "limit-exceeded", {
      subject: `${subject}, rounds.crossSite`,
      expected: `at most ${LIMITS.crossSiteSites} sites`,
      actual: String(record.roster.length),
      hint: "Each site's model goes to every site: leave the matrix out, or submit the study to fewer sites.",
    });
  }
  const trainers = rosterTrainers(record).length;
  if (trainers < Math.max(1, quorumOf(record))) {
    return rejected(state, "quorum-not-reached", {
      subject,
      expected: `at least ${Math.max(1, quorumOf(record))} sites that have joined and train`,
      actual: `${trainers}`,
      hint: "Invite more sites, wait until they have joined, and submit the study then.",
    });
  }
  const problem = maskingProblem(record);
  if (problem !== undefined) return rejected(state, problem.code, problem);
  return accepted({ ...state, past: withEnded(state), study: record, phase: { kind: "approving" } });
}

/** Why this roster cannot mask its sums, where it cannot: a threshold, or a sum that would not fit. */
function maskingProblem(record: StudyRecord): ConsiliumError | undefined {
  if (!isMasked(record)) return undefined;
  try {
    checkContext(roundContext(record, 1));
    uploadBytes(record, 1);
    siteNoise(record.study, record.parameterCount);
    return undefined;
  } catch (error) {
    if (error instanceof ConsiliumError && error.code !== "internal") return error;
    throw error;
  }
}

function rosterOf(state: CoordinatorState, sites: readonly string[] | undefined): RosterEntry[] {
  const chosen = new Set(sites ?? Object.keys(state.sites));
  return Object.values(state.sites)
    .filter(({ siteId, revoked }) => chosen.has(siteId) && revoked === undefined)
    .map(({ siteId, keySha256 }) => ({ siteId, keySha256 }))
    .sort((a, b) => (a.siteId < b.siteId ? -1 : 1));
}

function withEnded({ phase, study, past }: CoordinatorState): CoordinatorState["past"] {
  if (phase.kind !== "done" && phase.kind !== "failed") return past;
  invariant(study !== null, "a study in every phase but idle");
  return [...past, { record: study, end: phase }];
}

export function receiveApproval(state: CoordinatorState, event: ApprovalReceived): Taken {
  const { siteId, approved, reason, atMs } = event;
  const mismatch = studyMismatch(state, event);
  if (mismatch !== undefined) return mismatch;
  const { study, phase } = state;
  invariant(study !== null, "a study that was compared");
  const subject = `decision of ${siteId}`;
  if (!sameRoster(study.roster, event.roster)) {
    return rejected(state, "roster-mismatch", {
      subject,
      expected: `the roster ${describeRoster(study.roster)}`,
      actual: describeRoster(event.roster),
      hint: "Review the study again: the sites that take part, or their keys, are not those that were reviewed.",
    });
  }
  if (phase.kind === "done" || phase.kind === "failed") {
    return discarded(state, "study-refused", {
      subject,
      expected: "a decision while the study is underway",
      actual: "one after its end",
      hint: "Nothing more is needed from the reviewer.",
    });
  }
  if (study.approvals[siteId]?.approved === approved) {
    return discarded(state, "update-counted", {
      subject,
      expected: "a decision that is not known",
      actual: "the same one again",
      hint: "Nothing more is needed from the reviewer.",
    });
  }
  if ("round" in phase) {
    const inRound = phase.round === 0 ? {} : { inRound: phase.round };
    return accepted(withDecision(state, study, siteId, { approved, reason, atMs, ...inRound }));
  }
  const approvals = { ...study.approvals, [siteId]: { approved, reason, atMs } };
  return accepted(afterDecision({ ...state, study: { ...study, approvals } }, { ...study, approvals }, atMs));
}

/** The study lead waits no longer for the sites that have not decided. */
export function beginStudy(state: CoordinatorState, study: StudyRecord, atMs: number): Taken {
  const approved = trainersAmong(study, participantsOf(study)).length;
  const needed = Math.max(1, quorumOf(study), study.study.privacy.secureAggregation?.threshold ?? 1);
  if (state.phase.kind === "approving" && approved >= needed) {
    return accepted(startStudy(state, study, atMs));
  }
  return rejected(state, "quorum-not-reached", {
    subject: `study ${study.study.name}`,
    expected: state.phase.kind === "approving" ? `${needed} sites that approved it` : "a study before its first round",
    actual: state.phase.kind === "approving" ? String(approved) : `the ${state.phase.kind} phase`,
    hint: "Wait for their reviewers, or give the study another quorum: `consilium study change`.",
  });
}

/** The first round where everybody who is left has approved, the study's end where too few are left. */
export function afterDecision(state: CoordinatorState, study: StudyRecord, atMs: number): CoordinatorState {
  const participants = candidatesOf(study);
  if (trainersAmong(study, participants).length < quorumOf(study)) {
    const refusals = study.roster
      .filter(({ siteId }) => study.approvals[siteId]?.approved === false)
      .map(({ siteId }) => `${siteId} (${study.approvals[siteId]?.reason || "no reason given"})`);
    const reason = `Refused by ${refusals.join(", ")}; ${quorumOf(study)} sites are needed.`;
    return failStudy(state, { code: "study-refused", reason, round: 0, atMs });
  }
  const allDecided = participants.every((siteId) => study.approvals[siteId]?.approved);
  return allDecided ? startStudy(state, study, atMs) : state;
}

function sameRoster(held: readonly RosterEntry[], signed: readonly RosterEntry[]): boolean {
  return (
    held.length === signed.length &&
    held.every(({ siteId, keySha256 }, i) => signed[i].siteId === siteId && signed[i].keySha256 === keySha256)
  );
}

function describeRoster(roster: readonly RosterEntry[]): string {
  const named = roster.slice(0, 8).map(({ siteId, keySha256 }) => `${siteId}:${keySha256.slice(0, 8)}`);
  return `${named.join(" ")}${roster.length > 8 ? ` and ${roster.length - 8} more` : ""}` || "of nobody";
}
