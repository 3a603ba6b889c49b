/**
 * Time and memory of one training step of UNet3D or SegResNet3D, warm, median of the runs.
 *
 *   npx tsx bench/training-step.ts [--network unet3d|segresnet3d] [--base 8] [--stem 1] [--detail] [--levels 4] [--side 64] [--threads 2] [--runs 12] [--python PYTHON]
 *
 * With --python, an interpreter that has PyTorch, the same network, weights' shapes, batch and threads are timed there
 * too (bench/pytorch/training_step.py), one process after the other, and the ratio of medians is printed.
 */
import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";
import { segResNet3d, unet3d } from "../src/networks/index.ts";
import { openTrainingSession } from "../src/runtime/index.ts";
import { networkParameters } from "../src/training/index.ts";

const { values } = parseArgs({
  options: {
    network: { type: "string", default: "unet3d" },
    base: { type: "string", default: "8" },
    stem: { type: "string", default: "1" },
    detail: { type: "boolean", default: false },
    levels: { type: "string", default: "4" },
    side: { type: "string", default: "64" },
    threads: { type: "string", default: "2" },
    runs: { type: "string", default: "12" },
    python: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const [base, levels, side, threads, runs] = [values.base, values.levels, values.side, values.threads, values.runs].map(
  Number,
);
const CHANNELS = 4;
const CLASSES = 4;

const ends = { inputChannels: CHANNELS, classes: CLASSES, baseFeatures: base, seed: 1 };
const network =
  values.network === "segresnet3d"
    ? segResNet3d({ ...ends, encoderBlocks: [1, 2, 2, 4], decoderBlocks: [1, 1, 1], groups: 8 })
    : unet3d({ ...ends, stem: Number(values.stem), detail: values.detail, mirror: false, levels, maxFeatures: 320 });
const parameters = networkParameters(network);
const openedAt = performance.now();
const session = await openTrainingSession(network, {
  inputShape: [1, CHANNELS, side, side, side],
  threads,
  optimiser: { kind: "sgd", learningRate: 0.01, momentum: 0.9, nesterov: true, weightDecay: 3e-5 },
});
const openMs = performance.now() - openedAt;
session.load(parameters.data, null, 0);
const volume = side ** 3;
const image = Float32Array.from({ length: CHANNELS * volume }, (_, i) => Math.sin(i * 0.37) + Math.cos(i * 0.011));
const labels = Uint8Array.from({ length: volume }, (_, i) => (image[i] > 1 ? 1 : image[i + volume] > 1.2 ? 2 : 0));
const times: number[] = [];
const processorTimes: number[] = [];
for (let i = 0; i < runs + 2; i++) {
  const [start, before] = [performance.now(), process.cpuUsage()];
  await session.step({ image, labels }, 0.01);
  const { user, system } = process.cpuUsage(before);
  if (i < 2) continue;
  times.push(performance.now() - start);
  processorTimes.push((user + system) / 1000);
}
await session.close();
const ours = {
  medianMs: median(times),
  processorMs: median(processorTimes),
  peakRssMb: process.resourceUsage().maxRSS / 1024,
  openMs,
  parameters: parameters.data.length,
};
const theirs = values.python === undefined ? undefined : pytorch(values.python);
const report = {
  network: network.name,
  base,
  levels,
  side,
  threads,
  runs,
  consilium: ours,
  ...(theirs && {
    pytorch: theirs,
    ratio: ours.medianMs / theirs.medianMs,
    processorRatio: ours.processorMs / theirs.processorMs,
  }),
};
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
else {
  const row = (name: string, { medianMs, processorMs, peakRssMb }: Timing): string =>
    `${name.padEnd(12)} ${medianMs.toFixed(0).padStart(7)} ms ${processorMs.toFixed(0).padStart(7)} ms of processors ${peakRssMb.toFixed(0).padStart(7)} MB\n`;
  process.stdout.write(`${network.name}, ${side}^3, ${threads} threads, median of ${runs}\n`);
  process.stdout.write(row("consilium", ours));
  if (theirs !== undefined) {
    process.stdout.write(row("PyTorch", theirs));
    const [wall, processor] = [ours.medianMs / theirs.medianMs, ours.processorMs / theirs.processorMs];
    process.stdout.write(`ratio        ${wall.toFixed(2)}, of processors ${processor.toFixed(2)}\n`);
  }
}

interface Timing {
  readonly medianMs: number;
  /** Time that all threads together spent on processors: what a busy machine changes least. */
  readonly processorMs: number;
  readonly peakRssMb: number;
}

function pytorch(python: string): Timing {
  const script = new URL("./pytorch/training_step.py", import.meta.url).pathname;
  const args = [
    script,
    "--network",
    values.network,
    "--base",
    base,
    "--levels",
    levels,
    "--side",
    side,
    "--threads",
    threads,
    "--runs",
    runs,
  ].map(String);
  return JSON.parse(execFileSync(python, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })) as Timing;
}

function median(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
