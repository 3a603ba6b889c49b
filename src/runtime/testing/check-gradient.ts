/**
 * Holds a gradient rule against finite differences of the graph itself: the loss is a fixed random projection of the
 * operator's result, and for each input its derivative along a random direction is compared with a central difference.
 * The shapes that the rules say are compared with those that ONNX Runtime hands out.
 */
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { createRandom, invariant } from "../../base/index.ts";
import { attr, createGraphBuilder, elementCount, encodeOnnx, float32Tensor, type Graph } from "../../graph/index.ts";
import { differentiate, GRADIENT_RULES, type GradientRules } from "../../training/index.ts";
import type { GradientCase } from "./gradient-case.ts";

/** Between the two points of a central difference lie two steps. */
const STEP = 1e-2;
/** Largest difference in units of the gradient's norm, along a direction of standard normal numbers. */
export const TOLERANCE = 1.5e-2;
export const SEEDS: readonly string[] = ["a", "b", "c"];

export interface RunTensor {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly data: ArrayLike<number | bigint>;
}

export interface OpenGraph {
  run(feeds: Readonly<Record<string, RunTensor>>): Promise<Record<string, RunTensor>>;
  close(): Promise<void>;
}

/** A graph on ONNX Runtime as it is, with the types and shapes of its outputs. */
export async function openGraph(graph: Graph): Promise<OpenGraph> {
  const session = await InferenceSession.create(encodeOnnx(graph), { logSeverityLevel: 4, intraOpNumThreads: 1 });
  return {
    async run(feeds) {
      const tensors = Object.entries(feeds).map(([name, { dtype, shape, data }]) => [
        name,
        new OrtTensor(dtype as "float32", data as Float32Array, shape as number[]),
      ]);
      const results = await session.run(Object.fromEntries(tensors));
      return Object.fromEntries(
        Object.entries(results).map(([name, { dims, type, data }]) => [
          name,
          { shape: dims, dtype: type, data: data as ArrayLike<number | bigint> },
        ]),
      );
    },
    close: () => session.release(),
  };
}

export interface GradientCheck {
  /** By input, in units of the gradient's norm. */
  readonly errors: readonly number[];
  /** Values whose shape is another than the rules say. */
  readonly wrongShapes: readonly string[];
}

export async function checkGradient(
  { inputs, build, domain = (v) => v, opset = 17 }: GradientCase,
  seed: string,
  rules: GradientRules = GRADIENT_RULES,
): Promise<GradientCheck> {
  const random = createRandom(seed);
  const b = createGraphBuilder(opset);
  const names = inputs.map((shape, i) => b.input(`x${i}`, "float32", shape));
  const y = build(b, names);
  const outputShape = b.shape(y);
  const weights = Float32Array.from({ length: elementCount(outputShape) }, () => random.normal());
  const weighted = b.emit("Mul", [y, b.constant(float32Tensor(outputShape, weights))]);
  const axes = outputShape.map((_, i) => i);
  const loss = axes.length === 0 ? weighted : b.emit("ReduceSum", [weighted, b.ints(axes)], { keepdims: attr.int(0) });
  const gradients = differentiate(b, loss, names, rules);
  const made = names.flatMap((name) => gradients.get(name) ?? []);
  const session = await openGraph(b.build("test", [...new Set([loss, y, ...made])]));
  const at = inputs.map((shape, i) =>
    Float32Array.from({ length: elementCount(shape) }, (_, j) => domain(random.normal(), j, i)),
  );
  const run = (moved: number, direction: readonly number[], step: number): Promise<Record<string, RunTensor>> =>
    session.run(
      Object.fromEntries(
        inputs.map((shape, i) => {
          const data = i === moved ? at[i].map((v, j) => v + step * direction[j]) : at[i];
          return [names[i], { dtype: "float32", shape, data }];
        }),
      ),
    );
  const here = await run(-1, [], 0);
  const errors: number[] = [];
  for (const [i, name] of names.entries()) {
    const gradient = gradients.get(name);
    const slopes = gradient === undefined ? at[i].map(() => 0) : (here[gradient].data as Float32Array);
    const direction = Array.from(at[i], () => random.normal());
    const [ahead, behind] = [await run(i, direction, STEP), await run(i, direction, -STEP)];
    const difference = (Number(ahead[loss].data[0]) - Number(behind[loss].data[0])) / (2 * STEP);
    const along = slopes.reduce((sum, g, j) => sum + g * direction[j], 0);
    const norm = Math.sqrt(slopes.reduce((sum, g) => sum + g * g, 0));
    errors.push(Math.abs(along - difference) / (norm === 0 ? 1 : norm));
  }
  await session.close();
  const values = [y, ...made];
  const wrongShapes = values.filter((name) => here[name]?.shape.join() !== b.shape(name).join());
  invariant(errors.length === inputs.length, "an error for each input");
  return { errors, wrongShapes };
}

/** Gradients of the sum of the result at given values. */
async function gradientsAt(
  { inputs, build, opset = 17 }: GradientCase,
  at: readonly (readonly number[])[],
  rules: GradientRules = GRADIENT_RULES,
): Promise<number[][]> {
  const b = createGraphBuilder(opset);
  const names = inputs.map((shape, i) => b.input(`x${i}`, "float32", shape));
  const y = build(b, names);
  const loss = b.emit("ReduceSum", [y, b.ints(b.shape(y).map((_, i) => i))], { keepdims: attr.int(0) });
  const gradients = differentiate(b, loss, names, rules);
  const session = await openGraph(b.build("test", [loss, ...names.flatMap((name) => gradients.get(name) ?? [])]));
  const feeds = inputs.map((shape, i) => [names[i], { dtype: "float32", shape, data: Float32Array.from(at[i]) }]);
  const results = await session.run(Object.fromEntries(feeds));
  await session.close();
  return names.map((name) => Array.from(results[gradients.get(name) ?? ""]?.data ?? [], Number));
}

/** The names of the case's failures, over all seeds; none where the rule holds. */
export async function failuresOf(testCase: GradientCase, rules?: GradientRules): Promise<string[]> {
  if (testCase.kink !== undefined) {
    const made = await gradientsAt(testCase, testCase.kink.at, rules);
    return testCase.kink.gradients.flatMap((wanted, i) =>
      wanted.join() === made[i].join() ? [] : [`input ${i}: ${made[i].join(" ")} instead of ${wanted.join(" ")}`],
    );
  }
  const failures: string[] = [];
  for (const seed of SEEDS) {
    const { errors, wrongShapes } = await checkGradient(testCase, seed, rules);
    errors.forEach((error, i) => {
      if (!(error < TOLERANCE)) failures.push(`seed ${seed}: input ${i} is off by ${error.toExponential(1)}`);
    });
    for (const name of wrongShapes) failures.push(`seed ${seed}: ${name} has another shape`);
  }
  return failures;
}
