/**
 * Compares a network's training step with vectors that another framework computed: logits, loss, every gradient and
 * three steps of SGD and AdamW. The step is built by the function that training uses.
 *
 * Relative error of a tensor is max |a - b| / max |b|. A gradient whose largest element is below 1e-6 of the largest
 * of all (a bias before a normalisation) is rounding noise: it is named, compared absolutely, and its AdamW result,
 * in which noise is divided by noise, only held to within three learning rates. A norm's running mean follows a bias
 * before it by 1 - momentum of the way in each pass, and is held to so much.
 */
import { ConsiliumError } from "../base/index.ts";
import { type Graph, type ParameterLayout, parameterView, type StoredTensor } from "../graph/index.ts";
import type { OptimiserSpec } from "../study/index.ts";
import { networkParameters, runningMeansOf } from "../training/index.ts";
import { openTrainingSession } from "./training-session.ts";

const TOLERANCE = { logits: 1e-5, loss: 1e-5, tensors: 1e-4, vanishing: 1e-5 } as const;
const VANISHING_BELOW = 1e-6;
const STEPS = 3;

const SGD: OptimiserSpec = { kind: "sgd", learningRate: 0.02, momentum: 0.9, nesterov: true, weightDecay: 3e-5 };
const ADAMW: OptimiserSpec = {
  kind: "adamw",
  learningRate: 1e-3,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 1e-2,
};

export interface VectorLosses {
  readonly initial: number;
  readonly sgd: readonly number[];
  readonly adamw: readonly number[];
}

export interface Verification {
  /** Largest relative errors. */
  readonly logits: number;
  readonly loss: number;
  readonly gradients: { readonly max: number; readonly worst: string; readonly vanishing: readonly string[] };
  readonly sgd: number;
  readonly adamw: number;
  readonly operators: readonly string[];
  /** Tensors that the vectors name and the network has not. */
  readonly missing: readonly string[];
  /** What is out of tolerance, as the vectors name it. */
  readonly outside: readonly string[];
  readonly passed: boolean;
}

export async function verifyModel(
  network: Graph,
  vectors: ReadonlyMap<string, StoredTensor>,
  losses: VectorLosses,
  threads: number,
): Promise<Verification> {
  const x = floatsOf(vectors, "x");
  const batch = { image: x.values, labels: classesOf(vectors, "y") };
  const initial = networkParameters(network);
  const run = async (optimiser: OptimiserSpec): Promise<OptimiserRun> => {
    const session = await openTrainingSession(network, { inputShape: x.shape, optimiser, threads, withGradient: true });
    session.load(initial.data, null, 0);
    const results = [];
    for (let i = 0; i < STEPS; i++) results.push(await session.step(batch, optimiser.learningRate));
    const parameters = session.parameters().slice();
    await session.close();
    const first = results[0];
    const empty = new Float32Array();
    return {
      parameters,
      losses: results.map(({ loss }) => loss),
      gradient: first.gradient ?? empty,
      logits: first.logits ?? empty,
    };
  };
  const [sgd, adamw] = [await run(SGD), await run(ADAMW)];
  const { layout } = initial;
  const gradients = compareGradients(layout, sgd.gradient, vectors);
  const vanishing = new Set(gradients.vanishing);
  const missing = missingTensors(layout, vectors);
  const sgdError = compareParameters(layout, sgd.parameters, vectors, "sgd", new Map());
  const adamwError = compareParameters(layout, adamw.parameters, vectors, "adamw", adamwBounds(network, vanishing));
  const logits = relativeError(sgd.logits, floatsOf(vectors, "logits").values);
  const relative = (a: number, b: number): number => Math.abs(a - b) / Math.abs(b);
  const loss = Math.max(
    relative(sgd.losses[0], losses.initial),
    ...sgd.losses.map((value, i) => relative(value, losses.sgd[i])),
    ...adamw.losses.map((value, i) => relative(value, losses.adamw[i])),
  );
  const outside = [
    ...(logits <= TOLERANCE.logits ? [] : ["logits"]),
    ...(loss <= TOLERANCE.loss ? [] : ["losses"]),
    ...(gradients.max <= TOLERANCE.tensors ? [] : [`grad.${gradients.worst}`]),
    ...[...gradients.beyond, ...sgdError.beyond, ...adamwError.beyond],
    ...[sgdError, adamwError].flatMap(({ max, worst }) => (max <= TOLERANCE.tensors ? [] : [worst])),
  ];
  return {
    logits,
    loss,
    gradients: { max: gradients.max, worst: gradients.worst, vanishing: gradients.vanishing },
    sgd: sgdError.max,
    adamw: adamwError.max,
    operators: [...new Set(network.nodes.map(({ opType }) => opType))].sort(),
    missing,
    outside,
    passed: outside.length === 0 && missing.length === 0,
  };
}

