/**
 * What a network costs on this machine, operator by operator: its training step or its forward pass is run under ONNX
 * Runtime's profiler. Times are medians over runs, a warm-up left out; the profiler itself takes some microseconds a node.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRandom, median } from "../base/index.ts";
import { elementCount, encodeOnnx, type Graph, graphCost } from "../graph/index.ts";
import {
  buildForwardStep,
  buildTrainingStep,
  type Lowerings,
  networkParameters,
  STEP,
  stepScalars,
  type TrainingStep,
} from "../training/index.ts";
import { createDropoutMasks } from "./dropout-masks.ts";
import { createRuntimeSession, type FeedTensor, graphSession, type SessionOptions } from "./graph-session.ts";
import { readTrace, type TraceNode, type TraceRun, traceMultiplyAdds } from "./profile-trace.ts";

export interface ProfileOptions extends SessionOptions {
  /** [N, C, ...]. */
  readonly inputShape: readonly number[];
  readonly work: "training" | "inference";
  /** Runs that are measured, after one that is not. */
  readonly runs: number;
  readonly lowerings?: Lowerings | undefined;
}

export interface OperatorCost {
  readonly operator: string;
  /** In one run. */
  readonly nodes: number;
  readonly ms: number;
  /** Of the time of all operators, in [0, 1]. */
  readonly share: number;
  readonly multiplyAdds: number;
  /** Two operations for each multiply-add; null for operators that have none. */
  readonly gflops: number | null;
  /** Written by its nodes in one run. */
  readonly outputBytes: number;
}

export interface NodeCost extends Omit<OperatorCost, "nodes" | "outputBytes"> {
  readonly node: string;
  readonly inputs: readonly (readonly number[])[];
  readonly outputs: readonly (readonly number[])[];
}

export interface ModelProfile {
  readonly work: "training" | "inference";
  readonly inputShape: readonly number[];
  readonly threads: number;
  readonly runs: number;
  /** Of a whole run, with what lies between operators. */
  readonly runMs: number;
  /** Costliest first. */
  readonly operators: readonly OperatorCost[];
  readonly nodes: readonly NodeCost[];
  /** Values alive at once, without what kernels take for themselves. */
  readonly valueBytes: number;
  /** The process's most, with everything. */
  readonly peakRssBytes: number;
}

const OPTIMISER = { kind: "sgd", learningRate: 0.01, momentum: 0.9, nesterov: true, weightDecay: 3e-5 } as const;

/** @throws ConsiliumError as `buildTrainingStep` and `openGraphSession`. */
export async function profileModel(network: Graph, options: ProfileOptions): Promise<ModelProfile> {
  const { inputShape, work, runs, threads, lowerings } = options;
  const step =
    work === "training"
      ? buildTrainingStep(network, { inputShape, optimiser: OPTIMISER, lowerings })
      : buildForwardStep(network, inputShape);
  const folder = mkdtempSync(join(tmpdir(), "consilium-profile-"));
  try {
    const session = await createRuntimeSession(
      encodeOnnx(step.graph),
      step.graph.name,
      { threads },
      join(folder, "trace"),
    );
    const feeds = feedsOf(network, step, inputShape);
    const { run } = graphSession(session, step.graph.name);
    for (let i = 0; i < runs + 1; i++) await run(feeds);
    session.endProfiling();
    await session.release();
    const [file] = readdirSync(folder);
    const measured = readTrace(readFileSync(join(folder, file), "utf8")).slice(1);
    return {
      work,
      inputShape,
      threads,
      runs: measured.length,
      runMs: medianMs(measured.map(({ microseconds }) => microseconds)),
      ...costsOf(measured),
      valueBytes: graphCost(step.graph).peakBytes,
      peakRssBytes: process.resourceUsage().maxRSS * 1024,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A noisy image and labels of every class; values do not change what kernels cost. */
function feedsOf(network: Graph, step: TrainingStep, inputShape: readonly number[]): Record<string, FeedTensor> {
  const random = createRandom("profile");
  const vector = (data: Float32Array): FeedTensor => ({ dtype: "float32", shape: [data.length], data });
  const image = Float32Array.from({ length: elementCount(inputShape) }, () => random.normal());
  const [batch, classes, ...spatial] = step.logitsShape;
  const labelsShape = [batch, ...spatial];
  const masks = createDropoutMasks(step.dropouts);
  masks.load(["profile"]);
  const labels = Uint8Array.from({ length: elementCount(labelsShape) }, () => random.integer(classes));
  const feeds: Record<string, FeedTensor> = {
    [STEP.image]: { dtype: "float32", shape: inputShape, data: image },
    [STEP.labels]: { dtype: "uint8", shape: labelsShape, data: labels },
    [STEP.parameters]: vector(networkParameters(network).data),
    [STEP.state]: vector(new Float32Array(step.stateLength)),
    [STEP.scalars]: vector(stepScalars(OPTIMISER, 1, OPTIMISER.learningRate)),
    ...masks.next(),
  };
  const asked = new Set(step.graph.inputs.map(({ name }) => name));
  return Object.fromEntries(Object.entries(feeds).filter(([name]) => asked.has(name)));
}

/** Nodes of one run and the next are the same, in the same order. */
function costsOf(runs: readonly TraceRun[]): Pick<ModelProfile, "operators" | "nodes"> {
  const timed = (runs[0]?.nodes ?? []).map((node, i) => ({
    node,
    ms: medianMs(runs.map(({ nodes }) => nodes[i]?.microseconds ?? 0)),
  }));
  const total = timed.reduce((sum, { ms }) => sum + ms, 0);
  const groups = new Map<string, typeof timed>();
  for (const each of timed) groups.set(each.node.operator, [...(groups.get(each.node.operator) ?? []), each]);
  const cost = (operator: string, members: typeof timed): Omit<OperatorCost, "nodes" | "outputBytes"> => {
    const ms = members.reduce((sum, each) => sum + each.ms, 0);
    const multiplyAdds = members.reduce((sum, { node }) => sum + traceMultiplyAdds(node), 0);
    const gflops = multiplyAdds > 0 && ms > 0 ? (2 * multiplyAdds) / ms / 1e6 : null;
    return { operator, ms, share: total > 0 ? ms / total : 0, multiplyAdds, gflops };
  };
  const operators = [...groups].map(([operator, members]) => ({
    ...cost(operator, members),
    nodes: members.length,
    outputBytes: members.reduce((sum, { node }) => sum + node.outputBytes, 0),
  }));
  const nodes = timed.map((each) => ({ ...cost(each.node.operator, [each]), ...place(each.node) }));
  const costliest = <T extends { ms: number }>(list: T[]): T[] => list.sort((a, b) => b.ms - a.ms);
  return { operators: costliest(operators), nodes: costliest(nodes) };
}

function place({ node, inputs, outputs }: TraceNode): Pick<NodeCost, "node" | "inputs" | "outputs"> {
  return { node, inputs, outputs };
}

/** A model that was folded into constants ran no node. */
function medianMs(microseconds: readonly number[]): number {
  return microseconds.length === 0 ? 0 : median(microseconds) / 1000;
}
