/** Studies and events for tests of the state machine. */
import { createRandom, sha256 } from "../../base/index.ts";
import { type Parameters, parameterLayout } from "../../graph/index.ts";
import { parseStudy, type Study, studyHash } from "../../study/index.ts";
import { drawSites } from "../draw-sites.ts";
import type { CoordinatorEvent, EvaluationReceived, FailureReceived, UpdateReceived } from "../events.ts";
import type { Evidence, RosterEntry } from "../records.ts";
import { type CoordinatorState, INITIAL_STATE } from "../state.ts";
import { step } from "../step.ts";

export const PARAMETERS = 10;
const EVIDENCE: Evidence = { header: "{}", body: "", signature: "" };

export function smallStudy(
  rounds: Partial<Study["rounds"]> = {},
  rest: { readonly name?: string; readonly retain?: Study["retain"] } = {},
): Study {
  return parseStudy({
    schema: "consilium.study/1",
    name: rest.name ?? "test",
    network: { kind: "unet3d", levels: 2, baseFeatures: 4 },
    training: { optimiser: { kind: "sgd", learningRate: 0.01 }, patch: [16, 16, 16], stepsPerRound: 2 },
    rounds: { count: 2, deadlineS: 100, ...rounds },
    ...(rest.retain && { retain: rest.retain }),
  });
}

/** Ten parameters in two tensors. */
export function smallParameters(seed = 0): Parameters {
  const layout = parameterLayout(
    new Map([
      ["a", [2, 3]],
      ["b", [4]],
    ]),
  );
  const random = createRandom("parameters", seed);
  return { layout, data: Float32Array.from({ length: layout.length }, () => random.normal()) };
}

export function keyOf(siteId: string): string {
  return sha256(`key of ${siteId}`);
}

export function objectOf(name: string): { sha256: string; bytes: number } {
  return { sha256: sha256(`object ${name}`), bytes: 4 * PARAMETERS };
}

export function rosterOf(sites: readonly string[]): RosterEntry[] {
  return [...sites].sort().map((siteId) => ({ siteId, keySha256: keyOf(siteId) }));
}

/** Invitations and enrolments of these sites, and a study submitted to them. */
export function submitted(sites: readonly string[], study: Study = smallStudy()): CoordinatorEvent[] {
  return [
    ...sites.flatMap((siteId): CoordinatorEvent[] => [
      { kind: "site-invited", atMs: 1, invitationId: `for-${siteId}`, siteId, expiresMs: 1000 },
      {
        kind: "site-enrolled",
        atMs: 2,
        siteId,
        invitationId: `for-${siteId}`,
        keySha256: keyOf(siteId),
        certificatePem: `certificate of ${siteId}`,
        productVersion: "0",
      },
    ]),
    {
      kind: "study-submitted",
      atMs: 10,
      hash: studyHash(study),
      study,
      initial: objectOf("initial"),
      parameterCount: PARAMETERS,
    },
  ];
}

export function approval(siteId: string, sites: readonly string[], study: Study, approved = true): CoordinatorEvent {
  return {
    kind: "approval-received",
    atMs: 20,
    siteId,
    studyHash: studyHash(study),
    evidence: EVIDENCE,
    approved,
    reason: approved ? "" : "not this one",
    roster: rosterOf(sites),
  };
}

export function approvals(sites: readonly string[], study: Study): CoordinatorEvent[] {
  return sites.map((siteId) => approval(siteId, sites, study));
}

export function update(
  siteId: string,
  round: number,
  study: Study,
  changes: Partial<UpdateReceived> = {},
): UpdateReceived {
  return {
    kind: "update-received",
    atMs: 30,
    siteId,
    studyHash: studyHash(study),
    evidence: EVIDENCE,
    round,
    attempt: 1,
    update: objectOf(`update of ${siteId} for ${round}`),
    trainingCases: 3,
    gradientSteps: 2,
    clippedCoordinates: 0,
    meanLoss: 0.5,
    runRecord: "{}",
    runRecordSha256: sha256("{}"),
    ...changes,
  };
}

export function aggregated(round: number, sites: readonly string[]): CoordinatorEvent {
  return {
    kind: "round-aggregated",
    atMs: 40,
    round,
    model: objectOf(`model ${round}`),
    totalWeight: 3 * sites.length,
    shares: [...sites].sort().map((siteId) => ({ siteId, weight: 3, share: 1 / sites.length })),
  };
}

/** One case with the same Dice in every region. */
export function evaluation(siteId: string, round: number, study: Study, dice: number | null): EvaluationReceived {
  const sums = { diceSum: dice ?? 0, diceCases: 1, hd95Sum: 2, hd95Cases: 1 };
  return {
    kind: "evaluation-received",
    atMs: 50,
    siteId,
    studyHash: studyHash(study),
    evidence: EVIDENCE,
    round,
    attempt: 1,
    modelSha256: objectOf(`model ${round}`).sha256,
    cases: dice === null ? 0 : 1,
    regions: dice === null ? {} : { WT: sums, TC: sums, ET: sums },
  };
}

export function failure(siteId: string, round: number, study: Study, atMs = 30): FailureReceived {
  return {
    kind: "failure-received",
    atMs,
    siteId,
    studyHash: studyHash(study),
    evidence: EVIDENCE,
    round,
    attempt: 1,
    code: "out-of-memory",
    hint: "Use a smaller patch.",
  };
}

/** The state after events that must all be accepted. */
export function stateAfter(...events: readonly CoordinatorEvent[]): CoordinatorState {
  return events.reduce((state, event) => {
    const { verdict, state: next } = step(state, event);
    if (verdict.outcome !== "accepted")
      throw new Error(`${event.kind} was ${verdict.outcome}: ${verdict.error.message}`);
    return next;
  }, INITIAL_STATE);
}

/** Who trains in each round of a study, if all of these sites take part in it from the first to the last. */
export function drawsOf(study: Study, siteIds: readonly string[]): readonly (readonly string[])[] {
  const { count, sitesPerRound = siteIds.length } = study.rounds;
  const sites = [...siteIds].sort();
  const before: string[][] = [];
  for (let round = 1; round <= count; round++) {
    before.push(drawSites({ seed: study.training.seed, round, sitesPerRound, sites, before }));
  }
  return before;
}
