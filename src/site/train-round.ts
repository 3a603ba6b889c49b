/**
 * One round at a site: from the coordinator's order to the update that is announced.
 *
 * The order of steps is what makes a kill at any point harmless: the state that the round starts from is on disk
 * before the work, update and next moments are on disk before anything is sent, and what is sent again is the same
 * bytes. Nothing of the update depends on which attempt of the round it is for.
 *
 * With patient-level privacy no run of the work gives the bits of another, so that an update is made once for each
 * round: what is on disk is sent again, and the round is never trained from a second model (`beginRound`).
 */
import { encodeUpdate, encodeWithFeedback } from "../aggregation/index.ts";
import { ConsiliumError, canonicalJson, LIMITS, type Sha256 } from "../base/index.ts";
import type { Parameters } from "../graph/index.ts";
import {
  type ClippedUpdate,
  clipSiteUpdate,
  type DpEvent,
  isLossTold,
  ledgerRound,
  type SiteNoise,
  siteNoise,
} from "../privacy/index.ts";
import type { Directive, TrainRound } from "../protocol/index.ts";
import type { LocalWork, TrainRequest, TrainResult } from "../segmentation/index.ts";
import { type Study, stepsOfRound } from "../study/index.ts";
import { evaluationOf } from "./evaluate-model.ts";
import { fetchModel } from "./fetch-model.ts";
import { toldProgress } from "./figures.ts";
import { withLocalFigures } from "./local-figures.ts";
import { maskUpdate } from "./masked-update.ts";
import type { Answer } from "./outgoing.ts";
import { openEngineFor, type PreparedOrder, prepareOrder } from "./prepare-order.ts";
import { type Report, type Shift, say, untilReached, type Worked, withSignsOfLife } from "./shift.ts";
import { floatsOf, keepFloats } from "./site-store.ts";
import { isHeld } from "./study-news.ts";
import {
  beginRound,
  commitUpdate,
  dropUnneededObjects,
  type MadeEvaluation,
  type MadeUpdate,
  type RoundProgress,
  statisticsFor,
} from "./study-progress.ts";
import { compareWithOthers, keepOwnFigures, ownFigures } from "./summed-figures.ts";

/** @throws ConsiliumError `study-not-approved`, `update-wrong-round`, and what training and the link throw. */
export async function trainRound(shift: Shift, directive: Directive, order: TrainRound): Promise<Worked<Answer>> {
  const prepared = await prepareOrder(shift, order.studyHash);
  const { store } = shift.site;
  if (order.round > prepared.study.rounds.count) return closeStudy(shift, directive, order, prepared);
  const begun = await beginRound(store, prepared.study, {
    studyHash: order.studyHash,
    round: order.round,
    globalSha256: order.globalSha256,
    globalBytes: Number(order.globalBytes),
  });
  const trained = await updateOf(shift, directive, order, prepared, begun);
  if (trained.kind === "withdrawn") return trained;
  const made = await withLocalFigures(shift, directive, order, prepared, begun, trained.value);
  if (made.kind === "withdrawn") return made;
  const { study } = prepared;
  if (study.metrics === "summed") return sendSummed(shift, directive, order, prepared, made.value);
  const masked = study.privacy.secureAggregation && (await maskUpdate(shift, order, made.value));
  await dropUnneededObjects(store);
  return sendUpdate(shift, directive, order, {
    ...made.value,
    ...masked,
    ...(!isLossTold(study) && { meanLoss: null }),
  });
}

/** Masks the update with this site's figures behind it, and tells nothing else of them. */
async function sendSummed(
  shift: Shift,
  directive: Directive,
  order: TrainRound,
  prepared: PreparedOrder,
  made: MadeUpdate | undefined,
): Promise<Worked<Answer>> {
  const { study, data } = prepared;
  const { studyHash, round } = order;
  const { store, siteId } = shift.site;
  const compared = await compareWithOthers(store, siteId, studyHash, order.figures);
  if (compared !== undefined) await shift.emit({ kind: "compared", studyHash, ...compared });
  const evaluated = await evaluationBehind(shift, directive, order, prepared);
  if (evaluated.kind === "withdrawn") return evaluated;
  const figures = ownFigures(made, evaluated.value, isLossTold(study));
  await keepOwnFigures(store, studyHash, round, figures);
  const toMask = {
    ...(made && { sha256: made.sha256, clipped: made.clipped }),
    trainingCases: data.trainingCases.length,
    figures,
  };
  const masked = await maskUpdate(shift, order, toMask);
  await dropUnneededObjects(store);
  const quiet = { trainingCases: 0, gradientSteps: 0, clippedCoordinates: 0, meanLoss: null };
  return sendUpdate(shift, directive, order, { runRecord: made?.runRecord ?? "{}", ...quiet, ...masked });
}

