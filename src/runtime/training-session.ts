/**
 * A training step that is ready to run, with the parameters and optimiser state that it moves. One session is one
 * network at one patch and batch; its memory is the runtime's arena plus three copies of the parameters.
 */
import { ConsiliumError } from "../base/index.ts";
import type { Graph, ParameterLayout } from "../graph/index.ts";
import type { OptimiserSpec } from "../study/index.ts";
import { buildTrainingStep, STEP } from "../training/index.ts";
import { openGraphSession } from "./graph-session.ts";
import { createMovedParameters } from "./moved-parameters.ts";

export interface Batch {
  /** [N, C, ...]; read during the step only. */
  readonly image: Float32Array;
  /** Classes, [N, ...]. */
  readonly labels: Uint8Array;
}

export interface StepResult {
  readonly loss: number;
  /** [P], where the session was opened with its gradient. */
  readonly gradient?: Float32Array;
  readonly logits?: Float32Array;
}

export interface TrainingSession {
  readonly layout: ParameterLayout;
  /** Length of the optimiser's state. */
  readonly stateLength: number;
  /** Sets where to go on from; the arrays are copied. `stepsTaken` is the age of the optimiser's state. */
  load(parameters: Float32Array, state: Float32Array | null, stepsTaken: number): void;
  /** @throws ConsiliumError `training-diverged` for a loss that is no number. */
  step(batch: Batch, learningRate: number): Promise<StepResult>;
  /** Views of the current values, valid until the next step. */
  parameters(): Float32Array;
  state(): Float32Array;
  close(): Promise<void>;
}

export interface TrainingSessionOptions {
  readonly inputShape: readonly number[];
  readonly optimiser: OptimiserSpec;
  readonly threads: number;
  readonly withGradient?: boolean;
}

export async function openTrainingSession(network: Graph, options: TrainingSessionOptions): Promise<TrainingSession> {
  const { graph, layout, stateLength, logitsShape } = buildTrainingStep(network, options);
  const session = await openGraphSession(graph, options);
  const labelsShape = [logitsShape[0], ...logitsShape.slice(2)];
  const moving = createMovedParameters(layout.length, stateLength, options.optimiser);
  const { load, parameters, state } = moving;
  return {
    layout,
    stateLength,
    load,
    async step(batch, learningRate) {
      const results = await session.run({
        [STEP.image]: { dtype: "float32", shape: options.inputShape, data: batch.image },
        [STEP.labels]: { dtype: "uint8", shape: labelsShape, data: batch.labels },
        ...moving.feeds(learningRate),
      });
      const loss = results[STEP.loss][0];
      if (!Number.isFinite(loss)) throw diverged(loss, moving.steps() + 1);
      moving.moved(results);
      const gradient = results[STEP.gradient];
      const logits = results[STEP.logits];
      return { loss, ...(gradient && { gradient }), ...(logits && { logits }) };
    },
    parameters,
    state,
    close: () => session.close(),
  };
}

export function diverged(loss: number, step: number): ConsiliumError {
  return new ConsiliumError("training-diverged", {
    subject: `step ${step}`,
    expected: "a finite loss",
    actual: String(loss),
    hint: "Lower the learning rate, and look for intensities out of range in the batch's cases.",
  });
}
