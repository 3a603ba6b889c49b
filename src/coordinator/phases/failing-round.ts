/**
 * A masked round that is below its threshold, or whose messages do not fit together, fails by itself: what was
 * collected opens nothing, and the study goes on with the next round from the same model. From the order to reveal on,
 * no round starts from the same model: some sites revealed, and a further sum of updates of the same model would betray
 * single ones, unless each is noised anew. Sites refuse it, and the study ends.
 *
 * Invariants: a failed round's number is used up, since sites mask a round once and pay for it once; it stays in the
 * study's record with its reason. LIMITS.failedRoundsInARow of them end the study, and so does a failed last round: with
 * the last model where there is one, else without.
 */
import { type ErrorCode, LIMITS } from "../../base/index.ts";
import { isMaskedAnew } from "../../privacy/index.ts";
import { maskingOf } from "../masked-round.ts";
import type { FailedRound, StudyRecord } from "../records.ts";
import { type Agreeing, type Collecting, type CoordinatorState, rulesOf, type Unmasking } from "../state.ts";
import { failStudy, finishStudy } from "./ending.ts";
import { startRound } from "./starting-round.ts";

export function failRound(
  state: CoordinatorState,
  study: StudyRecord,
  phase: Agreeing | Collecting | Unmasking,
  { code, reason, atMs }: { readonly code: ErrorCode; readonly reason: string; readonly atMs: number },
): CoordinatorState {
  const { round, startedMs, global } = phase;
  const unused = "updates" in phase ? Object.values(phase.updates).map(({ sha256 }) => sha256) : [];
  const failed: FailedRound = { round, startedMs, atMs, code, reason, unused };
  const after: StudyRecord = { ...study, failedRounds: [...(study.failedRounds ?? []), failed] };
  const next = { ...state, study: after };
  const lastModel = after.lastRound;
  const isLast = round >= rulesOf(after).rounds;
  if (isLast && lastModel !== undefined) return finishStudy(next, after, atMs, after.early);
  if (wereSharesAskedFor(phase) && !isMaskedAnew(study.study)) {
    const why = `${reason} Shares were revealed: another round from the same model could betray single sites.`;
    if (lastModel !== undefined) return finishStudy(next, after, atMs, why);
    return failStudy(next, { code, reason: why, round, atMs });
  }
  if (isLast || round - (lastModel?.round ?? 0) >= LIMITS.failedRoundsInARow) {
    return failStudy(next, { code, reason, round, atMs });
  }
  return startRound(next, { round: round + 1, global, atMs });
}

function wereSharesAskedFor(phase: Agreeing | Collecting | Unmasking): boolean {
  return phase.kind === "unmasking" && maskingOf(phase.masking).kind === "reveals";
}
