/** Evaluation of a global model on this site's validation cases: what leaves is sums, once the study allows them. */
import type { Directive, EvaluateModel } from "../protocol/index.ts";
import { type CaseScores, EVALUATION } from "../segmentation/index.ts";
import { fetchModel } from "./fetch-model.ts";
import { toldFigures, toldProgress } from "./figures.ts";
import type { Answer } from "./outgoing.ts";
import { openEngineFor, type PreparedOrder, prepareOrder } from "./prepare-order.ts";
import { type Shift, say, type Worked, withSignsOfLife } from "./shift.ts";
import { commitEvaluation, type MadeEvaluation, ownStatisticsOf, readEvaluation } from "./study-progress.ts";

type ModelToEvaluate = Pick<EvaluateModel, "studyHash" | "round" | "modelSha256" | "modelBytes">;

/** @throws ConsiliumError `study-not-approved`, and what the engine and the link throw. */
export async function evaluateModel(shift: Shift, directive: Directive, order: EvaluateModel): Promise<Worked<Answer>> {
  const prepared = await prepareOrder(shift, order.studyHash);
  const made = await evaluationOf(shift, directive, order, prepared);
  if (made.kind === "withdrawn") return made;
  const { studyHash, round, attempt } = order;
  const { modelSha256, cases, regions } = made.value;
  const answer = await say(shift, {
    what: "evaluation figures",
    studyHash,
    round,
    attempt,
    kind: { case: "evaluation", value: { round, attempt, modelSha256, cases, regions } },
  });
  await shift.emit({ kind: "evaluated", studyHash, round, cases, regions });
  return { kind: "finished", value: answer };
}

/** Scores of a model, once made sent or summed again as they are. */
export async function evaluationOf(
  shift: Shift,
  directive: Directive,
  order: ModelToEvaluate,
  prepared: PreparedOrder,
): Promise<Worked<MadeEvaluation>> {
  const { studyHash, round, modelSha256 } = order;
  const { store } = shift.site;
  const kept = await readEvaluation(store, studyHash);
  if (kept?.round === round && kept.modelSha256 === modelSha256) return { kind: "finished", value: kept };
  const scored = await scoresOf(shift, directive, order, prepared);
  if (scored.kind === "withdrawn") return scored;
  const scores = scored.value;
  const regions = toldFigures(prepared.study, scores, prepared.data.validationCases);
  const made = { round, modelSha256, cases: scores.length, regions };
  await commitEvaluation(store, studyHash, made);
  return { kind: "finished", value: made };
}

async function scoresOf(
  shift: Shift,
  directive: Directive,
  order: ModelToEvaluate,
  prepared: PreparedOrder,
): Promise<Worked<readonly CaseScores[]>> {
  if (prepared.data.validationCases.length === 0) return { kind: "finished", value: [] };
  const { studyHash, round, modelSha256, modelBytes } = order;
  const model = await fetchModel(shift, studyHash, round, modelSha256, Number(modelBytes));
  const statistics = await ownStatisticsOf(shift.site.store, studyHash, round);
  return scoresOfModel(shift, directive, order, prepared, model.data, statistics);
}

/**
 * Scores of parameters that are at hand, over this site's validation cases.
 * @param statistics the site's own, in place of the model's.
 */
export async function scoresOfModel(
  shift: Shift,
  directive: Directive,
  { studyHash, round }: Pick<ModelToEvaluate, "studyHash" | "round">,
  prepared: PreparedOrder,
  parameters: Float32Array,
  statistics: Float32Array | undefined,
): Promise<Worked<readonly CaseScores[]>> {
  if (prepared.data.validationCases.length === 0) return { kind: "finished", value: [] };
  const scored = await withSignsOfLife(shift, directive, "evaluating", async (report, signal) => {
    const work = await openEngineFor(shift, studyHash, prepared);
    signal.throwIfAborted();
    return work.evaluate(
      { parameters, ...(statistics && { runningStatistics: statistics }), ...EVALUATION },
      ({ done, total }) => {
        const event = { kind: "progress", activity: "evaluating", round, done, total } as const;
        report(...toldProgress(prepared.study, done, total), event);
      },
    );
  });
  if (scored.kind === "withdrawn") await shift.engine.drop();
  return scored;
}
