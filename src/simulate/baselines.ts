/**
 * What federated training is measured against: one model trained on all cases pooled, and one at each site alone.
 * A baseline is the same engine with the same optimiser and schedule, without the exchange: it goes through the
 * study's rounds on one set of cases. Pooled training takes as many gradient steps as all sites together, so it
 * sees as many examples; a site alone takes as many as it takes in the federation.
 *
 * A baseline's model is chosen as the federation chooses its own: the round whose model has the best mean Dice on the
 * validation cases, the last round where there are none.
 */

import type { Graph } from "../graph/index.ts";
import {
  type EnginePool,
  EVALUATION,
  type LocalWork,
  type RegionMeans,
  type SiteData,
  stepsOfRound,
  summariseScores,
  type WorkProgress,
} from "../segmentation/index.ts";
import { isEvaluated, type Study } from "../study/index.ts";
import { networkParameters } from "../training/index.ts";

export interface RoundDice {
  readonly round: number;
  readonly dice: RegionMeans;
}

export interface BaselineOptions {
  readonly pool: EnginePool;
  readonly study: Study;
  readonly network: Graph;
  readonly data: SiteData;
  /** Steps in each of the study's rounds. */
  readonly stepsPerRound: number;
  /** Weights to start from, where not the network's own. */
  readonly initial?: Float32Array | undefined;
  /** Steps done of all. */
  readonly onProgress: (progress: WorkProgress) => void;
}

export interface BaselineResult {
  readonly parameters: Float32Array;
  /** The round that the parameters come from. */
  readonly round: number;
  readonly gradientSteps: number;
  /** Mean loss of each round. */
  readonly losses: readonly (number | null)[];
  /** Mean Dice on the validation cases after each round that the study evaluates; empty without such cases. */
  readonly curve: readonly RoundDice[];
}

/** Gradient steps of a round in which the given sites take part. */
export function federationSteps(study: Study, trainingCases: readonly number[]): number {
  return trainingCases.reduce((sum, cases) => sum + stepsOfRound(study, cases), 0);
}

export async function trainOnCases(options: BaselineOptions): Promise<BaselineResult> {
  const { pool, study, network, data, stepsPerRound, onProgress } = options;
  const work = pool.forSite(data);
  let parameters = options.initial ?? networkParameters(network).data;
  let optimiserState: Float32Array | null = null;
  let stepsTaken = 0;
  const losses: (number | null)[] = [];
  const curve: RoundDice[] = [];
  let best: { readonly parameters: Float32Array; readonly round: number; readonly mean: number } | undefined;
  const { count } = study.rounds;
  const total = stepsPerRound * count;
  for (let round = 1; round <= count; round++) {
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
    if (data.validationCases.length === 0 || !isEvaluated(study, round)) continue;
    const dice = await validationDice(work, study, parameters);
    curve.push({ round, dice });
    if (dice.mean !== null && dice.mean > (best?.mean ?? -1)) best = { parameters, round, mean: dice.mean };
  }
  const chosen = best ?? { parameters, round: count };
  return { parameters: chosen.parameters, round: chosen.round, gradientSteps: total, losses, curve };
}

async function validationDice(work: LocalWork, study: Study, parameters: Float32Array): Promise<RegionMeans> {
  const scores = await work.evaluate({ parameters, ...EVALUATION });
  return summariseScores(
    scores.map(({ regions }) => regions),
    Object.keys(study.task.regions),
  ).dice;
}