/** This site's scores of the model that the round starts from, where they are asked for. */
async function evaluationBehind(
  shift: Shift,
  directive: Directive,
  { studyHash, round, attempt, globalSha256, globalBytes, evaluates }: TrainRound,
  prepared: PreparedOrder,
): Promise<Worked<MadeEvaluation | undefined>> {
  if (!evaluates) return { kind: "finished", value: undefined };
  const model = { studyHash, round: round - 1, attempt, modelSha256: globalSha256, modelBytes: globalBytes };
  return evaluationOf(shift, directive, model, prepared);
}

/**
 * The round after the last: the last model's scores, masked, and no update.
 * @throws ConsiliumError `update-wrong-round` where the study as approved has no such round
 */
async function closeStudy(
  shift: Shift,
  directive: Directive,
  order: TrainRound,
  prepared: PreparedOrder,
): Promise<Worked<Answer>> {
  const { count } = prepared.study.rounds;
  if (prepared.study.metrics === "summed" && order.round === count + 1) {
    return sendSummed(shift, directive, order, prepared, undefined);
  }
  throw new ConsiliumError("update-wrong-round", {
    subject: `study ${order.studyHash.slice(0, 12)}`,
    expected: `one of the ${count} rounds that were approved`,
    actual: `round ${order.round}`,
    hint: "The coordinator asks for more than this site's reviewer approved: nothing was done.",
  });
}

async function updateOf(
  shift: Shift,
  directive: Directive,
  order: TrainRound,
  prepared: PreparedOrder,
  begun: RoundProgress,
): Promise<Worked<MadeUpdate>> {
  const { studyHash, round, attempt } = order;
  if (begun.update !== undefined) {
    await shift.emit({ kind: "resuming", studyHash, round });
    return { kind: "finished", value: begun.update };
  }
  const global = await fetchModel(shift, studyHash, round, begun.globalSha256, begun.globalBytes);
  const { study, data } = prepared;
  const clipNorm = clipNormOf(study, order);
  await payFor(shift, { studyHash, round }, ledgerRound(study, global.data.length, clipNorm));
  const steps = stepsOfRound(study, data.trainingCases.length);
  await shift.emit({ kind: "training", studyHash, round, attempt, steps });
  const begunMs = coordinatorTimeMs(shift);
  let underway: LocalWork | undefined;
  const train = async (report: Report, signal: AbortSignal): Promise<TrainResult> => {
    const work = await openEngineFor(shift, studyHash, prepared);
    signal.throwIfAborted();
    const request: TrainRequest = {
      parameters: global.data.slice(),
      optimiserState: await momentsOf(shift, begun),
      ...(await statisticsFor(shift.site.store, begun, round - 1)),
      stepsTaken: begun.momentsBefore?.stepsTaken ?? 0,
      round,
      steps,
      siteId: shift.site.siteId,
      ...(study.rounds.partialWork && { finishWithinMs: timeForSteps(shift, directive, order, begunMs) }),
    };
    underway = work;
    return work.train(request, ({ done, total, loss }) => {
      const event = { kind: "progress", activity: "training", round, done, total } as const;
      report(...toldProgress(study, done, total), { ...event, ...(loss !== undefined && { loss }) });
    });
  };
  // Its deadline moves with the lead's changes, with pauses, and where the coordinator was away.
  const trained = await withSignsOfLife(shift, directive, "training", train, (now) => {
    if (now.kind.case === "train") underway?.finishWithin(timeForSteps(shift, now, now.kind.value, begunMs));
  });
  if (trained.kind === "withdrawn") {
    await shift.engine.drop();
    return trained;
  }
  const clip = siteNoise(study, global.data.length, clipNorm);
  const update = await keepUpdate(shift, study, global, begun, trained.value, data.trainingCases.length, clip);
  await commitUpdate(shift.site.store, studyHash, begun, update);
  return { kind: "finished", value: update };
}

/**
 * What is left for steps: until the round's deadline, by the coordinator's clock, less a part of the time from their
 * beginning to it, for sending. Paused, a study has no deadline.
 */
function timeForSteps(shift: Shift, directive: Directive, { deadlineMs }: TrainRound, begunMs: number): number {
  if (isHeld(directive)) return Number.POSITIVE_INFINITY;
  const sendingMs = Math.max(0, Number(deadlineMs) - begunMs) * LIMITS.partialWorkSendingShare;
  return Math.max(0, Number(deadlineMs) - sendingMs - coordinatorTimeMs(shift));
}

function coordinatorTimeMs({ clock, coordinatorClock }: Shift): number {
  return clock.nowMs() + coordinatorClock.offsetMs;
}

/**
 * In this hospital's ledger, on disk, before anything is computed: what a round tells about patients.
 * @throws ConsiliumError `privacy-budget-unset`, `privacy-budget-exceeded`, `privacy-work-differs`
 */
async function payFor(
  { ledger, clock }: Shift,
  work: { studyHash: Sha256; round: number },
  event: DpEvent | undefined,
): Promise<void> {
  if (event === undefined) await ledger.noteUnprotected(work, clock.nowMs());
  else await ledger.pay({ ...work, attempt: 0, event }, clock.nowMs());
}

