/** What a training session moves: parameters, the optimiser's state and its age, and the feeds that are made of them. */

import type { OptimiserSpec } from "../study/index.ts";
import { STEP, stepScalars } from "../training/index.ts";
import type { FeedTensor } from "./graph-session.ts";

export interface MovedParameters {
  /** Steps taken over the life of the optimiser's state. */
  steps(): number;
  /** Sets where to go on from; the arrays are copied. */
  load(parameters: Float32Array, state: Float32Array | null, stepsTaken: number): void;
  /** The step graph's inputs but for the batch. */
  feeds(learningRate: number): Record<string, FeedTensor>;
  parametersFeed(): FeedTensor;
  /** Takes over what one step gave. */
  moved(results: Readonly<Record<string, Float32Array>>): void;
  parameters(): Float32Array;
  state(): Float32Array;
}

export function createMovedParameters(length: number, stateLength: number, optimiser: OptimiserSpec): MovedParameters {
  let parameters: Float32Array = new Float32Array(length);
  let state: Float32Array = new Float32Array(stateLength);
  let steps = 0;
  const parametersFeed = (): FeedTensor => ({ dtype: "float32", shape: [length], data: parameters });
  return {
    steps: () => steps,
    load(nextParameters, nextState, stepsTaken) {
      parameters = nextParameters.slice();
      state = nextState === null ? new Float32Array(stateLength) : nextState.slice();
      steps = stepsTaken;
    },
    feeds(learningRate) {
      const scalars = stepScalars(optimiser, steps + 1, learningRate);
      return {
        [STEP.parameters]: parametersFeed(),
        [STEP.state]: { dtype: "float32", shape: [stateLength], data: state },
        [STEP.scalars]: { dtype: "float32", shape: [scalars.length], data: scalars },
      };
    },
    parametersFeed,
    moved(results) {
      parameters = results[STEP.nextParameters];
      state = results[STEP.nextState];
      steps++;
    },
    parameters: () => parameters,
    state: () => state,
  };
}
