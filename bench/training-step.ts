/**
 * Time and memory of one training step of UNet3D or SegResNet3D, warm, median of the runs.
 *
 *   npx tsx bench/training-step.ts [--network unet3d|segresnet3d] [--base 8] [--stem 1] [--detail] [--levels 4] [--side 64] [--threads 2] [--runs 12]
 *
 * Beside PyTorch: bench/side-by-side.ts.
 */
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
const report = {
  network: network.name,
  base,
  levels,
  side,
  threads,
  runs,
  consilium: ours,
};
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
else {
  const { medianMs, processorMs, peakRssMb } = ours;
  process.stdout.write(
    `${network.name}, ${side}^3, ${threads} threads, median of ${runs}\n` +
      `${medianMs.toFixed(0)} ms, ${processorMs.toFixed(0)} ms of processors, ${peakRssMb.toFixed(0)} MB\n`,
  );
}

function median(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
