/**
 * A training step that is ready to run, with the parameters and optimiser state that it moves. One session is one
 * network at one patch and batch; its memory is the runtime's arena plus three copies of the parameters.
 */
import { ConsiliumError, invariant } from "../base/index.ts";
import type { Graph, ParameterLayout } from "../graph/index.ts";
import { buildTrainingStep, STEP, stepScalars, type TrainingStepOptions } from "../training/index.ts";
import { type FeedTensor, openGraphSession } from "./graph-session.ts";

export interface Batch {
  /** [N, C, ...]; read during the step only. */
  readonly image: Float32Array;
  /** Classes, [N, ...]. */
  readonly labels: Uint8Array;
  /** Where it comes from, for messages. */
  readonly cases?: readonly string[];
}

export interface StepResult {
  /** Mean over the step's batches. */
  readonly loss: number;
  /** [P], of the last batch, where the session was opened with its gradient. */
  readonly gradient?: Float32Array;
  readonly logits?: Float32Array;
}

/** Vectors [P] that a step looks at; copied. */
export interface StepHooks {
  /** Where the proximal term pulls to, instead of the parameters that are loaded. */
  readonly anchor?: Float32Array;
  /** Added to every gradient; zeros at first. */
  readonly controlVariate?: Float32Array;
}

export interface TrainingSession {
  readonly layout: ParameterLayout;
  /** Length of the optimiser's state. */
  readonly stateLength: number;
  /**
   * Sets where to go on from; the arrays are copied. `stepsTaken` is the age of the optimiser's state. The moving
   * average starts anew, at the parameters.
   */
  load(parameters: Float32Array, state: Float32Array | null, stepsTaken: number, hooks?: StepHooks): void;
  /**
   * @param batches as many as the session accumulates.
   * @throws ConsiliumError `training-diverged` for a loss that is no number, `out-of-memory`; with step, batch and cases.
   */
  step(batches: Batch | readonly Batch[], learningRate: number): Promise<StepResult>;
  /** Views of the current values, valid until the next step. */
  parameters(): Float32Array;
  state(): Float32Array;
  /** The moving average of the parameters, or the parameters where there is none. */
  averaged(): Float32Array;
  close(): Promise<void>;
}

export interface TrainingSessionOptions extends TrainingStepOptions {
  readonly threads: number;
}

export async function openTrainingSession(network: Graph, options: TrainingSessionOptions): Promise<TrainingSession> {
  const { graph, update, layout, stateLength, logitsShape } = buildTrainingStep(network, options);
  const session = await openGraphSession(graph, options);
  const updater = update === undefined ? undefined : await openGraphSession(update, options);
  const accumulate = options.accumulate ?? 1;
  const labelsShape = [logitsShape[0], ...logitsShape.slice(2)];
  const fresh = (): Float32Array => new Float32Array(layout.length);
  let [parameters, average, anchor, controlVariate] = [fresh(), fresh(), fresh(), fresh()];
  let state: Float32Array = new Float32Array(stateLength);
  let steps = 0;

  const vector = (data: Float32Array): FeedTensor => ({ dtype: "float32", shape: [data.length], data });
  const batchFeeds = ({ image, labels }: Batch): Record<string, FeedTensor> => ({
    [STEP.image]: { dtype: "float32", shape: options.inputShape, data: image },
    [STEP.labels]: { dtype: "uint8", shape: labelsShape, data: labels },
    [STEP.parameters]: vector(parameters),
  });
  const updateFeeds = (learningRate: number): Record<string, FeedTensor> => ({
    [STEP.state]: vector(state),
    [STEP.scalars]: vector(stepScalars(options.optimiser, steps + 1, learningRate)),
    ...((options.proximal ?? 0) > 0 && { [STEP.anchor]: vector(anchor) }),
    ...(options.controlVariate && { [STEP.controlVariate]: vector(controlVariate) }),
    ...((options.averageDecay ?? 0) > 0 && { [STEP.average]: vector(average) }),
  });
  const moveTo = (results: Record<string, Float32Array>): void => {
    parameters = results[STEP.nextParameters];
    state = results[STEP.nextState];
    average = results[STEP.nextAverage] ?? average;
    steps++;
  };

  return {
    layout,
    stateLength,
    load(nextParameters, nextState, stepsTaken, hooks = {}) {
      parameters = nextParameters.slice();
      state = nextState === null ? new Float32Array(stateLength) : nextState.slice();
      steps = stepsTaken;
      if (options.averageDecay) average = parameters;
      if (options.proximal) anchor = (hooks.anchor ?? nextParameters).slice();
      if (options.controlVariate) controlVariate = (hooks.controlVariate ?? fresh()).slice();
    },
    async step(given, learningRate) {
      const batches = Array.isArray(given) ? (given as readonly Batch[]) : [given as Batch];
      invariant(batches.length === accumulate, `${accumulate} batches for a step`);
      const losses: number[] = [];
      let results: Record<string, Float32Array> = {};
      let sum = updater === undefined ? undefined : fresh();
      for (const [i, batch] of batches.entries()) {
        const where = `step ${steps + 1}, batch ${i + 1} of ${accumulate}${casesOf(batch)}`;
        const rest = sum === undefined ? updateFeeds(learningRate) : { [STEP.gradientSum]: vector(sum) };
        results = await session.run({ ...batchFeeds(batch), ...rest }, where);
        const loss = results[STEP.loss][0];
        if (!Number.isFinite(loss)) throw diverged(loss, where);
        losses.push(loss);
        sum = results[STEP.nextGradientSum];
      }
      const { [STEP.gradient]: gradient, [STEP.logits]: logits } = results;
      if (updater !== undefined && sum !== undefined) {
        const feeds = { [STEP.parameters]: vector(parameters), [STEP.gradientSum]: vector(sum) };
        results = await updater.run({ ...feeds, ...updateFeeds(learningRate) });
      }
      moveTo(results);
      const loss = losses.reduce((total, each) => total + each, 0) / accumulate;
      return { loss, ...(gradient && { gradient }), ...(logits && { logits }) };
    },
    parameters: () => parameters,
    state: () => state,
    averaged: () => (options.averageDecay ? average : parameters),
    async close() {
      await session.close();
      await updater?.close();
    },
  };
}

function casesOf({ cases }: Batch): string {
  return cases === undefined || cases.length === 0 ? "" : ` (${cases.join(", ")})`;
}

function diverged(loss: number, subject: string): ConsiliumError {
  return new ConsiliumError("training-diverged", {
    subject,
    expected: "a finite loss",
    actual: String(loss),
    hint: "Lower the learning rate, and look for intensities out of range in the batch's cases.",
  });
}
