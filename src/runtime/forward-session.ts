/** A network's forward pass at one input shape, with weights that can be exchanged between runs. */
import type { Graph, ParameterLayout } from "../graph/index.ts";
import { buildForwardStep, STEP } from "../training/index.ts";
import { openGraphSession, type SessionOptions } from "./graph-session.ts";

export interface ForwardSession {
  readonly layout: ParameterLayout;
  /** Classes of the logits. */
  readonly classes: number;
  /** Logits [N, K, ...] of an image [N, C, ...]; owned by the caller. */
  run(image: Float32Array, parameters: Float32Array): Promise<Float32Array>;
  close(): Promise<void>;
}

export async function openForwardSession(
  network: Graph,
  inputShape: readonly number[],
  options: SessionOptions,
): Promise<ForwardSession> {
  const { graph, layout, logitsShape } = buildForwardStep(network, inputShape);
  const session = await openGraphSession(graph, options);
  const output = graph.outputs[0].name;
  return {
    layout,
    classes: logitsShape[1],
    async run(image, parameters) {
      const results = await session.run({
        [STEP.image]: { dtype: "float32", shape: inputShape, data: image },
        [STEP.parameters]: { dtype: "float32", shape: [layout.length], data: parameters },
      });
      return results[output];
    },
    close: () => session.close(),
  };
}
