/**
 * What a site does with its data: trains the global model on its training cases, evaluates a model on its validation
 * cases, and tallies both for the study's statistics. The messages here pass between a site and the engine that runs in
 * a worker thread.
 */
import type { Json } from "../base/index.ts";
import type { CaseFiles, LabelConvention } from "../imaging/index.ts";
import type { CaseTally } from "./case-tally.ts";
import type { RegionScores } from "./metrics.ts";

export interface TrainRequest {
  /** The global model, [P] in the layout's order, and behind it what the study lets travel with it. */
  readonly parameters: Float32Array;
  /** The optimiser's state after this site's last round, and behind it the site's control variate; null at first. */
  readonly optimiserState: Float32Array | null;
  /** With `training.runningStatistics: local`: the site's own after its last round, in place of the model's. */
  readonly runningStatistics?: Float32Array;
  /** Gradient steps that made the optimiser's state; 0 where it is null. */
  readonly stepsTaken: number;
  /** Counted from 1. */
  readonly round: number;
  /** Gradient steps to take now. */
  readonly steps: number;
  /** With `rounds.partialWork`: how long from now until the steps that are not taken are left. */
  readonly finishWithinMs?: number;
  /** Part of the seed of every patch, so that sites and runs draw their own. */
  readonly siteId: string;
}

export interface TrainResult {
  readonly parameters: Float32Array;
  readonly optimiserState: Float32Array;
  /** With `training.runningStatistics: local`: the site's own, which `parameters` do not hold. */
  readonly runningStatistics?: Float32Array;
  readonly stepsTaken: number;
  /** Mean over the steps; null where private training met nobody in any of them. */
  readonly meanLoss: number | null;
  /** Gradient steps that were taken: fewer than asked for where time ran out. */
  readonly steps: number;
  readonly runRecord: Json;
}

export interface EvaluateRequest {
  readonly parameters: Float32Array;
  /** Running statistics in place of the model's, in the layout's order. */
  readonly runningStatistics?: Float32Array;
  /** Share of a window that the next one covers again. */
  readonly overlap: number;
}

/** How a round's model is evaluated: on the grid that the case came in, with windows that overlap by a quarter. */
export const EVALUATION = { overlap: 0.25 } as const;

export interface CaseScores {
  readonly caseId: string;
  readonly regions: Readonly<Record<string, RegionScores>>;
}

export interface WorkProgress {
  readonly done: number;
  readonly total: number;
  /** Loss of the last step, in training. */
  readonly loss?: number;
}

export interface SiteData {
  readonly siteId: string;
  readonly trainingCases: readonly CaseFiles[];
  readonly validationCases: readonly CaseFiles[];
  readonly convention: LabelConvention;
}

/** One site's engine. Requests are answered one after another, in their order. */
export interface LocalWork {
  /**
   * The same request gives the same bits under the same run record, whatever ran before; with patient-level privacy
   * it gives other bits each time.
   */
  train(request: TrainRequest, onProgress?: (progress: WorkProgress) => void): Promise<TrainResult>;
  /** Another `finishWithinMs`, from now, for the steps underway; nothing where there are none, or they had none. */
  finishWithin(ms: number): void;
  /** Scores of the validation cases, in their order. */
  evaluate(request: EvaluateRequest, onProgress?: (progress: WorkProgress) => void): Promise<readonly CaseScores[]>;
  /** What each case, training and validation, adds to the study's statistics, in the order of their ids. */
  tally(onProgress?: (progress: WorkProgress) => void): Promise<readonly CaseTally[]>;
  close(): Promise<void>;
}
