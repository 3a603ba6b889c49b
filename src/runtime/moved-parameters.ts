/** What a training session moves: parameters, the optimiser's state and its age, and the feeds that are made of them. */
import type { SeedPath } from "../base/index.ts";
import { bufferValues, type ParameterLayout, setBufferValues } from "../graph/index.ts";
import { type OptimiserStepOptions, STEP, stepScalars } from "../training/index.ts";
import type { FeedTensor } from "./graph-session.ts";

/** What a step looks at beside the batch; vectors [P] are copied. */
export interface StepHooks {
  /** Where draws of dropped values begin, for networks that drop some. */
  readonly dropoutSeed?: SeedPath;
  /** Where the proximal term pulls to, instead of the parameters that are loaded. */
  readonly anchor?: Float32Array;
  /** Added to every gradient; zeros if not given. */
  readonly controlVariate?: Float32Array;
}

export interface MovedParameters {
  /** Steps taken over the life of the optimiser's state. */
  steps(): number;
  /** Sets where to go on from, before the first step; the arrays are copied. The moving average starts anew, at the parameters. */
  load(parameters: Float32Array, state: Float32Array | null, stepsTaken: number, hooks?: StepHooks): void;
  /** The step graph's inputs but for the batch. */
  feeds(learningRate: number): Record<string, FeedTensor>;
  parametersFeed(): FeedTensor;
  /** Takes over what one step gave. */
  moved(results: Readonly<Record<string, Float32Array>>): void;
  /** Takes over the buffers that one forward pass gave, if any. */
  passed(results: Readonly<Record<string, Float32Array>>): void;
  parameters(): Float32Array;
  state(): Float32Array;
  /** The moving average of the parameters, or the parameters where there is none; buffers are as they are. */
  averaged(): Float32Array;
}

export function createMovedParameters(
  layout: ParameterLayout,
  stateLength: number,
  { optimiser, proximal = 0, controlVariate = false, averageDecay = 0 }: OptimiserStepOptions,
): MovedParameters {
  const none: Float32Array = new Float32Array();
  let [parameters, state, average, anchor, correction] = [none, none, none, none, none];
  let steps = 0;
  const vector = (data: Float32Array): FeedTensor => ({ dtype: "float32", shape: [data.length], data });
  return {
    steps: () => steps,
    load(nextParameters, nextState, stepsTaken, hooks = {}) {
      parameters = nextParameters.slice();
      state = nextState === null ? new Float32Array(stateLength) : nextState.slice();
      steps = stepsTaken;
      average = parameters;
      if (proximal > 0) anchor = hooks.anchor?.slice() ?? parameters;
      if (controlVariate) correction = hooks.controlVariate?.slice() ?? new Float32Array(layout.length);
    },
    feeds: (learningRate) => ({
      [STEP.parameters]: vector(parameters),
      [STEP.state]: vector(state),
      [STEP.scalars]: vector(stepScalars(optimiser, steps + 1, learningRate)),
      ...(proximal > 0 && { [STEP.anchor]: vector(anchor) }),
      ...(controlVariate && { [STEP.controlVariate]: vector(correction) }),
      ...(averageDecay > 0 && { [STEP.average]: vector(average) }),
    }),
    parametersFeed: () => vector(parameters),
    moved(results) {
      const values = results[STEP.nextBuffers] ?? bufferValues(layout, parameters);
      parameters = results[STEP.nextParameters];
      state = results[STEP.nextState];
      average = results[STEP.nextAverage] ?? parameters;
      for (const target of new Set([parameters, average])) setBufferValues(layout, target, values);
      steps++;
    },
    passed(results) {
      const values = results[STEP.nextBuffers];
      if (values !== undefined) setBufferValues(layout, parameters, values);
    },
    parameters: () => parameters,
    state: () => state,
    averaged: () => average,
  };
}
