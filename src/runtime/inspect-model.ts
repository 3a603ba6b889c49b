/**
 * `model inspect`: an ONNX file as it is, with everything that keeps it from being trained. Unknown operators are found
 * first, for nothing else can be said of a file that has some; then what its gradients cannot pass.
 */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { ConsiliumError } from "../base/index.ts";
import { type Dim, decodeOnnx, type Graph, type UnknownOperator, unknownOperators } from "../graph/index.ts";
import { inspectNetwork, type NetworkInspection } from "../training/index.ts";
import { externalReader } from "./read-onnx-file.ts";

/** Sides that are taken where a network leaves them open and nobody asks for others. */
const OPEN_SIDE = 64;

export interface ModelInspection {
  readonly trainable: boolean;
  readonly inputShape: readonly number[] | undefined;
  readonly network: NetworkInspection | undefined;
  readonly opset: number | undefined;
  readonly obstacles: readonly Obstacle[];
}

export interface Obstacle {
  readonly code: string;
  /** Operator, node and the tensors that need it. */
  readonly where: string;
  readonly what: string;
}

/** @throws ConsiliumError `file-not-found`, `onnx-corrupt` or `onnx-unsupported` for what is no network at all. */
export function inspectModel(path: string, inputShape?: readonly number[]): ModelInspection {
  const subject = basename(path);
  const bytes = readModel(path);
  const unknown = unknownOperators(bytes, subject);
  if (unknown.length > 0) {
    const obstacles = unknown.map(unknownObstacle);
    return { trainable: false, inputShape, network: undefined, opset: undefined, obstacles };
  }
  const graph = decodeOnnx(bytes, subject, externalReader(path));
  const shape = inputShape ?? declaredShape(graph);
  const network = inspectNetwork(graph, shape);
  const obstacles = network.obstacles.map(({ code, subject: where, expected, actual }) => ({
    code,
    where,
    what: `expected ${expected}, got ${actual}`,
  }));
  return { trainable: obstacles.length === 0, inputShape: shape, network, opset: graph.opset, obstacles };
}

function readModel(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new ConsiliumError("file-not-found", {
      subject: path,
      expected: "an ONNX file",
      actual: "no file that can be read",
      hint: "Check the path.",
      cause,
    });
  }
}

function unknownObstacle({ operator, node, outputs }: UnknownOperator): Obstacle {
  return {
    code: "operator-unsupported",
    where: `${operator} ${node}, needed for ${outputs.join(", ")}`,
    what: "no rule for the operator",
  };
}

/** The shape that a network declares for its input, its open sizes filled in: one case, 64 voxels a side. */
export function declaredShape({ inputs }: Graph): readonly number[] {
  const side = (dim: Dim, axis: number): number => {
    if (typeof dim === "number") return dim;
    return axis === 0 ? 1 : OPEN_SIDE;
  };
  return (inputs[0]?.shape ?? []).map(side);
}
