/**
 * What federated training is measured against: one model trained on all cases pooled, and one at each site alone.
 * A baseline is the same engine with the same optimiser and schedule, without the exchange: it goes through the
 * study's rounds on one set of cases. Pooled training takes as many gradient steps as all sites together, so it
 * sees as many examples; a site alone takes as many as it takes in the federation, in the rounds that it is drawn for.
 *
 * A baseline's model is chosen as the federation chooses its own: the round whose model has the best mean Dice on the
 * validation cases, the last round where there are none.
 */

import type { Json } from "../base/index.ts";
import type { Graph } from "../graph/index.ts";
import {
  type EnginePool,
  EVALUATION,
  type LocalWork,
  type RegionMeans,
  type SiteData,
  summariseScores,
  type WorkProgress,
  withRunningStatistics,
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
  /** Steps in each of the study's rounds, the first one first; none where it is not its turn. */
  readonly stepsOfRounds: readonly number[];
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
  /** Mean loss of each round; null in one without steps. */
  readonly losses: readonly (number | null)[];
  /** What the bits depend on, as the engine told it of its last round; null without steps. */
  readonly runRecord: Json | null;
  /** Mean Dice on the validation cases after each round that the study evaluates; empty without such cases. */
  readonly curve: readonly RoundDice[];
}

export async function trainOnCases(options: BaselineOptions): Promise<BaselineResult> {
  const { pool, study, network, data, stepsOfRounds, onProgress } = options;
  const work = pool.forSite(data);
  const own = networkParameters(network);
  const { layout } = own;
  let parameters = options.initial ?? own.data;
  let optimiserState: Float32Array | null = null;
  let stepsTaken = 0;
  const losses: (number | null)[] = [];
  let runRecord: Json | null = null;
  const curve: RoundDice[] = [];
  let best: { readonly parameters: Float32Array; readonly round: number; readonly mean: number } | undefined;
  const total = stepsOfRounds.reduce((sum, steps) => sum + steps, 0);
  let before = 0;
  /** Of the model as it is; rounds without steps leave it so. */
  let measured: RegionMeans | undefined;
  for (const [i, steps] of stepsOfRounds.entries()) {
    const round = i + 1;
    if (steps > 0) {
      const result = await work.train(
        {
          parameters,
          optimiserState,
          stepsTaken,
          round,
          steps,
          siteId: data.siteId,
        },
        ({ done, loss }) => onProgress({ done: before + done, total, ...(loss !== undefined && { loss }) }),
      );
      ({ optimiserState, stepsTaken, runRecord } = result);
      // One set of cases is one site: its model is the one with its own statistics.
      parameters = withRunningStatistics(layout, result.parameters, result.runningStatistics);
      before += steps;
      measured = undefined;
      losses.push(result.meanLoss);
    } else losses.push(null);
    if (data.validationCases.length === 0 || !isEvaluated(study, round, stepsOfRounds.length)) continue;
    measured ??= await validationDice(work, study, parameters);
    const dice = measured;
    curve.push({ round, dice });
    if (dice.mean !== null && dice.mean > (best?.mean ?? -1)) best = { parameters, round, mean: dice.mean };
  }
  const chosen = best ?? { parameters, round: stepsOfRounds.length };
  return { parameters: chosen.parameters, round: chosen.round, gradientSteps: total, losses, runRecord, curve };
}

async function validationDice(work: LocalWork, study: Study, parameters: Float32Array): Promise<RegionMeans> {
  const scores = await work.evaluate({ parameters, ...EVALUATION });
  return summariseScores(
    scores.map(({ regions }) => regions),
    Object.keys(study.task.regions),
  ).dice;
}
