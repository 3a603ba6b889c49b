/**
 * Whether a network can be trained, before anything runs: everything that stands in the way, node by node, and what a
 * training step of it would take.
 */
import { ConsiliumError } from "../base/index.ts";
import { type Graph, graphCost, OP_TYPES, type OpType, separateMergedInitializers } from "../graph/index.ts";
import type { OptimiserSpec } from "../study/index.ts";
import { zeros } from "./gradient-context.ts";
import { GRADIENT_RULES, type GradientRules } from "./gradient-rules.ts";
import { networkParameters } from "./network-parameters.ts";
import { buildForwardStep, buildTrainingStep } from "./training-step.ts";

export interface NetworkInspection {
  readonly operators: Readonly<Record<string, number>>;
  readonly parameters: { readonly tensors: number; readonly values: number };
  /** One for each node without a gradient; a single one where the network does not fit the input. */
  readonly obstacles: readonly ConsiliumError[];
  /** What trains, but not as its author may think. */
  readonly notes: readonly string[];
  readonly cost: StepCost | undefined;
}

export interface StepCost {
  readonly forwardMultiplyAdds: number;
  readonly stepMultiplyAdds: number;
  readonly forwardPeakBytes: number;
  readonly stepPeakBytes: number;
  readonly outputShape: readonly number[];
}

/** The step whose cost is told: the one with the most state. */
const OPTIMISER: OptimiserSpec = {
  kind: "adamw",
  learningRate: 1e-3,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0,
};

/** @param inputShape [N, C, ...]. */
export function inspectNetwork(network: Graph, inputShape: readonly number[]): NetworkInspection {
  const { layout } = networkParameters(network);
  const obstacles: ConsiliumError[] = [];
  const cost = stepCost(network, inputShape, obstacles);
  return {
    operators: countOperators(network),
    parameters: { tensors: layout.entries.length, values: layout.length },
    obstacles,
    notes: notesOn(
      separateMergedInitializers(network),
      layout.entries.map(({ name }) => name),
    ),
    cost,
  };
}

function stepCost(network: Graph, inputShape: readonly number[], obstacles: ConsiliumError[]): StepCost | undefined {
  try {
    const forward = buildForwardStep(network, inputShape);
    const step = buildTrainingStep(network, { inputShape, optimiser: OPTIMISER, rules: recording(obstacles) });
    const [there, back] = [graphCost(forward.graph), graphCost(step.graph)];
    return {
      forwardMultiplyAdds: there.multiplyAdds,
      stepMultiplyAdds: back.multiplyAdds,
      forwardPeakBytes: there.peakBytes,
      stepPeakBytes: back.peakBytes,
      outputShape: step.logitsShape,
    };
  } catch (error) {
    if (!(error instanceof ConsiliumError) || error.code === "internal") throw error;
    obstacles.push(error);
    return undefined;
  }
}

/** The product's rules, but one that refuses is noted and taken for zero, so that the nodes before it are looked at. */
function recording(obstacles: ConsiliumError[]): GradientRules {
  const wrap = (op: OpType): GradientRules[OpType] => {
    return (c) => {
      try {
        return GRADIENT_RULES[op](c);
      } catch (error) {
        if (!(error instanceof ConsiliumError) || error.code !== "gradient-unsupported") throw error;
        obstacles.push(error);
        return c.node.inputs.map((name, i) => (c.needs(i) ? zeros(c.builder, c.builder.shape(name)) : undefined));
      }
    };
  };
  return Object.fromEntries(OP_TYPES.map((op) => [op, wrap(op)])) as Record<OpType, GradientRules[OpType]>;
}

function countOperators({ nodes }: Graph): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const opType of nodes.map((node) => node.opType).sort()) counts[opType] = (counts[opType] ?? 0) + 1;
  return counts;
}

/**
 * PyTorch's dynamo exporter merges initializers of equal value unless it is told `optimize=False`: scales of norms, all
 * ones at first, become one parameter. Shared weights can also be meant, so this is told and not refused.
 */
function notesOn({ nodes, initializers }: Graph, parameters: readonly string[]): string[] {
  const shared = parameters.filter((name) => {
    const data = initializers.get(name)?.data;
    const uniform = data !== undefined && Array.prototype.every.call(data, (value) => value === data[0]);
    return uniform && nodes.filter((node) => node.inputs.includes(name)).length > 1;
  });
  if (shared.length === 0) return [];
  const named = `${shared.slice(0, 3).join(", ")}${shared.length > 3 ? `, and ${shared.length - 3} more` : ""}`;
  return [
    `several nodes share one parameter each of equal values (${named}): if they are meant to be trained apart, ` +
      "export again with optimize=False",
  ];
}
