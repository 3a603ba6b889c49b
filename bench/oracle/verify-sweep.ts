/**
 * Trains every file that `export_sweep.py` wrote for three steps of SGD, and prints how far gradients and parameters are
 * from PyTorch's float64, for each network and exporter over the operator sets that the exporter wrote:
 * `npx tsx bench/oracle/verify-sweep.ts FOLDER [NAME...]`. Ends with exit code 1 where a file does not train.
 *
 * Each figure is the largest relative error of a tensor; gradients below 1e-6 of the largest say nothing, as in `model
 * verify`. A file that an exporter wrote in another set than it was asked for is told, and not trained again.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parameterView, readSafetensors, type StoredTensor } from "../../src/graph/index.ts";
import { openTrainingSession, readOnnxFile } from "../../src/runtime/index.ts";
import { networkParameters, withBatchStatistics } from "../../src/training/index.ts";

const THREADS = 2;
const STEPS = 3;
const VANISHING_BELOW = 1e-6;
const SGD = { kind: "sgd", learningRate: 0.02, momentum: 0.9, nesterov: true, weightDecay: 3e-5 } as const;

interface Attempt {
  readonly network: string;
  readonly exporter: string;
  readonly asked: number;
  /** The set that the file has. */
  readonly opset?: number;
  readonly trainedNorms: boolean;
  /** Why the exporter wrote none. */
  readonly refused?: string;
}

interface Outcome extends Attempt {
  readonly gradients?: number;
  readonly sgd?: number;
  readonly failed?: string;
}

type Vectors = ReadonlyMap<string, StoredTensor>;

const floats = ({ bytes }: StoredTensor): Float32Array => new Float32Array(bytes.slice().buffer);
const largest = (values: Float32Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

function tensor(vectors: Vectors, name: string): StoredTensor {
  const found = vectors.get(name);
  if (found === undefined) throw new Error(`no ${name} among PyTorch's answers`);
  return found;
}

async function train(folder: string, attempt: Attempt, vectors: Vectors): Promise<Outcome> {
  const { network: name, exporter, asked, trainedNorms } = attempt;
  if (attempt.refused !== undefined || attempt.opset !== asked) return attempt;
  try {
    const file = readOnnxFile(join(folder, `${name}.${exporter}.${asked}.onnx`));
    const network = withBatchStatistics(file, trainedNorms ? "averaged" : "asExported");
    const x = tensor(vectors, "x");
    const options = { inputShape: x.shape, optimiser: SGD, threads: THREADS, withGradient: true } as const;
    const session = await openTrainingSession(network, options);
    const { layout, data } = networkParameters(network);
    session.load(data, null, 0);
    const labels = Uint8Array.from(new BigInt64Array(tensor(vectors, "y").bytes.slice().buffer), Number);
    let gradient = new Float32Array();
    for (let step = 0; step < STEPS; step++) {
      const result = await session.step({ image: floats(x), labels }, SGD.learningRate);
      if (step === 0) gradient = new Float32Array(result.gradient ?? []);
    }
    const parameters = session.parameters().slice();
    await session.close();
    const errorOf = (kind: string, values: Float32Array): number => {
      const tensors = layout.entries
        .filter(({ buffer }) => !buffer || kind === "sgd")
        .map((entry) => {
          const reference = floats(tensor(vectors, `${kind}.${entry.name}`));
          const worst = largest(parameterView({ layout, data: values }, entry).map((value, i) => value - reference[i]));
          return { worst, size: largest(reference) };
        });
      const most = Math.max(...tensors.map(({ size }) => size));
      return Math.max(
        ...tensors.map(({ worst, size }) => worst / (kind === "grad" && size < VANISHING_BELOW * most ? most : size)),
      );
    };
    return { ...attempt, gradients: errorOf("grad", gradient), sgd: errorOf("sgd", parameters) };
  } catch (error) {
    return { ...attempt, failed: (error as Error).message.split("\n")[0] };
  }
}

/** 13, 14, 15 and 18 as "13 to 15, 18". */
function ranges(sets: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const set of sets) {
    const run = runs.at(-1);
    if (run !== undefined && run[1] === set - 1) run[1] = set;
    else runs.push([set, set]);
  }
  return runs.map(([from, to]) => (from === to ? `${from}` : `${from} to ${to}`)).join(", ") || "none";
}

function row(outcomes: readonly Outcome[]): string {
  const [{ network, exporter }] = outcomes;
  const trained = outcomes.filter(({ gradients }) => gradients !== undefined);
  const worst = (key: "gradients" | "sgd"): string =>
    trained.length === 0 ? "" : Math.max(...trained.map((each) => each[key] ?? Number.NaN)).toExponential(1);
  const notes = outcomes.flatMap(({ asked, opset, refused, failed }) => {
    if (failed !== undefined) return [`${asked}: ${failed}`];
    if (refused !== undefined) return [`${asked} is refused by the exporter: ${refused}`];
    return opset === asked ? [] : [`${asked} is written as ${opset}`];
  });
  const cells = [network, exporter, ranges(trained.map(({ asked }) => asked)), worst("gradients"), worst("sgd")];
  return `| ${[...cells, notes.join("; ")].join(" | ")} |\n`;
}

function groups(attempts: readonly Attempt[]): Attempt[][] {
  const found = new Map<string, Attempt[]>();
  for (const attempt of attempts) {
    const key = `${attempt.network} ${attempt.exporter}`;
    found.set(key, [...(found.get(key) ?? []), attempt]);
  }
  return [...found.values()];
}

async function main([folder, ...only]: readonly string[]): Promise<number> {
  if (folder === undefined) {
    console.error("Usage: npx tsx bench/oracle/verify-sweep.ts FOLDER [NAME...]");
    return 2;
  }
  const lines = readFileSync(join(folder, "sweep.jsonl"), "utf8").trim().split("\n");
  const attempts = lines
    .map((line) => JSON.parse(line) as Attempt)
    .filter(({ network }) => only.length === 0 || only.includes(network));
  process.stdout.write("| network | exporter | sets that train | gradients | three steps of SGD | |\n");
  process.stdout.write("| --- | --- | --- | --- | --- | --- |\n");
  let failed = attempts.length === 0;
  for (const group of groups(attempts)) {
    const vectors = readSafetensors(readFileSync(join(folder, `${group[0].network}.safetensors`)), group[0].network);
    const outcomes: Outcome[] = [];
    for (const attempt of group) outcomes.push(await train(folder, attempt, vectors));
    process.stdout.write(row(outcomes));
    failed ||= outcomes.some((outcome) => outcome.failed !== undefined);
  }
  return failed ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
