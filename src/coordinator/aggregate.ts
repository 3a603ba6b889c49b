/**
 * The closed round's updates become the next global model: read from the object store stretch by stretch, summed
 * exactly, stored under the new model's digest, told to the state machine as an event.
 *
 * Repeatable: the same updates give the same bytes, so a coordinator that was killed here does it again.
 */
import { type AggregatedRound, aggregateRound, type UpdateSource } from "../aggregation/index.ts";
import { invariant } from "../base/index.ts";
import { type Parameters, parametersFromSafetensors, parametersToSafetensors } from "../graph/index.ts";
import {
  aggregateMasked,
  clipNormAfter,
  decodeFigures,
  openMasks,
  siteNoise,
  sumMaskedFigures,
} from "../privacy/index.ts";
import type { RoundAggregated } from "./events.ts";
import {
  clipNormOf,
  figureCount,
  isClosing,
  isSummed,
  largestWeight,
  type MaskingText,
  maskingOf,
  scoreWords,
} from "./masked-round.ts";
import type { ObjectStore } from "./object-store.ts";
import type { StudyRecord, UpdateRecord } from "./records.ts";
import { updateWeight, weightUnit } from "./round-weights.ts";
import type { CoordinatorState } from "./state.ts";

/** @throws ConsiliumError `object-missing`, `object-corrupt`, `aggregation-overflow`, `disk-full` */
export async function aggregate(state: CoordinatorState, store: ObjectStore): Promise<Omit<RoundAggregated, "atMs">> {
  const { phase } = state;
  invariant(phase.kind === "aggregating", "a round that is closed");
  await Promise.all(Object.entries(phase.updates).map(([siteId, { sha256 }]) => store.accept(siteId, sha256)));
  const { model, ...rest } = await sumUpdates(state, store);
  return { kind: "round-aggregated", round: phase.round, model: await store.put(model), ...rest };
}

/** The new model's file, and what each site counted for. */
export interface SummedRound extends Pick<RoundAggregated, "totalWeight" | "shares" | "figures" | "clipNorm"> {
  readonly model: Uint8Array;
}

/** The sum alone, from objects that were accepted; changes nothing. @throws as `aggregate` */
export async function sumUpdates(state: CoordinatorState, store: ObjectStore): Promise<SummedRound> {
  const { phase, study } = state;
  invariant(phase.kind === "aggregating" && study !== null, "a round that is closed");
  const { precisionBits, encoding } = study.study.aggregation;
  const sites = Object.keys(phase.updates).sort();
  const global = parametersFromSafetensors(
    await store.readWhole(phase.global.sha256),
    `global model of round ${phase.round}`,
  );
  const unit = weightUnit(study.study, Object.values(phase.updates));
  const updates = sites.map((siteId) => {
    const update = phase.updates[siteId];
    return storedUpdate(store, siteId, update, updateWeight(study.study, update, unit));
  });
  const sum: AggregatedRound & Pick<SummedRound, "figures" | "clipNorm"> =
    phase.masking === undefined
      ? await aggregateRound({ global, updates, precisionBits, encoding })
      : await unmask({ study, round: phase.round, masking: phase.masking, global, inputs: updates });
  const { parameters, totalWeight, shares, figures, clipNorm } = sum;
  const more = { ...(figures && { figures }), ...(clipNorm !== undefined && { clipNorm }) };
  return { model: parametersToSafetensors(parameters), totalWeight, shares, ...more };
}

interface ToUnmask {
  readonly study: StudyRecord;
  readonly round: number;
  readonly masking: MaskingText;
  readonly global: Parameters;
  readonly inputs: readonly UpdateSource[];
}

/** The sum of masked updates, opened by what the survivors revealed; after the last round, of their figures alone. */
async function unmask({
  study,
  round,
  masking: text,
  global,
  inputs,
}: ToUnmask): Promise<AggregatedRound & Pick<SummedRound, "figures" | "clipNorm">> {
  const masking = maskingOf(text);
  invariant(masking.kind === "reveals", "a masked round whose survivors revealed their shares");
  const { masks } = await openMasks(masking);
  const { precisionBits } = study.study.aggregation;
  const layout = { precisionBits, sites: study.roster.length, maxWeight: largestWeight(study) };
  const areWeightsTold = !isSummed(study);
  const request = { inputs, masks, figures: figureCount(study), areWeightsTold, ...layout };
  const regions = Object.keys(study.study.task.regions);
  if (isClosing(study, round)) {
    const { totalWeight, figures } = await sumMaskedFigures(request);
    return { parameters: global, totalWeight, shares: [], figures: decodeFigures(regions, figures) };
  }
  const clipNorm = clipNormOf(study);
  const stepSize = siteNoise(study.study, study.parameterCount, clipNorm)?.stepSize;
  const { figures, ...sum } = await aggregateMasked({ global, stepSize, ...request });
  const followed = study.study.privacy.siteLevel?.adaptive !== undefined && clipNorm !== undefined;
  return {
    ...sum,
    ...(isSummed(study) && { figures: decodeFigures(regions, figures) }),
    ...(followed && { clipNorm: clipNormAfter(study.study, clipNorm, figures[scoreWords(study)], inputs.length) }),
  };
}

function storedUpdate(store: ObjectStore, siteId: string, update: UpdateRecord, weight: number): UpdateSource {
  const { sha256, bytes } = update;
  return {
    siteId,
    weight,
    bytes,
    sha256,
    read: (start, into) => store.read(sha256, start, into),
  };
}
