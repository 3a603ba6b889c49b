/**
 * The batches of a gradient step: which cases are cut, in which order, and from which seeds. Every patch has a seed of
 * its own, named by site, round, step and item, so whoever draws it, and whenever, draws the same bits.
 */
import { createRandom } from "../base/index.ts";
import { itemsPerStep, type Study } from "../study/index.ts";
import type { CaseStore } from "./case-store.ts";
import type { SiteData, TrainRequest } from "./local-work.ts";
import { drawPatch, patchSettings } from "./patches.ts";

export interface PatchBatch {
  /** [N, C, D, H, W]. */
  readonly image: Float32Array<ArrayBuffer>;
  /** [N, D, H, W]. */
  readonly labels: Uint8Array<ArrayBuffer>;
  readonly cases: string[];
}

/** The part of a request that says which patches are drawn. */
export type PatchRequest = Pick<TrainRequest, "round" | "steps" | "siteId">;

/** Room for the batches of one step. */
export function emptyBatches({ task, training }: Study): PatchBatch[] {
  const voxels = training.batch * training.patch.reduce((product, side) => product * side, 1);
  return Array.from({ length: training.accumulate }, () => ({
    image: new Float32Array(task.channels.length * voxels),
    labels: new Uint8Array(voxels),
    cases: [],
  }));
}

/** Writes the batches of one step, counted from 0, into `batches`. */
export async function drawBatches(
  store: CaseStore,
  study: Study,
  site: SiteData,
  request: PatchRequest,
  step: number,
  batches: readonly PatchBatch[],
): Promise<void> {
  const { batch: size, seed, patch } = study.training;
  const voxels = patch.reduce((product, side) => product * side, 1);
  const values = study.task.channels.length * voxels;
  for (const [part, batch] of batches.entries()) {
    for (let place = 0; place < size; place++) {
      const item = part * size + place;
      const files = caseOfItem(site, study, request, step * itemsPerStep(study) + item);
      const source = await store.training(files, site.convention);
      drawPatch(
        source,
        patchSettings(study),
        [seed, "patch", request.siteId, request.round, step, item],
        batch.image.subarray(place * values, (place + 1) * values),
        batch.labels.subarray(place * voxels, (place + 1) * voxels),
      );
      batch.cases[place] = files.id;
    }
  }
}

/** Items run through all cases in a new order each time, across rounds. */
function caseOfItem(
  { trainingCases }: SiteData,
  study: Study,
  request: PatchRequest,
  item: number,
): SiteData["trainingCases"][number] {
  const count = trainingCases.length;
  const before = (request.round - 1) * request.steps * itemsPerStep(study);
  const epoch = Math.floor((before + item) / count);
  const order = createRandom(study.training.seed, "order", request.siteId, epoch).shuffled(trainingCases);
  return order[(before + item) % count];
}
