/** A network's trainable parameters, as they are told from the constants in its file. */
import { ConsiliumError } from "../base/index.ts";
import {
  type Graph,
  type Parameters,
  parameterLayout,
  parameterView,
  separateMergedInitializers,
} from "../graph/index.ts";
import { runningStatistics } from "./batch-statistics.ts";

/** A network's trainable parameters and the buffers that training moves, named as in its file. */
export function networkParameters(network: Graph): Parameters {
  const separated = separateMergedInitializers(network);
  const names = trainableInitializers(separated);
  const tensors = new Map(names.map((name) => [name, separated.initializers.get(name)]));
  const layout = parameterLayout(
    new Map(names.map((name) => [name, tensors.get(name)?.shape ?? []])),
    new Set(runningStatistics(separated)),
  );
  const parameters: Parameters = { layout, data: new Float32Array(layout.length) };
  for (const entry of layout.entries) {
    parameterView(parameters, entry).set((tensors.get(entry.name)?.data ?? []) as Float32Array);
  }
  return parameters;
}

/** The network with other parameters in it. @throws ConsiliumError `tensor-missing` where one has no initializer. */
export function withParameters(network: Graph, parameters: Parameters): Graph {
  const separated = separateMergedInitializers(network);
  const initializers = new Map(separated.initializers);
  for (const entry of parameters.layout.entries) {
    const old = initializers.get(entry.name);
    if (old === undefined || old.shape.join() !== entry.shape.join()) {
      throw new ConsiliumError("tensor-missing", {
        subject: `parameter ${entry.name} of [${entry.shape.join(", ")}]`,
        expected: "an initializer of that name and shape in the network",
        actual: old === undefined ? "none" : `[${old.shape.join(", ")}]`,
        hint: "The weights belong to another network.",
      });
    }
    initializers.set(entry.name, { dtype: "float32", shape: entry.shape, data: parameterView(parameters, entry) });
  }
  return { ...separated, initializers };
}

const CONSTANT_NAME = /^(\/|val_\d+$)/;

/** Inputs that configure an operator and are never trained, by operator. */
const FIXED_INPUTS: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [3, 4],
  Clip: [1, 2],
  Dropout: [1, 2],
  Pad: [1, 2, 3],
  Resize: [1, 2, 3],
};

/**
 * Float initializers that reach the output through an operand that can be trained. Exporters write constants as
 * Constant nodes, or as initializers whose names begin with "/" (PyTorch's TorchScript exporter) or are `val_` and a
 * number (its dynamo exporter): those are not parameters. Running statistics of norms that train with the batch's own
 * are.
 */
function trainableInitializers(network: Graph): string[] {
  const used = new Set<string>(runningStatistics(network));
  for (const node of network.nodes) {
    node.inputs.forEach((name, i) => {
      if (!FIXED_INPUTS[node.opType]?.includes(i)) used.add(name);
    });
  }
  return [...network.initializers].flatMap(([name, tensor]) =>
    tensor.dtype === "float32" && tensor.shape.length > 0 && used.has(name) && !CONSTANT_NAME.test(name) ? [name] : [],
  );
}
