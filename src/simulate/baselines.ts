/**
 * What federated training is measured against: one model trained on all cases pooled, and one at each site alone.
 * A baseline is the same engine with the same optimiser and schedule, without the exchange: it goes through the
 * study's rounds on one set of cases. Pooled training takes as many gradient steps as all sites together, so it
 * sees as many examples; a site alone takes as many as it takes in the federation.
 */

import type { Graph } from "../graph/index.ts";
import { type EnginePool, type SiteData, stepsOfRound, type WorkProgress } from "../segmentation/index.ts";
import type { Study } from "../study/index.ts";
import { networkParameters } from "../training/index.ts";

export interface BaselineResult {
  readonly parameters: Float32Array;
  readonly gradientSteps: number;
  /** Mean loss of each round. */
  readonly losses: readonly number[];
}

/** Gradient steps of a round in which the given sites take part. */
export function federationSteps(study: Study, trainingCases: readonly number[]): number {
  return trainingCases.reduce((sum, cases) => sum + stepsOfRound(study, cases), 0);
}

/**
 * @param stepsPerRound steps in each of the study's rounds.
 * @param onProgress steps done of all.
 */
export async function trainOnCases(
  pool: EnginePool,
  study: Study,
  network: Graph,
  data: SiteData,
  stepsPerRound: number,
  onProgress: (progress: WorkProgress) => void,
  initial?: Float32Array,
): Promise<BaselineResult> {
  const work = pool.forSite(data);
  let parameters = initial ?? networkParameters(network).data;
  let optimiserState: Float32Array | null = null;
  let stepsTaken = 0;
  const losses: number[] = [];
  const total = stepsPerRound * study.rounds.count;
  for (let round = 1; round <= study.rounds.count; round++) {
    const reset = study.training.optimiserState === "reset";
    const before = (round - 1) * stepsPerRound;
    const result = await work.train(
      {
        parameters,
        optimiserState: reset ? null : optimiserState,
        stepsTaken: reset ? 0 : stepsTaken,
        round,
        steps: stepsPerRound,
        siteId: data.siteId,
      },
      ({ done, loss }) => onProgress({ done: before + done, total, ...(loss !== undefined && { loss }) }),
    );
    ({ parameters, optimiserState, stepsTaken } = result);
    losses.push(result.meanLoss);
  }
  return { parameters, gradientSteps: total, losses };
}
