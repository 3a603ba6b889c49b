/** Losses and optimisers against what PyTorch and MONAI compute in float64 (bench/oracle/loss_vectors.py). */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createGraphBuilder, parameterLayout } from "../graph/index.ts";
import type { LossSpec, OptimiserSpec, ParameterGroupSpec } from "../study/index.ts";
import {
  applyUpdate,
  differentiate,
  type Objective,
  objectiveLoss,
  parameterTreatments,
  statePerParameter,
  stepScalars,
} from "../training/index.ts";
import { openGraphSession } from "./graph-session.ts";

interface LossVector {
  readonly loss: LossSpec;
  readonly value: number;
  readonly gradient: readonly number[];
}
interface StepVector {
  readonly settings: {
    readonly optimiser: OptimiserSpec;
    readonly parameterGroups?: readonly ParameterGroupSpec[];
    readonly clipNorm?: number;
    readonly proximal?: number;
  };
  readonly parameters: readonly number[];
}
const vectors = JSON.parse(readFileSync(new URL("./testdata/loss-vectors.json", import.meta.url), "utf8")) as {
  readonly shape: readonly number[];
  readonly regions: readonly (readonly number[])[];
  readonly logits: readonly number[];
  readonly labels: readonly number[];
  readonly ofClasses: readonly LossVector[];
  readonly ofRegions: readonly LossVector[];
  readonly steps: readonly StepVector[];
};
const [cases, classes, ...sides] = vectors.shape;
const voxels = sides.reduce((product, side) => product * side, 1);

/** The loss of some outputs, each under its own shape, and its gradient by each. */
async function solve(
  objective: Objective,
  outputs: readonly { shape: readonly number[]; data: ArrayLike<number> }[],
  labels: readonly number[] = vectors.labels,
): Promise<{ value: number; gradients: readonly Float32Array[] }> {
  const b = createGraphBuilder(17);
  const names = outputs.map(({ shape }, i) => b.input(`logits${i}`, "float32", shape));
  const target = b.input("labels", "uint8", [cases, ...sides]);
  const loss = objectiveLoss(b, objective, names, target);
  const gradients = differentiate(b, loss, names);
  const made = names.flatMap((name) => gradients.get(name) ?? []);
  const session = await openGraphSession(b.build("loss", [loss, ...made]), { threads: 1 });
  const feeds = outputs.map(({ shape, data }, i) => [
    names[i],
    { dtype: "float32" as const, shape, data: Float32Array.from(data) },
  ]);
  const results = await session.run({
    ...Object.fromEntries(feeds),
    labels: { dtype: "uint8", shape: [cases, ...sides], data: Uint8Array.from(labels) },
  });
  await session.close();
  const byName = (name: string): Float32Array => results[gradients.get(name) ?? ""] ?? new Float32Array();
  return { value: results[loss][0], gradients: names.map(byName) };
}

function difference(ours: ArrayLike<number>, theirs: readonly number[]): number {
  expect(ours.length).toBe(theirs.length);
  return theirs.reduce((max, value, i) => Math.max(max, Math.abs(value - ours[i])), 0);
}

const largest = (values: readonly number[]): number => Math.max(...values.map(Math.abs));
const title = (spec: object): string => JSON.stringify(spec);
/** The channels that regions have, out of the vectors' logits. */
const regionLogits = vectors.logits.filter((_, i) => Math.floor(i / voxels) % classes < vectors.regions.length);

