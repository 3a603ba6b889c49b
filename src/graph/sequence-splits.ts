/**
 * Splits as PyTorch's dynamo exporter writes them: a sequence of pieces (ONNX SplitToSequence 11), of which each is
 * taken by its number (SequenceAt 11). Where the numbers and sizes are constants, every piece is a slice of its own and
 * no sequence is left. What is not of this form stays, and is refused by its name.
 */
import { create } from "@bufbuild/protobuf";
import { AttributeProtoSchema, type NodeProto, NodeProtoSchema } from "./gen/onnx/onnx_pb.ts";

/** AttributeProto.AttributeType of whole numbers, one and several. */
const [INT, INTS] = [2, 7];

/** @param knownInts values of an integer constant by name; undefined for any other name. */
export function withoutSequences(
  nodes: readonly NodeProto[],
  knownInts: (name: string) => readonly number[] | undefined,
): readonly NodeProto[] {
  const splits = new Map(
    nodes.flatMap((node) => (node.opType === "SplitToSequence" ? [[node.output[0], node] as const] : [])),
  );
  if (splits.size === 0) return nodes;
  const kept = new Set<string>();
  const rewritten = nodes.flatMap((node): readonly NodeProto[] => {
    const split = node.opType === "SequenceAt" ? splits.get(node.input[0]) : undefined;
    const piece = split && pieceOf(split, node, knownInts);
    if (piece !== undefined) return piece;
    for (const name of node.input) if (splits.has(name)) kept.add(name);
    return [node];
  });
  return rewritten.filter((node) => node.opType !== "SplitToSequence" || kept.has(node.output[0]));
}

/** The nodes that take one piece straight from what is split; undefined where a number of it is not known. */
function pieceOf(
  split: NodeProto,
  at: NodeProto,
  knownInts: (name: string) => readonly number[] | undefined,
): readonly NodeProto[] | undefined {
  const [data, sizesName] = split.input;
  const attribute = (name: string, otherwise: number): number =>
    Number(split.attribute.find((each) => each.name === name)?.i ?? otherwise);
  const [axis, output] = [attribute("axis", 0), at.output[0]];
  const number = knownInts(at.input[1])?.[0];
  if (number === undefined) return undefined;
  const constant = (role: string, values: readonly number[], isScalar = false): NodeProto =>
    create(NodeProtoSchema, {
      opType: "Constant",
      name: `${output}.${role}`,
      output: [`${output}.${role}`],
      attribute: [
        isScalar
          ? create(AttributeProtoSchema, { name: "value_int", type: INT, i: BigInt(values[0]) })
          : create(AttributeProtoSchema, { name: "value_ints", type: INTS, ints: values.map(BigInt) }),
      ],
    });
  if (!sizesName && attribute("keepdims", 1) === 0) {
    const axisAttribute = create(AttributeProtoSchema, { name: "axis", type: INT, i: BigInt(axis) });
    const index = constant("index", [number], true);
    return [index, nodeOf("Gather", at, [data, index.output[0]], [axisAttribute])];
  }
  const range = rangeOf(number, sizesName ? knownInts(sizesName) : [1]);
  if (range === undefined) return undefined;
  const parts = [constant("starts", [range[0]]), constant("ends", [range[1]]), constant("axes", [axis])];
  return [...parts, nodeOf("Slice", at, [data, ...parts.map((part) => part.output[0])], [])];
}

/** Where a piece begins and ends: sizes are those of all pieces, or one size for each but perhaps a shorter last. */
function rangeOf(number: number, sizes: readonly number[] | undefined): readonly [number, number] | undefined {
  if (sizes === undefined || sizes.length === 0) return undefined;
  if (sizes.length === 1) return number < 0 ? undefined : [number * sizes[0], (number + 1) * sizes[0]];
  const index = number < 0 ? number + sizes.length : number;
  if (index < 0 || index >= sizes.length) return undefined;
  const start = sizes.slice(0, index).reduce((sum, size) => sum + size, 0);
  return [start, start + sizes[index]];
}

function nodeOf(opType: string, at: NodeProto, input: string[], attribute: NodeProto["attribute"]): NodeProto {
  return create(NodeProtoSchema, { opType, name: at.name, input, output: at.output, attribute });
}