/** How far AdamW may carry what has no gradient to speak of, by name: biases, and running means behind them. */
function adamwBounds(network: Graph, vanishing: ReadonlySet<string>): ReadonlyMap<string, number> {
  const absolute = STEPS * ADAMW.learningRate;
  return new Map([
    ...[...vanishing].map((name) => [name, absolute] as const),
    ...[...runningMeansOf(network, vanishing)].map(([name, momentum]) => [name, (1 - momentum) * absolute] as const),
  ]);
}

interface OptimiserRun {
  readonly parameters: Float32Array;
  readonly losses: readonly number[];
  readonly gradient: Float32Array;
  readonly logits: Float32Array;
}

function compareGradients(
  layout: ParameterLayout,
  gradient: Float32Array,
  vectors: ReadonlyMap<string, StoredTensor>,
): { max: number; worst: string; vanishing: string[]; beyond: string[] } {
  const named = layout.entries.flatMap((entry) => {
    const reference = vectors.get(`grad.${entry.name}`);
    if (reference === undefined) return [];
    return [{ name: entry.name, ours: parameterView({ layout, data: gradient }, entry), theirs: asFloats(reference) }];
  });
  const largest = Math.max(...named.map(({ theirs }) => maxAbs(theirs)));
  let [max, worst] = [0, ""];
  const vanishing: string[] = [];
  const beyond: string[] = [];
  for (const { name, ours, theirs } of named) {
    if (maxAbs(theirs) < VANISHING_BELOW * largest) {
      vanishing.push(name);
      if (!(maxDifference(ours, theirs) <= TOLERANCE.vanishing * largest)) beyond.push(`grad.${name}`);
      continue;
    }
    const error = relativeError(ours, theirs);
    if (error >= max || Number.isNaN(error)) [max, worst] = [error, name];
  }
  return { max, worst, vanishing, beyond };
}

/** @param bounds of those that are compared absolutely; the others are relatively. */
function compareParameters(
  layout: ParameterLayout,
  parameters: Float32Array,
  vectors: ReadonlyMap<string, StoredTensor>,
  kind: string,
  bounds: ReadonlyMap<string, number>,
): { max: number; worst: string; beyond: string[] } {
  let [max, worst] = [0, ""];
  const beyond: string[] = [];
  for (const entry of layout.entries) {
    const name = `${kind}.${entry.name}`;
    const reference = vectors.get(name);
    if (reference === undefined) continue;
    const [ours, theirs] = [parameterView({ layout, data: parameters }, entry), asFloats(reference)];
    const bound = bounds.get(entry.name);
    const error = relativeError(ours, theirs);
    if (bound !== undefined) beyond.push(...(maxDifference(ours, theirs) <= bound ? [] : [name]));
    else if (error > max || Number.isNaN(error)) [max, worst] = [error, name];
  }
  return { max, worst, beyond };
}

function missingTensors(layout: ParameterLayout, vectors: ReadonlyMap<string, StoredTensor>): string[] {
  const own = new Set(layout.entries.map(({ name }) => name));
  const named = [...vectors.keys()].flatMap((key) =>
    /^(grad|sgd|adamw)\./.test(key) ? [key.slice(key.indexOf(".") + 1)] : [],
  );
  const absent = layout.entries.flatMap(({ name, buffer }) =>
    vectors.has(`${buffer ? "sgd" : "grad"}.${name}`) ? [] : [name],
  );
  return [...new Set([...named.filter((name) => !own.has(name)), ...absent])].sort();
}

function floatsOf(
  vectors: ReadonlyMap<string, StoredTensor>,
  name: string,
): { values: Float32Array; shape: readonly number[] } {
  const tensor = required(vectors, name);
  return { values: asFloats(tensor), shape: tensor.shape };
}

function classesOf(vectors: ReadonlyMap<string, StoredTensor>, name: string): Uint8Array {
  const { dtype, bytes } = required(vectors, name);
  const copy = bytes.slice();
  return dtype === "I64" ? Uint8Array.from(new BigInt64Array(copy.buffer), Number) : copy;
}

function required(vectors: ReadonlyMap<string, StoredTensor>, name: string): StoredTensor {
  const tensor = vectors.get(name);
  if (tensor !== undefined) return tensor;
  throw new ConsiliumError("tensor-missing", {
    subject: "vectors",
    expected: `a tensor ${name}`,
    actual: "none",
    hint: "The vectors need x, y, logits, and grad., sgd. and adamw. of every parameter.",
  });
}

function asFloats({ bytes, dtype }: StoredTensor): Float32Array {
  const copy = bytes.slice().buffer;
  return dtype === "F64" ? Float32Array.from(new Float64Array(copy)) : new Float32Array(copy);
}

function maxAbs(values: Float32Array): number {
  return values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
}

function maxDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  return a.reduce((max, value, i) => Math.max(max, Math.abs(value - b[i])), 0);
}

function relativeError(a: Float32Array, b: Float32Array): number {
  return maxDifference(a, b) / maxAbs(b);
}
