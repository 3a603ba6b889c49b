/**
 * Our side of one piece of work, in a process of its own: for each line "go" on standard input it does one turn (a
 * training step, or a window of a volume) and answers a line of JSON {ms, processorMs, value}. Weights and batch are
 * written to the folder that is given, for the other side to read.
 *
 *   node --import tsx bench/side-by-side/worker.ts WORK THREADS FOLDER
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Graph } from "../../src/graph/index.ts";
import { openForwardSession, openTrainingSession, type TrainingSession } from "../../src/runtime/index.ts";
import { predictVolume } from "../../src/segmentation/sliding-window.ts";
import { networkParameters } from "../../src/training/index.ts";
import { CHANNELS, networkOf, VOLUME, WORKS, type Work } from "./works.ts";

const [name, threadsText, folder] = process.argv.slice(2);
const work = WORKS.find((each) => each.name === name);
if (work === undefined) throw new Error(`no work ${name}`);
const threads = Number(threadsText);
const { side } = work;
const inputShape = [1, CHANNELS, side, side, side];

const turns = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
let began = { at: 0, processor: process.cpuUsage() };
async function awaitTurn(): Promise<boolean> {
  const { done } = await turns.next();
  began = { at: performance.now(), processor: process.cpuUsage() };
  return done !== true;
}
function endTurn(value: number): void {
  const ms = performance.now() - began.at;
  const { user, system } = process.cpuUsage(began.processor);
  const peakRssMb = process.resourceUsage().maxRSS / 1024;
  process.stdout.write(`${JSON.stringify({ ms, processorMs: (user + system) / 1000, value, peakRssMb })}\n`);
}

/** Smooth and the same everywhere, so that both sides have the same bits without a file of them. */
function intensities(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => Math.sin(i * 0.37) + Math.cos(i * 0.011));
}

/** In the order in which the network was built, each with its name, for the other side to take in the same order. */
function writeWeights(network: Graph): void {
  const order = [...network.initializers].filter(([key]) => !key.startsWith("/"));
  const index = order.map(([key, { shape }]) => ({ name: key, shape }));
  writeFileSync(join(folder, "weights.json"), JSON.stringify(index));
  const floats = order.flatMap(([, { data }]) => [data as Float32Array]);
  writeFileSync(
    join(folder, "weights.f32"),
    Buffer.concat(floats.map((data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength))),
  );
}

/** The network's own copies of its weights end with this function, as PyTorch's do when they are loaded. */
async function openSteps(network: Graph): Promise<TrainingSession> {
  writeWeights(network);
  const session = await openTrainingSession(network, {
    inputShape,
    threads,
    optimiser: { kind: "sgd", learningRate: 0.01, momentum: 0.9, nesterov: true, weightDecay: 3e-5 },
  });
  session.load(networkParameters(network).data, null, 0);
  return session;
}

async function steps(of: Work): Promise<void> {
  const image = intensities(CHANNELS * side ** 3);
  const labels = Uint8Array.from({ length: side ** 3 }, (_, i) =>
    image[i] > 1 ? 1 : image[i + side ** 3] > 1.2 ? 2 : 0,
  );
  writeFileSync(join(folder, "image.f32"), Buffer.from(image.buffer));
  writeFileSync(join(folder, "labels.u8"), labels);
  const session = await openSteps(networkOf(of));
  process.stdout.write("ready\n");
  while (await awaitTurn()) {
    const { loss } = await session.step({ image, labels }, 0.01);
    endTurn(loss);
  }
  await session.close();
}

async function windows(of: Work): Promise<void> {
  const network = networkOf(of);
  writeWeights(network);
  const { data } = networkParameters(network);
  const [w, h, d] = VOLUME;
  const image = intensities(CHANNELS * w * h * d);
  writeFileSync(join(folder, "image.f32"), Buffer.from(image.buffer));
  const session = await openForwardSession(network, inputShape, { threads });
  const { classes } = session;
  process.stdout.write("ready\n");
  const settings = { patch: [side, side, side], channels: classes, outputs: "classes", overlap: 0.5 } as const;
  let first = 0;
  const predict = async (window: Float32Array): Promise<Float32Array> => {
    if (!(await awaitTurn())) throw new Error("the volume was left before its end");
    const logits = await session.run(window, data);
    first = logits[0];
    return logits;
  };
  const probabilities = await predictVolume(image, [w, h, d], CHANNELS, settings, predict, () => endTurn(first));
  // the last turn: what is left to do after the last window is in it already but for the division
  process.stdout.write(`${JSON.stringify({ checksum: probabilities.reduce((sum, p, i) => sum + p * (i % 7), 0) })}\n`);
  await session.close();
}

await (work.kind === "step" ? steps(work) : windows(work));
process.exit(0);