describe("losses over classes", () => {
  it.each(vectors.ofClasses.map((vector) => ({ title: title(vector.loss), ...vector })))("$title", async (vector) => {
    const { value, gradients } = await solve({ loss: vector.loss }, [{ shape: vectors.shape, data: vectors.logits }]);
    expect(Math.abs(value - vector.value)).toBeLessThan(1e-6 * Math.abs(vector.value) + 1e-7);
    expect(difference(gradients[0], vector.gradient)).toBeLessThan(5e-6 * largest(vector.gradient));
  });

  it("is finite, with its gradient, at logits of any size", async () => {
    const data = vectors.logits.map((v, i) => 1e4 * v * (i % 3));
    for (const { loss } of vectors.ofClasses) {
      const { value, gradients } = await solve({ loss }, [{ shape: vectors.shape, data }]);
      expect([value, ...gradients[0]].every(Number.isFinite), title(loss)).toBe(true);
    }
  });

  it("is zero, with a gradient of zero, where every voxel is ignored", async () => {
    const labels = vectors.labels.map(() => 2);
    const loss: LossSpec = { kind: "crossEntropy", ignoreLabel: 2, classWeights: [1, 2, 3, 4] };
    const { value, gradients } = await solve({ loss }, [{ shape: vectors.shape, data: vectors.logits }], labels);
    expect([value, largest([...gradients[0]])]).toEqual([0, 0]);
  });
});

describe("losses over regions", () => {
  const shape = [cases, vectors.regions.length, ...sides];
  it.each(vectors.ofRegions.map((vector) => ({ title: title(vector.loss), ...vector })))("$title", async (vector) => {
    const objective = { loss: vector.loss, regions: vectors.regions };
    const { value, gradients } = await solve(objective, [{ shape, data: regionLogits }]);
    expect(Math.abs(value - vector.value)).toBeLessThan(1e-6 * Math.abs(vector.value));
    expect(difference(gradients[0], vector.gradient)).toBeLessThan(5e-6 * largest(vector.gradient));
  });

  it("refuses another number of channels than regions", async () => {
    const objective = { loss: { kind: "regionCrossEntropy" } as const, regions: vectors.regions };
    await expect(solve(objective, [{ shape: vectors.shape, data: vectors.logits }])).rejects.toMatchObject({
      code: "shape-mismatch",
    });
  });
});

describe("deep supervision", () => {
  const loss: LossSpec = { kind: "crossEntropy" };
  const fine = { shape: vectors.shape, data: vectors.logits };
  const coarse = { shape: [cases, classes, 1, 3, 1], data: vectors.logits.slice(0, cases * classes * 3) };

  it("weighs each output's loss, the coarser ones at the middles of their blocks", async () => {
    const both = await solve({ loss, deepSupervision: [0.75, 0.25] }, [fine, coarse]);
    const alone = (await solve({ loss }, [fine])).value;
    // voxel (1, y, 1) of each block of 2 x 1 x 2, by hand
    const at = (n: number, y: number): number => vectors.labels[((n * sides[0] + 1) * sides[1] + y) * sides[2] + 1];
    let sum = 0;
    for (let n = 0; n < cases; n++) {
      for (let y = 0; y < 3; y++) {
        const scores = Array.from({ length: classes }, (_, k) => coarse.data[(n * classes + k) * 3 + y]);
        sum += Math.log(scores.reduce((total, score) => total + Math.exp(score), 0)) - scores[at(n, y)];
      }
    }
    expect(both.value).toBeCloseTo(0.75 * alone + (0.25 * sum) / (cases * 3), 5);
    expect(largest([...both.gradients[1]])).toBeGreaterThan(0);
  });

  it("refuses weights for other outputs than there are, and outputs whose sides do not divide the labels'", async () => {
    await expect(solve({ loss, deepSupervision: [1, 1, 1] }, [fine, coarse])).rejects.toMatchObject({
      code: "shape-mismatch",
    });
    const odd = { shape: [cases, classes, 2, 2, 2], data: vectors.logits.slice(0, cases * classes * 8) };
    await expect(solve({ loss, deepSupervision: [1, 1] }, [fine, odd])).rejects.toMatchObject({
      code: "shape-mismatch",
    });
  });
});

