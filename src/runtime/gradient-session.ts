/**
 * A training step in two halves, for work that must see single gradients before they move the network: the gradient
 * at the present parameters, as often as wanted, and the optimiser's step by a gradient that the caller made of them.
 */
import type { Graph, ParameterLayout } from "../graph/index.ts";
import { buildGradientStep, buildOptimiserStep, STEP } from "../training/index.ts";
import { openGraphSession } from "./graph-session.ts";
import { createMovedParameters } from "./moved-parameters.ts";
import { type Batch, diverged, type TrainingSession, type TrainingSessionOptions } from "./training-session.ts";

export interface GradientSession extends Omit<TrainingSession, "step"> {
  readonly layout: ParameterLayout;
  /** Loss and its gradient [P] at the present parameters, which stay. @throws ConsiliumError `training-diverged` */
  gradient(batch: Batch): Promise<{ readonly loss: number; readonly gradient: Float32Array }>;
  /** Moves parameters and state by a gradient [P]. */
  apply(gradient: Float32Array, learningRate: number): Promise<void>;
}

export async function openGradientSession(
  network: Graph,
  options: Omit<TrainingSessionOptions, "withGradient">,
): Promise<GradientSession> {
  const { inputShape, optimiser } = options;
  const { graph, layout, logitsShape } = buildGradientStep(network, { inputShape });
  const mover = buildOptimiserStep(layout, optimiser);
  const { stateLength } = mover;
  const gradients = await openGraphSession(graph, options);
  const moves = await openGraphSession(mover.graph, options);
  const labelsShape = [logitsShape[0], ...logitsShape.slice(2)];
  const moving = createMovedParameters(layout.length, stateLength, optimiser);
  const { load, parameters, state } = moving;
  return {
    layout,
    stateLength,
    load,
    async gradient({ image, labels }) {
      const results = await gradients.run({
        [STEP.image]: { dtype: "float32", shape: inputShape, data: image },
        [STEP.labels]: { dtype: "uint8", shape: labelsShape, data: labels },
        [STEP.parameters]: moving.parametersFeed(),
      });
      const loss = results[STEP.loss][0];
      if (!Number.isFinite(loss)) throw diverged(loss, moving.steps() + 1);
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
    async close() {
      await gradients.close();
      await moves.close();
    },
  };
}
