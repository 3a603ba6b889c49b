export { createGraphBuilder, type GraphBuilder, liveNodes } from "./builder.ts";
export { checkGraph } from "./check-graph.ts";
export { decodeOnnx, type ExternalReader, encodeOnnx, type UnknownOperator, unknownOperators } from "./codec.ts";
export { foldsConstants } from "./constant-rules.ts";
export { type GraphCost, graphCost } from "./cost.ts";
export { type EinsumEquation, einsumEquation } from "./einsum-equation.ts";
export {
  type Attribute,
  type Attributes,
  attr,
  type Dim,
  describeNode,
  floatAttribute,
  type Graph,
  type GraphNode,
  intAttribute,
  intsAttribute,
  stringAttribute,
  type ValueInfo,
} from "./graph.ts";
export {
  axisOf,
  type Fact,
  type Facts,
  flattenAxis,
  known,
  need,
  padsByAxis,
  permutationOf,
  reducedAxes,
  shapeError,
  sliceRanges,
  splitSizes,
  transposedWindowOf,
  type Window,
  windowOf,
} from "./node-readings.ts";
export { isOpType, OP_TYPES, type OpType } from "./op-types.ts";
export {
  bufferValues,
  type ParameterEntry,
  type ParameterLayout,
  type Parameters,
  parameterLayout,
  parametersFromSafetensors,
  parametersSha256,
  parametersToSafetensors,
  parameterView,
  pickParameters,
  readSafetensors,
  type StoredTensor,
  sameLayout,
  setBufferValues,
} from "./parameters.ts";
export { separateMergedInitializers } from "./separate-initializers.ts";
export {
  type DataType,
  elementCount,
  float32Tensor,
  int64Tensor,
  type Tensor,
  tensorOf,
  tensorValues,
} from "./tensor.ts";
