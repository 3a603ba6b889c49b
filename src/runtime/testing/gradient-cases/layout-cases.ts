/** Cases of operators that move, repeat, cut or pick elements. */
import { attr, tensorOf } from "../../../graph/index.ts";
import { type GradientCase, knownInts, runtimeInts, several, simple, withInts } from "../gradient-case.ts";

const PAD_MODES = ["reflect", "edge", "wrap"] as const;

export const LAYOUT_CASES: readonly GradientCase[] = [
  several(
    "Concat",
    [
      [2, 3],
      [2, 1],
    ],
    { axis: attr.int(-1) },
  ),
  several(
    "Concat",
    [
      [2, 3],
      [1, 3],
      [3, 3],
    ],
    { axis: attr.int(0) },
  ),
  {
    op: "Split",
    name: "into two",
    inputs: [[2, 5]],
    build: (b, x) => {
      const [first, second] = b.emitMany("Split", [x[0], b.ints([2, 3])], 2, { axis: attr.int(1) });
      return b.emit("Mul", [b.emit("ReduceSum", [first, b.ints([1])]), second]);
    },
  },
  {
    op: "Split",
    name: "a part unused, equal parts",
    inputs: [[4, 3]],
    build: (b, x) => b.emitMany("Split", [x[0]], 2)[1],
  },
  {
    op: "Split",
    name: "num_outputs with a rest",
    inputs: [[5, 3]],
    build: (b, x) => {
      const parts = b.emitMany("Split", [x[0]], 3, { num_outputs: attr.int(3) });
      return b.emit("Concat", [parts[2], parts[0]], { axis: attr.int(0) });
    },
    opset: 18,
  },
  withInts(
    "Slice",
    [4, 6],
    [
      [1, -4],
      [4, -1],
      [0, 1],
    ],
  ),
  withInts(
    "Slice",
    [7, 6],
    [
      [1, 0],
      [7, 5],
      [0, 1],
      [2, 3],
    ],
  ),
  withInts(
    "Slice",
    [7, 6],
    [
      [-1, 4],
      [-100, 0],
      [0, 1],
      [-1, -2],
    ],
  ),
  withInts("Slice", [2, 8], [[6], [1], [1], [-4]]),
  withInts("Slice", [5], [[0], [2 ** 40]]),
  withInts("Pad", [2, 3], [[1, 0, 0, 2]]),
  withInts("Pad", [4, 5], [[-1, 1, 0, -2]]),
  {
    op: "Pad",
    name: "named axes, a value of its own",
    inputs: [[2, 3]],
    build: (b, x) => b.emit("Pad", [x[0], b.ints([1, 2]), b.scalar(3), b.ints([-1])]),
    opset: 18,
  },
  ...PAD_MODES.map(
    (mode): GradientCase => ({
      ...withInts("Pad", [3, 4, 5], [[0, 2, 3, 1, 1, 0]], { mode: attr.string(mode) }),
      opset: 19,
    }),
  ),
  withInts("Reshape", [2, 6], [[3, -1]]),
  simple("Flatten", [2, 3, 4], { axis: attr.int(2) }),
  withInts("Squeeze", [2, 1, 3], [[1]]),
  withInts("Unsqueeze", [2, 3], [[0, 2]]),
  simple("Transpose", [2, 3, 4], { perm: attr.ints([2, 0, 1]) }),
  simple("Transpose"),
  withInts("Expand", [3, 1], [[2, 3, 4]]),
  withInts("Tile", [2, 3], [[3, 2]]),
  withInts("Tile", [2, 3, 2], [[1, 1, 4]]),
  ...["DCR", "CRD"].map((mode) =>
    simple("DepthToSpace", [2, 12, 2, 3], { blocksize: attr.int(2), mode: attr.string(mode) }),
  ),
  simple("SpaceToDepth", [2, 3, 4, 6], { blocksize: attr.int(2) }),
  withInts("Gather", [3, 4, 2], [[1, 2]], { axis: attr.int(1) }),
  withInts("Gather", [3, 4, 2], [[2, 0, -2, 2]], { axis: attr.int(-2) }),
  {
    op: "Gather",
    name: "one element, known",
    inputs: [[3, 4]],
    build: (b, x) => b.emit("Gather", [x[0], knownInts(b, [], [-1])]),
  },
  {
    op: "Gather",
    name: "a table of indices that only the run knows",
    inputs: [[3, 4]],
    build: (b, x) => b.emit("Gather", [x[0], runtimeInts(b, "rows", [2, 3], [0, 2, 2, -1, 1, 2])]),
  },
  {
    op: "GatherElements",
    name: "equal indices, axis 1",
    inputs: [[2, 4]],
    build: (b, x) => b.emit("GatherElements", [x[0], knownInts(b, [2, 3], [0, 0, 3, -1, 2, 3])], { axis: attr.int(1) }),
  },
  {
    op: "GatherElements",
    name: "axis 0",
    inputs: [[3, 2]],
    build: (b, x) => b.emit("GatherElements", [x[0], runtimeInts(b, "rows", [2, 2], [2, 0, 2, 1])]),
  },
  {
    op: "GatherND",
    name: "rows",
    inputs: [[3, 4, 2]],
    build: (b, x) => b.emit("GatherND", [x[0], knownInts(b, [4, 2], [0, 1, 2, 3, 0, 1, -1, -2])]),
  },
  {
    op: "GatherND",
    name: "two for each of a batch of three, known in the run",
    inputs: [[3, 3, 4, 2]],
    build: (b, x) => {
      const tuples = runtimeInts(b, "tuples", [3, 2, 2], [0, 1, 2, 3, 1, 1, -1, 0, 2, -2, 0, 0]);
      return b.emit("GatherND", [x[0], tuples], { batch_dims: attr.int(1) });
    },
  },
  {
    op: "ScatterND",
    name: "replacing",
    inputs: [
      [3, 4],
      [2, 4],
    ],
    build: (b, x) => b.emit("ScatterND", [x[0], knownInts(b, [2, 1], [2, 0]), x[1]]),
  },
  {
    op: "ScatterND",
    name: "adding at equal places",
    inputs: [[3, 4], [3]],
    build: (b, x) =>
      b.emit("ScatterND", [x[0], knownInts(b, [3, 2], [2, 0, 1, 1, 2, 0]), x[1]], { reduction: attr.string("add") }),
  },
  {
    op: "ScatterElements",
    name: "replacing",
    inputs: [
      [3, 4],
      [3, 2],
    ],
    build: (b, x) =>
      b.emit("ScatterElements", [x[0], knownInts(b, [3, 2], [0, 3, 1, 2, -1, 0]), x[1]], { axis: attr.int(1) }),
  },
  {
    op: "ScatterElements",
    name: "adding at equal places",
    inputs: [
      [3, 2],
      [2, 2],
    ],
    build: (b, x) =>
      b.emit("ScatterElements", [x[0], knownInts(b, [2, 2], [0, 1, 0, 2]), x[1]], { reduction: attr.string("add") }),
  },
  simple("Trilu", [3, 4]),
  {
    op: "Trilu",
    name: "lower, below the diagonal",
    inputs: [[2, 4, 4]],
    build: (b, x) => b.emit("Trilu", [x[0], b.constant(tensorOf("int64", [], [-1]))], { upper: attr.int(0) }),
  },
];
