/**
 * `consilium/graph`: ONNX graphs as readonly records, read, checked, built and written in Node alone.
 *
 * What is exported here is stable: it changes with a note in CHANGELOG.md. Graphs are plain data, passes are functions
 * from graph to graph, and every refusal is a `ConsiliumError` with a code of a closed list.
 *
 * ```js
 * import { readFileSync } from "node:fs";
 * import { decodeOnnx, graphCost } from "consilium/graph";
 *
 * const graph = decodeOnnx(readFileSync("network.onnx"), "network.onnx");
 * console.log(graph.opset, graph.nodes.length, graphCost(graph).multiplyAdds);
 * ```
 */
export { ConsiliumError, type ErrorCode, type ErrorFields } from "../base/index.ts";
export { createGraphBuilder, type GraphBuilder } from "./builder.ts";
export { checkGraph } from "./check-graph.ts";
export { decodeOnnx, type ExternalReader, encodeOnnx, type UnknownOperator, unknownOperators } from "./codec.ts";
export { type GraphCost, graphCost } from "./cost.ts";
export {
  type Attribute,
  type Attributes,
  attr,
  type Dim,
  type Graph,
  type GraphNode,
  type ValueInfo,
} from "./graph.ts";
export type { Fact } from "./node-readings.ts";
export { isOpType, OP_TYPES, type OpType } from "./op-types.ts";
export {
  type ParameterEntry,
  type ParameterLayout,
  type Parameters,
  parameterLayout,
  parametersFromSafetensors,
  parametersSha256,
  parametersToSafetensors,
  parameterView,
  readSafetensors,
  type StoredTensor,
} from "./parameters.ts";
export { type DataType, elementCount, float32Tensor, int64Tensor, type Tensor, tensorOf } from "./tensor.ts";
