/**
 * Time and memory of one training step of UNet3D, warm, median of the runs.
 *
 *   npx tsx bench/training-step.ts [--base 8] [--stem 1] [--detail] [--levels 4] [--side 64] [--threads 2] [--runs 12] [--python PYTHON]
 *
 * With --python, an interpreter that has PyTorch, the same network, weights' shapes, batch and threads are timed there
 * too (bench/pytorch/training_step.py), one process after the other, and the ratio of medians is printed.
 */
import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";
import { unet3d } from "../src/networks/index.ts";
import { openTrainingSession } from "../src/runtime/index.ts";
import { networkParameters } from "../src/training/index.ts";

const { values } = parseArgs({
  options: {
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

const network = unet3d({
  inputChannels: CHANNELS,
  classes: CLASSES,
  stem: Number(values.stem),
  detail: values.detail,
  mirror: false,
  levels,
  baseFeatures: base,
  maxFeatures: 320,
  seed: 1,
});
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
for (let i = 0; i < runs + 2; i++) {
  const start = performance.now();
  await session.step({ image, labels }, 0.01);
  if (i >= 2) times.push(performance.now() - start);
}
await session.close();
const ours = {
  medianMs: median(times),
  peakRssMb: process.resourceUsage().maxRSS / 1024,
  openMs,
  parameters: parameters.data.length,
};
const theirs = values.python === undefined ? undefined : pytorch(values.python);
const report = {
  base,
  levels,
  side,
  threads,
  runs,
  consilium: ours,
  ...(theirs && { pytorch: theirs, ratio: ours.medianMs / theirs.medianMs }),
};
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
else {
  const row = (name: string, { medianMs, peakRssMb }: { medianMs: number; peakRssMb: number }): string =>
    `${name.padEnd(12)} ${medianMs.toFixed(0).padStart(7)} ms ${peakRssMb.toFixed(0).padStart(7)} MB\n`;
  process.stdout.write(`base ${base}, ${levels} levels, ${side}^3, ${threads} threads, median of ${runs}\n`);
  process.stdout.write(row("consilium", ours));
  if (theirs !== undefined) {
    process.stdout.write(row("PyTorch", theirs));
    process.stdout.write(`ratio        ${(ours.medianMs / theirs.medianMs).toFixed(2)}\n`);
  }
}

function pytorch(python: string): { medianMs: number; peakRssMb: number } {
  const script = new URL("./pytorch/training_step.py", import.meta.url).pathname;
  const args = [script, "--base", base, "--levels", levels, "--side", side, "--threads", threads, "--runs", runs].map(
    String,
  );
  return JSON.parse(execFileSync(python, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })) as {
    medianMs: number;
    peakRssMb: number;
  };
}

function median(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