/** Three steps on the gradients of bench/oracle/loss_vectors.py. */
async function takeSteps({ settings }: StepVector, controlVariate?: Float32Array): Promise<Float32Array> {
  const { optimiser, parameterGroups, clipNorm, proximal } = settings;
  const layout = parameterLayout(
    new Map([
      ["a", [3]],
      ["b", [2]],
    ]),
  );
  const b = createGraphBuilder(17);
  const vector = (name: string, length = layout.length): string => b.input(name, "float32", [length]);
  const gradient = vector("gradient");
  const next = applyUpdate(
    b,
    {
      optimiser,
      treatments: parameterTreatments(layout, optimiser, parameterGroups),
      ...(clipNorm !== undefined && { clipNorm }),
      ...(proximal !== undefined && { proximal }),
    },
    {
      parameters: vector("parameters"),
      gradient: () => gradient,
      state: vector("state", statePerParameter(optimiser) * layout.length),
      scalars: vector("scalars", 4),
      ...(proximal !== undefined && { anchor: vector("anchor") }),
      ...(controlVariate !== undefined && { controlVariate: vector("controlVariate") }),
    },
    layout,
  );
  const session = await openGraphSession(b.build("update", [next.parameters, next.state]), { threads: 1 });
  const feed = (data: Float32Array) => ({ dtype: "float32" as const, shape: [data.length], data });
  let parameters: Float32Array = Float32Array.of(1, -2, 0.5, 0.3, -0.1);
  const anchor = parameters.map((w) => w + 0.5);
  let state: Float32Array = new Float32Array(statePerParameter(optimiser) * layout.length);
  for (let i = 1; i <= 3; i++) {
    const results = await session.run({
      parameters: feed(parameters),
      gradient: feed(Float32Array.of(0.5 * i, -i, 2 * i, -0.7 / i, 0.2 / i)),
      state: feed(state),
      scalars: feed(stepScalars(optimiser, i, optimiser.learningRate)),
      ...(proximal !== undefined && { anchor: feed(anchor) }),
      ...(controlVariate !== undefined && { controlVariate: feed(controlVariate) }),
    });
    [parameters, state] = [results[next.parameters], results[next.state]];
  }
  await session.close();
  return parameters;
}

describe("optimisers", () => {
  it.each(vectors.steps.map((vector) => ({ title: title(vector.settings), ...vector })))("$title", async (vector) => {
    expect(difference(await takeSteps(vector), vector.parameters)).toBeLessThan(1e-6);
  });

  it.each(vectors.steps.map(({ settings }) => ({ title: title(settings), settings })))(
    "leaves frozen parameters as they are, whatever pulls at them: $title",
    async ({ settings }) => {
      const pulled = { ...settings, parameterGroups: [{ names: ["b"], frozen: true }], proximal: 0.3 };
      const after = await takeSteps({ settings: pulled, parameters: [] }, Float32Array.of(1, 1, 1, 1, 1));
      expect([...after.slice(3)]).toEqual([...Float32Array.of(0.3, -0.1)]);
      expect(after[0]).not.toBe(1);
    },
  );

  it("adds a control variate to the gradient", async () => {
    const sgd = { kind: "sgd", learningRate: 0.1, momentum: 0, nesterov: false, weightDecay: 0 } as const;
    const vector = { settings: { optimiser: sgd }, parameters: [] };
    const [without, moved] = [await takeSteps(vector), await takeSteps(vector, Float32Array.of(1, 0, -2, 0, 0))];
    expect([...moved.map((w, i) => w - without[i])].map((d) => d.toFixed(5))).toEqual(
      [-0.3, 0, 0.6, 0, 0].map((d) => d.toFixed(5)),
    );
  });

  it("refuses a group that names no parameter", () => {
    const layout = parameterLayout(new Map([["encoder.weight", [3]]]));
    const sgd = { kind: "sgd", learningRate: 0.1, momentum: 0, nesterov: false, weightDecay: 0.1 } as const;
    const treat = (name: string) => parameterTreatments(layout, sgd, [{ names: [name], frozen: true }]);
    expect(treat("enc*.weight")).toEqual([{ weightDecay: 0, rateFactor: 0, frozen: true }]);
    expect(() => treat("encoder?weight")).toThrow(/\[tensor-missing\] parameter group encoder\?weight/);
  });
});
