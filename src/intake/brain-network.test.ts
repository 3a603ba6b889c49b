/** A network of the site's: what it is shown, and where its answer is put, on a tilted scan of unequal voxels. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it, test } from "vitest";
import { attr, encodeOnnx, float32Tensor, type Graph, type GraphNode } from "../graph/index.ts";
import { applyAffine, multiplyAffines, rigidMatrix, type Triple, type Volume } from "../imaging/index.ts";
import { openBrainNetwork } from "./brain-network.ts";

const root = await mkdtemp(join(tmpdir(), "consilium-intake-"));
afterAll(() => rm(root, { recursive: true, force: true }));
const DIMS: Triple = [50, 60, 40];
const TILTED = multiplyAffines(
  rigidMatrix([0.2, -0.1, 0.3, 5, -8, 12], [0, 0, 0]),
  [0, 0, 5, -98, -4, 0, 0, 98, 0, 3.5, 0, -103, 0, 0, 0, 1],
);

const placeOf = (i: number): Triple => applyAffine(TILTED, [i % 50, Math.floor(i / 50) % 60, Math.floor(i / 3000)]);

/** Dark tissue with a bright ball of 1,150 ml away from the middle. */
function scan(): { volume: Volume<Float32Array>; ball: Uint8Array } {
  const middle = applyAffine(TILTED, [20, 34, 22]);
  const ball = Uint8Array.from({ length: 50 * 60 * 40 }, (_, i) => {
    const at = placeOf(i);
    return Math.hypot(...at.map((x, axis) => x - middle[axis])) < 65 ? 1 : 0;
  });
  return { volume: { dims: DIMS, affineVoxelToRas: TILTED, data: Float32Array.from(ball, (b) => 50 + 400 * b) }, ball };
}

const node = (
  opType: GraphNode["opType"],
  inputs: string[],
  output: string,
  attributes: GraphNode["attributes"] = {},
) => ({ opType, name: output, inputs, outputs: [output], attributes }) as GraphNode;

/** Brain is what lies above its mean: a probability, or a channel each for background and brain. */
function network(kind: "probability" | "channels", side = 64): Graph {
  const shape = [1, 1, side, side, side];
  const two = kind === "channels";
  return {
    name: "bright",
    opset: 17,
    inputs: [{ name: "head", dtype: "float32", shape }],
    outputs: [{ name: "brain", dtype: "float32", shape: [1, two ? 2 : 1, side, side, side] }],
    initializers: new Map([["steep", float32Tensor([], [20])]]),
    nodes: two
      ? [node("Neg", ["head"], "background"), node("Concat", ["background", "head"], "brain", { axis: attr.int(1) })]
      : [node("Mul", ["head", "steep"], "logit"), node("Sigmoid", ["logit"], "brain")],
  };
}

async function written(graph: Graph): Promise<string> {
  const path = join(root, `${graph.nodes.length}-${graph.outputs[0].shape.join("x")}.onnx`);
  await writeFile(path, encodeOnnx(graph));
  return path;
}

test.each(["probability", "channels"] as const)("finds the ball where it lies, by a %s", async (kind) => {
  const { volume, ball } = scan();
  const brain = await openBrainNetwork(await written(network(kind)), 5, 1);
  const found = await brain.find(volume, "t1");
  await brain.close();
  let both = 0;
  for (let i = 0; i < ball.length; i++) both += found[i] & ball[i];
  const sum = found.reduce((a, b) => a + b, 0) + ball.reduce((a, b) => a + b, 0);
  expect((2 * both) / sum).toBeGreaterThan(0.94);
});

it("is heard in LPS order: a ball that it answers left, behind and below the middle lies there", async () => {
  const [side, spacing] = [64, 5];
  const away: Triple = [6, 4, -2];
  const ball = Float32Array.from({ length: side ** 3 }, (_, i) => {
    const at = [i % side, Math.floor(i / side) % side, Math.floor(i / side ** 2)];
    return spacing * Math.hypot(...at.map((x, axis) => x - (side - 1) / 2 - away[axis])) < 58 ? 1 : 0;
  });
  const shape = [1, 1, side, side, side];
  const graph: Graph = {
    ...network("probability", side),
    initializers: new Map([
      ["nothing", float32Tensor([], [0])],
      ["ball", float32Tensor(shape, ball)],
    ]),
    nodes: [node("Mul", ["head", "nothing"], "none"), node("Add", ["none", "ball"], "brain")],
  };
  const path = join(root, "ball.onnx");
  await writeFile(path, encodeOnnx(graph));
  const brain = await openBrainNetwork(path, spacing, 1);
  const found = await brain.find(scan().volume, "t1");
  await brain.close();
  const places = [...found.entries()].filter(([, inside]) => inside === 1).map(([i]) => placeOf(i));
  const centre = [0, 1, 2].map((axis) => places.reduce((sum, at) => sum + at[axis], 0) / places.length);
  const middle = applyAffine(TILTED, DIMS.map((n) => (n - 1) / 2) as unknown as Triple);
  [-30, -20, -10].forEach((mm, axis) => expect(Math.abs(centre[axis] - middle[axis] - mm)).toBeLessThan(1));
});

it("refuses other interfaces, and an answer that is no brain's size", async () => {
  const open = {
    ...network("probability"),
    inputs: [{ name: "head", dtype: "float32" as const, shape: ["N", 1, "D", "H", "W"] }],
  };
  const path = join(root, "open.onnx");
  await writeFile(path, encodeOnnx(open));
  await expect(openBrainNetwork(path, 2, 1)).rejects.toMatchObject({ code: "shape-mismatch" });
  const { volume } = scan();
  const small = await openBrainNetwork(await written(network("probability", 24)), 1, 1);
  await expect(small.find({ ...volume, data: volume.data.map(() => 50) }, "t1")).rejects.toMatchObject({
    code: "brain-not-found",
  });
  await small.close();
});
