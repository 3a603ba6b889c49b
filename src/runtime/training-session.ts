/**
 * A training step that is ready to run, with the parameters and optimiser state that it moves. One session is one
 * network at one patch and batch; its memory is the runtime's arena plus three copies of the parameters.
 */
import { invariant } from "../base/index.ts";
import type { Graph, ParameterLayout } from "../graph/index.ts";
import { buildTrainingStep, STEP, type TrainingStepOptions } from "../training/index.ts";
import { createDropoutMasks } from "./dropout-masks.ts";
import { openGradientSession } from "./gradient-session.ts";
import { openGraphSession, type SessionOptions } from "./graph-session.ts";
import { createMovedParameters, type MovedParameters } from "./moved-parameters.ts";
import { type Batch, checkLoss, describeBatch } from "./training-batch.ts";

export interface StepResult {
  /** Mean over the step's batches. */
  readonly loss: number;
  /** [P], where the session was opened with its gradient. */
  readonly gradient?: Float32Array;
  readonly logits?: Float32Array;
}

export interface TrainingSession extends Pick<MovedParameters, "load" | "parameters" | "state" | "averaged"> {
  readonly layout: ParameterLayout;
  /** Length of the optimiser's state. */
  readonly stateLength: number;
  /**
   * @param batches as many as the session accumulates; one by itself, or in a list.
   * @throws ConsiliumError `training-diverged` for a loss that is no number, `out-of-memory`; with step, batch and cases.
   */
  step(batches: Batch | readonly Batch[], learningRate: number): Promise<StepResult>;
  close(): Promise<void>;
}

export interface TrainingSessionOptions extends TrainingStepOptions, SessionOptions {
  /** Batches whose mean gradient makes one step; gradients and logits are handed out of a single one only. */
  readonly accumulate?: number;
}

export async function openTrainingSession(network: Graph, options: TrainingSessionOptions): Promise<TrainingSession> {
  if ((options.accumulate ?? 1) > 1) return openAccumulatingSession(network, options, options.accumulate ?? 1);
  const { graph, layout, stateLength, logitsShape, dropouts } = buildTrainingStep(network, options);
  const session = await openGraphSession(graph, options);
  const labelsShape = [logitsShape[0], ...logitsShape.slice(2)];
  const moving = createMovedParameters(layout, stateLength, options);
  const masks = createDropoutMasks(dropouts);
  const { parameters, state, averaged } = moving;
  return {
    layout,
    stateLength,
    load(next, nextState, stepsTaken, hooks) {
      moving.load(next, nextState, stepsTaken, hooks);
      masks.load(hooks?.dropoutSeed ?? []);
    },
    async step(batches, learningRate) {
      const [batch] = listOf(batches, 1);
      const where = describeBatch(moving.steps() + 1, 1, batch);
      const feeds = {
        [STEP.image]: { dtype: "float32", shape: options.inputShape, data: batch.image },
        [STEP.labels]: { dtype: "uint8", shape: labelsShape, data: batch.labels },
        ...moving.feeds(learningRate),
        ...masks.next(),
      } as const;
      const results = await session.run(feeds, where);
      const loss = results[STEP.loss][0];
      checkLoss(loss, where);
      moving.moved(results);
      const gradient = results[STEP.gradient];
      const logits = results[STEP.logits];
      return { loss, ...(gradient && { gradient }), ...(logits && { logits }) };
    },
    parameters,
    state,
    averaged,
    close: () => session.close(),
  };
}

async function openAccumulatingSession(
  network: Graph,
  options: TrainingSessionOptions,
  accumulate: number,
): Promise<TrainingSession> {
  const { gradient: gradientOf, apply, ...session } = await openGradientSession(network, options);
  return {
    ...session,
    async step(batches, learningRate) {
      const sum = new Float32Array(session.layout.length);
      let losses = 0;
      for (const [i, batch] of listOf(batches, accumulate).entries()) {
        const { loss, gradient } = await gradientOf(batch, i + 1);
        for (let j = 0; j < sum.length; j++) sum[j] += gradient[j] / accumulate;
        losses += loss;
      }
      await apply(sum, learningRate);
      return { loss: losses / accumulate };
    },
  };
}

function listOf(batches: Batch | readonly Batch[], count: number): readonly Batch[] {
  const list = Array.isArray(batches) ? (batches as readonly Batch[]) : [batches as Batch];
  invariant(list.length === count, `${count} batches for a step`);
  return list;
}