async function keepUpdate(
  shift: Shift,
  study: Study,
  global: Parameters,
  { residualBefore }: RoundProgress,
  trained: TrainResult,
  trainingCases: number,
  clip: SiteNoise | undefined,
): Promise<MadeUpdate> {
  checkLoss(trained.meanLoss);
  const { store } = shift.site;
  const before = residualBefore === undefined ? undefined : await floatsOf(store, residualBefore);
  const { bytes, clippedCoordinates, within, residual } =
    clip === undefined
      ? encoded(study, global, trained.parameters, before)
      : clippedBytes(clipSiteUpdate(global.data, trained.parameters, clip));
  const { optimiserState: moments, runningStatistics: statistics } = trained;
  return {
    sha256: await store.keepObject(bytes),
    bytes: bytes.length,
    trainingCases,
    gradientSteps: trained.steps,
    clippedCoordinates,
    meanLoss: trained.meanLoss,
    runRecord: canonicalJson(trained.runRecord),
    momentsAfter: {
      sha256: await keepFloats(store, moments),
      stepsTaken: trained.stepsTaken,
    },
    ...(residual !== undefined && {
      residualAfter: await keepFloats(store, residual),
    }),
    ...(statistics !== undefined && { statisticsAfter: await keepFloats(store, statistics) }),
    ...(clip !== undefined && within !== undefined && { clipped: { clipNorm: clip.clipNorm, within } }),
  };
}

interface WrittenUpdate {
  readonly bytes: Uint8Array;
  readonly clippedCoordinates: number;
  /** With `privacy.siteLevel`. */
  readonly within?: boolean;
  /** With a short encoding. */
  readonly residual?: Float32Array;
}

function encoded(
  { aggregation: { precisionBits, encoding = "int32" } }: Study,
  global: Parameters,
  parameters: Float32Array,
  before: Float32Array | undefined,
): WrittenUpdate {
  const local: Parameters = { layout: global.layout, data: parameters };
  const { clipped, ...update } = encodeWithFeedback(global, local, { precisionBits, encoding }, before);
  return { ...update, clippedCoordinates: clipped };
}

function clippedBytes({ coordinates, within }: ClippedUpdate): WrittenUpdate {
  return { bytes: encodeUpdate(coordinates), clippedCoordinates: 0, within };
}

/**
 * The round's clip norm: the study's, or where that follows the data the coordinator's, which scales clipping and noise
 * alike.
 * @throws ConsiliumError `message-invalid`
 */
function clipNormOf({ privacy: { siteLevel } }: Study, { round, clipNorm }: TrainRound): number | undefined {
  if (siteLevel?.adaptive === undefined) return siteLevel?.clipNorm;
  if (clipNorm > 0 && Number.isFinite(clipNorm)) return clipNorm;
  throw new ConsiliumError("message-invalid", {
    subject: `order for round ${round}`,
    expected: "a positive clip norm",
    actual: String(clipNorm),
    hint: "Nothing was trained: ask the study lead.",
  });
}

async function momentsOf({ site }: Shift, { momentsBefore }: RoundProgress): Promise<Float32Array | null> {
  if (momentsBefore === null) return null;
  return floatsOf(site.store, momentsBefore.sha256);
}

async function sendUpdate(
  shift: Shift,
  directive: Directive,
  order: TrainRound,
  update: Omit<MadeUpdate, "momentsAfter">,
): Promise<Worked<Answer>> {
  const { studyHash, round, attempt } = order;
  const sent = await withSignsOfLife(shift, directive, "sending", (report, signal) =>
    untilReached(
      shift,
      () =>
        shift.out.sendUpdate({
          sha256: update.sha256,
          studyHash,
          round,
          onProgress: (bytes) => report(Math.floor(bytes / 1024), Math.ceil(update.bytes / 1024)),
          signal,
        }),
      signal,
    ),
  );
  if (sent.kind === "withdrawn") return sent;
  const answer = await say(shift, {
    what: "update announcement",
    studyHash,
    round,
    attempt,
    kind: {
      case: "update",
      value: {
        round,
        attempt,
        updateSha256: update.sha256,
        updateBytes: BigInt(update.bytes),
        trainingCases: update.trainingCases,
        gradientSteps: update.gradientSteps,
        clippedCoordinates: BigInt(update.clippedCoordinates),
        ...(update.meanLoss !== null && { meanLoss: update.meanLoss }),
        runRecord: new TextEncoder().encode(update.runRecord),
        ...(update.local && { local: update.local }),
      },
    },
  });
  const { sha256, bytes, clippedCoordinates, meanLoss } = update;
  await shift.emit({ kind: "update-sent", studyHash, round, sha256, bytes, clippedCoordinates, meanLoss });
  return { kind: "finished", value: answer };
}

function checkLoss(meanLoss: number | null): void {
  if (meanLoss === null || Number.isFinite(meanLoss)) return;
  throw new ConsiliumError("training-diverged", {
    subject: "training at this site",
    expected: "a finite loss",
    actual: String(meanLoss),
    hint: "Nothing was sent. Ask the study lead for a lower learning rate.",
  });
}
