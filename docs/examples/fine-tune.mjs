/**
 * Fine-tunes a segmentation network from an ONNX file and saves it: `node fine-tune.mjs NETWORK.onnx TUNED.onnx`.
 *
 * The network is any that maps an image [N, C, D, H, W] to logits [N, K, D, H, W], as PyTorch exports it. The cases are
 * made here, noisy images with a bright ball of a random size and place; yours come from your own reader.
 */
import { writeFileSync } from "node:fs";
import { encodeOnnx } from "consilium/graph";
import { openForwardSession, openTrainingSession, readOnnxFile } from "consilium/runtime";
import { networkParameters, withParameters } from "consilium/training";

const [source, target] = process.argv.slice(2);
const SIDE = 16;
const STEPS = 60;
const THREADS = 2;
const LEARNING_RATE = 0.02;

const network = readOnnxFile(source);
const channels = Number(network.inputs[0].shape[1]);
const inputShape = [1, channels, SIDE, SIDE, SIDE];

/** Image [1, C, D, H, W] and classes [1, D, H, W]: 1 inside the ball, 0 outside. */
function makeCase(number) {
  const random = (k) => Math.abs(Math.sin(number * 12.9898 + k * 78.233) * 43758.5453) % 1;
  const centre = [0, 1, 2].map((k) => SIDE * (0.3 + 0.4 * random(k)));
  const radius = SIDE * (0.15 + 0.15 * random(3));
  const labels = new Uint8Array(SIDE ** 3);
  for (let i = 0; i < labels.length; i++) {
    const at = [Math.floor(i / SIDE ** 2), Math.floor(i / SIDE) % SIDE, i % SIDE];
    labels[i] = Math.hypot(...at.map((x, k) => x - centre[k])) < radius ? 1 : 0;
  }
  const image = Float32Array.from(
    { length: channels * SIDE ** 3 },
    (_, i) => 2 * labels[i % SIDE ** 3] + random(i) - 1,
  );
  return { image, labels, cases: [`ball ${number}`] };
}

const session = await openTrainingSession(network, {
  inputShape,
  threads: THREADS,
  optimiser: {
    kind: "adamw",
    learningRate: LEARNING_RATE,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weightDecay: 0.01,
  },
  objective: { loss: { kind: "crossEntropyAndDice", dice: { sumOver: "batch", perClass: true, background: false } } },
  clipNorm: 10,
});
session.load(networkParameters(network).data, null, 0);
for (let step = 1; step <= STEPS; step++) {
  const { loss } = await session.step(makeCase(step), LEARNING_RATE);
  if (step === 1 || step % 10 === 0) process.stdout.write(`step ${step}: loss ${loss.toFixed(4)}\n`);
}
const tuned = { layout: session.layout, data: session.parameters().slice() };
await session.close();

writeFileSync(target, encodeOnnx(withParameters(network, tuned)));

const saved = readOnnxFile(target);
const forward = await openForwardSession(saved, inputShape, { threads: THREADS });
const { image, labels } = makeCase(STEPS + 1);
const logits = await forward.run(image, networkParameters(saved).data);
await forward.close();
let right = 0;
for (let i = 0; i < labels.length; i++) {
  const scores = Array.from({ length: forward.classes }, (_, k) => logits[k * labels.length + i]);
  if (scores.indexOf(Math.max(...scores)) === labels[i]) right++;
}
process.stdout.write(`${target}: ${((100 * right) / labels.length).toFixed(1)} % of a new case's voxels are right\n`);
