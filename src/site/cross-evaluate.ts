/**
 * One cell of a cross-site matrix: another site's own model of a round, or this site's, on this site's validation cases.
 *
 * Invariants: nothing of it happens in a study that does not declare the matrix of that round; the model is the one that
 * was summed, the round's starting model moved by the update as it lies at the coordinator, and its bytes are gone from
 * here once the cell is told; a cell that was made is sent again as it is after any crash.
 */
import { moveByUpdate } from "../aggregation/index.ts";
import { ConsiliumError, type Sha256 } from "../base/index.ts";
import type { CrossEvaluate, Directive } from "../protocol/index.ts";
import type { CaseScores } from "../segmentation/index.ts";
import { hasMatrix, type Study } from "../study/index.ts";
import { scoresOfModel } from "./evaluate-model.ts";
import { fetchModel } from "./fetch-model.ts";
import { toldFigures } from "./figures.ts";
import type { Answer } from "./outgoing.ts";
import { type PreparedOrder, prepareOrder } from "./prepare-order.ts";
import { type Shift, say, untilReached, type Worked } from "./shift.ts";
import {
  commitCrossEvaluation,
  dropUnneededObjects,
  type MadeCrossEvaluation,
  readCrossEvaluation,
  readEvaluation,
} from "./study-progress.ts";

/** @throws ConsiliumError `study-not-approved` for a matrix that the study does not declare too; what the engine throws */
export async function crossEvaluate(shift: Shift, directive: Directive, order: CrossEvaluate): Promise<Worked<Answer>> {
  const { studyHash, round, attempt, ofSite, updateSha256, globalSha256 } = order;
  const prepared = await prepareOrder(shift, studyHash);
  checkDeclared(prepared.study, order);
  const made = await cellOf(shift, directive, order, prepared);
  if (made.kind === "withdrawn") return made;
  const { cases, regions } = made.value;
  const answer = await say(shift, {
    what: "cross-site figures",
    studyHash,
    round,
    attempt,
    kind: { case: "crossEvaluation", value: { round, attempt, ofSite, updateSha256, cases, regions } },
  });
  await dropOthersModel(shift, studyHash, globalSha256);
  await shift.emit({ kind: "evaluated-other", studyHash, round, ofSite, cases, regions });
  return { kind: "finished", value: answer };
}

/** The round's starting model serves the next cell too, and its new one the next round. */
async function dropOthersModel({ site }: Shift, studyHash: Sha256, globalSha256: Sha256): Promise<void> {
  const evaluated = await readEvaluation(site.store, studyHash);
  await dropUnneededObjects(site.store, [globalSha256, ...(evaluated ? [evaluated.modelSha256] : [])]);
}

function checkDeclared(study: Study, { studyHash, round }: CrossEvaluate): void {
  // Which round is the last the coordinator knows: a study may end early.
  if (hasMatrix(study, round, true) && round <= study.rounds.count) return;
  throw new ConsiliumError("study-not-approved", {
    subject: `study ${studyHash.slice(0, 12)}, matrix of round ${round}`,
    expected: "an order for what this site's reviewer approved",
    actual: "one for a cross-site matrix that the study does not declare",
    hint: "Ask the study lead for a study that declares it (rounds.crossSite).",
  });
}

async function cellOf(
  shift: Shift,
  directive: Directive,
  order: CrossEvaluate,
  prepared: PreparedOrder,
): Promise<Worked<MadeCrossEvaluation>> {
  const { studyHash, round, ofSite, updateSha256 } = order;
  const { store } = shift.site;
  const kept = await readCrossEvaluation(store, studyHash);
  if (kept?.round === round && kept.updateSha256 === updateSha256 && kept.ofSite === ofSite) {
    return { kind: "finished", value: kept };
  }
  const scored = await scoresOfOther(shift, directive, order, prepared);
  if (scored.kind === "withdrawn") return scored;
  const regions = toldFigures(prepared.study, scored.value, prepared.data.validationCases);
  const made = { round, ofSite, updateSha256, cases: scored.value.length, regions };
  await commitCrossEvaluation(store, studyHash, made);
  return { kind: "finished", value: made };
}

async function scoresOfOther(
  shift: Shift,
  directive: Directive,
  { studyHash, round, globalSha256, globalBytes, updateSha256, updateBytes }: CrossEvaluate,
  prepared: PreparedOrder,
): Promise<Worked<readonly CaseScores[]>> {
  if (prepared.data.validationCases.length === 0) return { kind: "finished", value: [] };
  const { precisionBits, encoding } = prepared.study.aggregation;
  const { signal, out } = shift;
  const global = await fetchModel(shift, studyHash, round, globalSha256, Number(globalBytes));
  const transfer = { sha256: updateSha256, studyHash, round, signal };
  const update = await untilReached(shift, () => out.fetch(transfer, Number(updateBytes)));
  const { data } = moveByUpdate(global, update, precisionBits, encoding);
  return scoresOfModel(shift, directive, { studyHash, round }, prepared, data, undefined);
}
