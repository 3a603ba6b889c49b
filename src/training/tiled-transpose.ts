/**
 * A transposed convolution whose kernel is its stride spreads each voxel over a block of its own: a product for every
 * voxel, and an interleaving of blocks. ONNX Runtime's own takes one thread for it.
 */
import { elementCount, type GraphBuilder, type GraphNode, intAttribute, transposedWindowOf } from "../graph/index.ts";
import { interleave } from "./convolution-gradients.ts";
import { reshape, spatialAxes, transpose } from "./gradient-context.ts";

/** Appends the node, as a product where it tiles its result. */
export function appendConvTranspose(b: GraphBuilder, node: GraphNode): void {
  const [x, w, bias] = node.inputs;
  const [input, weight] = [b.shape(x), b.shape(w)];
  const window = transposedWindowOf(node, weight.slice(2), input.slice(2));
  const { kernel, strides, dilations, padsBegin, padsEnd } = window;
  const padded = node.attributes.output_padding !== undefined || node.attributes.output_shape !== undefined;
  const tiles =
    !padded &&
    intAttribute(node, "group", 1) === 1 &&
    kernel.every((k, i) => k === strides[i] && dilations[i] === 1 && padsBegin[i] === 0 && padsEnd[i] === 0);
  if (!tiles) {
    b.append(node);
    return;
  }
  const [batch, from, ...counts] = input;
  const [, to] = weight;
  const block = elementCount(kernel);
  // [I, O k] to [O k, I]; times [N, I, V]
  const matrix = transpose(b, reshape(b, w, [from, to * block]), [1, 0]);
  const blocks = b.emit("MatMul", [matrix, reshape(b, x, [batch, from, elementCount(counts)])]);
  const whole = interleave(b, reshape(b, blocks, [batch, to * block, ...counts]), [batch, to, ...counts], strides);
  const shape = b.ints([1, to, ...spatialAxes(input.length).map(() => 1)]);
  const [output] = node.outputs;
  if (!bias) b.append({ opType: "Identity", name: node.name, inputs: [whole], outputs: [output], attributes: {} });
  else {
    const column = b.emit("Reshape", [bias, shape]);
    b.append({ opType: "Add", name: node.name, inputs: [whole, column], outputs: [output], attributes: {} });
  }
}
