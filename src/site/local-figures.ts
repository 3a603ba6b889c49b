/**
 * Scores of the model that a round starts from and of this site's own after training, on the same validation cases: what
 * training changed here, before others' updates are mixed in.
 *
 * Invariant: the site's own model is the one that leaves it, which the global model and the update on disk give; a site
 * that was killed between training and scoring needs to train nothing again, and scores the same bits. An update that is
 * made never waits for scores that cannot be: it leaves without them.
 */
import { moveByUpdate } from "../aggregation/index.ts";
import type { ConsiliumError } from "../base/index.ts";
import type { Parameters } from "../graph/index.ts";
import type { Directive, TrainRound } from "../protocol/index.ts";
import type { Study } from "../study/index.ts";
import { evaluationOf, scoresOfModel } from "./evaluate-model.ts";
import { fetchModel } from "./fetch-model.ts";
import { toldFigures } from "./figures.ts";
import type { PreparedOrder } from "./prepare-order.ts";
import { endsTheShift, type Shift, type Worked } from "./shift.ts";
import { commitUpdate, type MadeUpdate, type RoundProgress, statisticsFor } from "./study-progress.ts";

/** The update with its scores, on disk, where the study asks for them and they can be made; the update as it is otherwise. */
export async function withLocalFigures(
  shift: Shift,
  directive: Directive,
  order: TrainRound,
  prepared: PreparedOrder,
  begun: RoundProgress,
  made: MadeUpdate,
): Promise<Worked<MadeUpdate>> {
  const { study, data } = prepared;
  const asked = study.rounds.evaluateLocal === true && data.validationCases.length > 0;
  if (!asked || made.local !== undefined) return { kind: "finished", value: made };
  try {
    return await scored(shift, directive, order, prepared, begun, made);
  } catch (error) {
    shift.signal.throwIfAborted();
    if (endsTheShift(error)) throw error;
    await shift.engine.drop();
    const { studyHash, round } = order;
    await shift.emit({ kind: "own-not-evaluated", studyHash, round, error: error as ConsiliumError });
    return { kind: "finished", value: made };
  }
}

async function scored(
  shift: Shift,
  directive: Directive,
  order: TrainRound,
  prepared: PreparedOrder,
  begun: RoundProgress,
  made: MadeUpdate,
): Promise<Worked<MadeUpdate>> {
  const { study, data } = prepared;
  const { studyHash, round, attempt, globalSha256, globalBytes } = order;
  const incoming = { studyHash, round: round - 1, attempt, modelSha256: globalSha256, modelBytes: globalBytes };
  const before = await evaluationOf(shift, directive, incoming, prepared);
  if (before.kind === "withdrawn") return before;
  const global = await fetchModel(shift, studyHash, round, begun.globalSha256, begun.globalBytes);
  const own = await ownModel(shift, study, global, made);
  const { runningStatistics: statistics } = await statisticsFor(shift.site.store, { ...begun, update: made }, round);
  const after = await scoresOfModel(shift, directive, { studyHash, round }, prepared, own.data, statistics);
  if (after.kind === "withdrawn") return after;
  const { cases, regions } = before.value;
  const local = { cases, before: regions, after: toldFigures(study, after.value, data.validationCases) };
  const update = { ...made, local };
  await commitUpdate(shift.site.store, studyHash, begun, update);
  await shift.emit({ kind: "evaluated-own", studyHash, round, ...local });
  return { kind: "finished", value: update };
}

async function ownModel({ site }: Shift, study: Study, global: Parameters, made: MadeUpdate): Promise<Parameters> {
  const { precisionBits, encoding } = study.aggregation;
  return moveByUpdate(global, await site.store.object(made.sha256), precisionBits, encoding);
}
