/**
 * A step's graph is laid so that ONNX Runtime, which goes backwards from the outputs and takes the newest inputs of a
 * node first, holds hardly more at once than the order in which the graph was laid.
 */
import { expect, it } from "vitest";
import { type Graph, type GraphNode, graphCost } from "../graph/index.ts";
import { buildTrainingStep } from "../training/index.ts";
import { segResNet3d } from "./segresnet3d.ts";
import { unet3d } from "./unet3d.ts";

const ENDS = { inputChannels: 4, classes: 4, baseFeatures: 32, seed: 1 };

/** As ONNX Runtime's default order: Graph::ReverseDFSFrom with nodes compared by their index. */
function runtimeOrder({ nodes }: Graph): GraphNode[] {
  const makers = new Map(nodes.flatMap((node, i) => node.outputs.map((name) => [name, i] as const)));
  const before = nodes.map(({ inputs }) => [...new Set(inputs.flatMap((name) => makers.get(name) ?? []))]);
  const read = new Set(before.flat());
  const stack = nodes.flatMap((_, i) => (read.has(i) ? [] : [{ at: i, leave: false }]));
  const [seen, order] = [new Set<number>(), [] as GraphNode[]];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { at, leave } = top;
    if (leave) order.push(nodes[at]);
    if (leave || seen.has(at)) continue;
    seen.add(at);
    stack.push({ at, leave: true });
    for (const next of before[at].toSorted((a, b) => a - b))
      if (!seen.has(next)) stack.push({ at: next, leave: false });
  }
  return order;
}

/** With nodes in this order. */
function peakBytes(graph: Graph, order: readonly GraphNode[]): number {
  return graphCost({ ...graph, nodes: order }).peakBytes;
}

const NETWORKS = {
  unet3d: unet3d({ ...ENDS, levels: 3, maxFeatures: 64, stem: 1, detail: false, mirror: false }),
  segresnet3d: segResNet3d({ ...ENDS, encoderBlocks: [1, 2], decoderBlocks: [1], groups: 8 }),
};

it.each(["unet3d", "segresnet3d"] as const)("%s: gradients are worked out as soon as they can be", (name) => {
  const { graph } = buildTrainingStep(NETWORKS[name], {
    inputShape: [1, 4, 64, 64, 64],
    optimiser: { kind: "sgd", learningRate: 0.01, momentum: 0.9, nesterov: true, weightDecay: 3e-5 },
  });
  const laid = peakBytes(graph, graph.nodes);
  expect(peakBytes(graph, runtimeOrder(graph))).toBeLessThan(1.05 * laid);
  // positive control: the first layers' gradients newest
  const isFlat = ({ opType }: GraphNode): boolean => opType === "Flatten";
  const flats = graph.nodes.filter(isFlat).toReversed();
  const row = graph.nodes.findIndex(({ inputs }) => inputs.includes(flats[0].outputs[0]));
  const others = (part: readonly GraphNode[]): GraphNode[] => part.filter((node) => !isFlat(node));
  const nodes = [...others(graph.nodes.slice(0, row)), ...flats, ...graph.nodes.slice(row)];
  expect(peakBytes(graph, runtimeOrder({ ...graph, nodes }))).toBeGreaterThan(1.25 * laid);
});
