/**
 * A training step in two halves, for work that must see single gradients before they move the network: the gradient
 * at the present parameters, as often as wanted, and the optimiser's step by a gradient that the caller made of them.
 */
import type { Graph, ParameterLayout } from "../graph/index.ts";
import { buildGradientStep, buildOptimiserStep, STEP, type TrainingStepOptions } from "../training/index.ts";
import { createDropoutMasks } from "./dropout-masks.ts";
import { openGraphSession, type SessionOptions } from "./graph-session.ts";
import { createMovedParameters, type MovedParameters } from "./moved-parameters.ts";
import { type Batch, checkLoss, describeBatch } from "./training-batch.ts";

export interface GradientSession extends Pick<MovedParameters, "load" | "parameters" | "state" | "averaged"> {
  readonly layout: ParameterLayout;
  /** Length of the optimiser's state. */
  readonly stateLength: number;
  /**
   * Loss and its gradient [P] at the present parameters, which stay; buffers move with every pass.
   * @param number of the batch within its step, for messages; counted from 1.
   * @throws ConsiliumError `training-diverged`, `out-of-memory`
   */
  gradient(batch: Batch, number?: number): Promise<{ readonly loss: number; readonly gradient: Float32Array }>;
  /** Moves parameters and state by a gradient [P]. */
  apply(gradient: Float32Array, learningRate: number): Promise<void>;
  close(): Promise<void>;
}

export async function openGradientSession(
  network: Graph,
  options: Omit<TrainingStepOptions, "withGradient"> & SessionOptions,
): Promise<GradientSession> {
  const { inputShape } = options;
  const { graph, layout, logitsShape, dropouts } = buildGradientStep(network, options);
  const mover = buildOptimiserStep(layout, options);
  const { stateLength } = mover;
  const gradients = await openGraphSession(graph, options);
  const moves = await openGraphSession(mover.graph, options);
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
    async gradient(batch, number = 1) {
      const where = describeBatch(moving.steps() + 1, number, batch);
      const feeds = {
        [STEP.image]: { dtype: "float32", shape: inputShape, data: batch.image },
        [STEP.labels]: { dtype: "uint8", shape: labelsShape, data: batch.labels },
        [STEP.parameters]: moving.parametersFeed(),
        ...masks.next(),
      } as const;
      const results = await gradients.run(feeds, where);
      const loss = results[STEP.loss][0];
      checkLoss(loss, where);
      moving.passed(results);
      return { loss, gradient: results[STEP.gradient] };
    },
    async apply(gradient, learningRate) {
      const shape = [layout.length];
      const feeds = {
        ...moving.feeds(learningRate),
        [STEP.gradient]: { dtype: "float32", shape, data: gradient } as const,
      };
      moving.moved(await moves.run(feeds));
    },
    parameters,
    state,
    averaged,
    async close() {
      await gradients.close();
      await moves.close();
    },
  };
}
