/**
 * Statistics of this site's data for a study that declares them: tallied once, kept under `study/<hash>/statistics`
 * before they are sent, and sent again as they are after any crash. What too few patients define never gets there, and
 * signs of life tell hundredths: the number of cases may be withheld.
 */
import type { DataStatistics } from "../aggregation/index.ts";
import { ConsiliumError, canonicalJson, type Json, type Sha256 } from "../base/index.ts";
import type { Directive, SurveyData } from "../protocol/index.ts";
import type { CaseTally } from "../segmentation/index.ts";
import type { StatisticsSpec, Study } from "../study/index.ts";
import { inHundredths } from "./figures.ts";
import type { Answer } from "./outgoing.ts";
import { openEngineFor, type PreparedOrder, prepareOrder } from "./prepare-order.ts";
import { type Shift, say, type Worked, withSignsOfLife } from "./shift.ts";
import { commitStatistics, readStatistics } from "./study-progress.ts";
import { toldStatistics } from "./told-statistics.ts";

/** @throws ConsiliumError `study-not-approved` for a study that declares no statistics too; what the engine throws */
export async function surveyData(shift: Shift, directive: Directive, order: SurveyData): Promise<Worked<Answer>> {
  const { studyHash, attempt } = order;
  const prepared = await prepareOrder(shift, studyHash);
  const spec = approvedStatistics(prepared.study, studyHash);
  const made = await statisticsOf(shift, directive, studyHash, prepared, spec);
  if (made.kind === "withdrawn") return made;
  const figures = new Uint8Array(Buffer.from(canonicalJson(made.value as unknown as Json), "utf8"));
  const answer = await say(shift, {
    what: "statistics",
    studyHash,
    round: 0,
    attempt,
    kind: { case: "statistics", value: { attempt, figures } },
  });
  await shift.emit({ kind: "statistics-sent", studyHash, cases: made.value.cases });
  return { kind: "finished", value: answer };
}

function approvedStatistics({ statistics }: Study, studyHash: Sha256): StatisticsSpec {
  if (statistics !== undefined) return statistics;
  throw new ConsiliumError("study-not-approved", {
    subject: `study ${studyHash.slice(0, 12)}, statistics`,
    expected: "an order for what this site's reviewer approved",
    actual: "one for statistics, which the study does not declare",
    hint: "Ask the study lead for a study that declares them.",
  });
}

async function statisticsOf(
  shift: Shift,
  directive: Directive,
  studyHash: Sha256,
  prepared: PreparedOrder,
  spec: StatisticsSpec,
): Promise<Worked<DataStatistics>> {
  const { store } = shift.site;
  const kept = await readStatistics(store, studyHash);
  if (kept !== undefined) return { kind: "finished", value: kept };
  const tallied = await talliesOf(shift, directive, studyHash, prepared);
  if (tallied.kind === "withdrawn") return tallied;
  const { trainingCases, validationCases } = prepared.data;
  const told = toldStatistics(prepared.study, spec, tallied.value, [...trainingCases, ...validationCases]);
  await commitStatistics(store, studyHash, told);
  return { kind: "finished", value: told };
}

async function talliesOf(
  shift: Shift,
  directive: Directive,
  studyHash: Sha256,
  prepared: PreparedOrder,
): Promise<Worked<readonly CaseTally[]>> {
  const tallied = await withSignsOfLife(shift, directive, "surveying", async (report, signal) => {
    const work = await openEngineFor(shift, studyHash, prepared);
    signal.throwIfAborted();
    return work.tally(({ done, total }) => {
      const event = { kind: "progress", activity: "surveying", round: 0, done, total } as const;
      report(...inHundredths(done, total), event);
    });
  });
  if (tallied.kind === "withdrawn") await shift.engine.drop();
  return tallied;
}
