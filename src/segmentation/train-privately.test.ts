/** Private training on the real engine: a small U-Net, patients with one scan and with two. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CaseFiles } from "../imaging/index.ts";
import { unet3d } from "../networks/index.ts";
import { type GradientSession, openGradientSession, openTrainingSession } from "../runtime/index.ts";
import { parseStudy, type Study } from "../study/index.ts";
import { networkParameters } from "../training/index.ts";
import { indexClasses } from "./patches.ts";
import { patientsOf, trainPrivately } from "./train-privately.ts";
import type { TrainingCase } from "./training-case.ts";

const SIDE = 8;
const network = unet3d({
  inputChannels: 2,
  classes: 4,
  stem: 1,
  detail: false,
  mirror: false,
  levels: 2,
  baseFeatures: 2,
  maxFeatures: 8,
  seed: 5,
});
const initial = networkParameters(network).data;
const plainSgd = { kind: "sgd", learningRate: 1, momentum: 0, nesterov: false, weightDecay: 0 } as const;
const inputShape = [1, 2, SIDE, SIDE, SIDE];

function studyWith(patientLevel: object): Study {
  return parseStudy({
    schema: "consilium.study/1",
    name: "private",
    task: { channels: ["t1", "flair"] },
    network: { kind: "unet3d", levels: 2, baseFeatures: 2 },
    training: { optimiser: plainSgd, patch: [SIDE, SIDE, SIDE], stepsPerRound: 2 },
    rounds: { count: 1 },
    privacy: { patientLevel: { clipNorm: 0.5, noiseMultiplier: 1, samplingRate: 1, delta: 1e-5, ...patientLevel } },
  });
}

function scanOf(id: string, subject: string): CaseFiles {
  return { id, subject, folder: "", images: { t1: "", t1ce: "", t2: "", flair: "" }, labelMap: "" };
}
const scans = [scanOf("b-1", "b"), scanOf("a-1", "a"), scanOf("b-2", "b")];

function volumeOf({ id }: CaseFiles): Promise<TrainingCase> {
  const voxels = 12 ** 3;
  const image = Float32Array.from({ length: 2 * voxels }, (_, i) => Math.sin(i * (1 + id.charCodeAt(2) / 100)));
  const labels = Uint8Array.from({ length: voxels }, (_, i) => (image[i] > 0.9 ? 1 + (i % 3) : 0));
  const brain = new Uint8Array(voxels).fill(1);
  return Promise.resolve({
    id,
    dims: [12, 12, 12],
    image,
    labels,
    brain,
    midlineX: 6,
    voxelsByClass: indexClasses(labels, brain, 4),
  });
}

let session: GradientSession;
beforeAll(async () => {
  session = await openGradientSession(network, { inputShape, optimiser: plainSgd, threads: 1 });
});
afterAll(() => session.close());

async function run(study: Study, cases = scans) {
  session.load(initial, null, 0);
  const seen: { gradients: number; steps: (number | undefined)[]; moved: number[] } = {
    gradients: 0,
    steps: [],
    moved: [],
  };
  const counting: GradientSession = {
    ...session,
    gradient: async (batch) => {
      seen.gradients++;
      return session.gradient(batch);
    },
  };
  let before = session.parameters().slice();
  const loss = await trainPrivately({
    study,
    session: counting,
    trainingCases: cases,
    open: volumeOf,
    steps: 2,
    learningRate: () => 1,
    onStep: (_, stepLoss) => {
      const after = session.parameters().slice();
      seen.steps.push(stepLoss);
      seen.moved.push(Math.hypot(...after.map((value, i) => value - before[i])));
      before = after;
    },
  });
  return { loss, ...seen, parameters: session.parameters().slice() };
}

describe("private training", () => {
  it("takes all scans and patches of each patient", async () => {
    const { gradients, loss, steps } = await run(studyWith({ patchesPerScan: 3 }));
    expect(gradients).toBe(2 * 3 * 3);
    expect(loss).toBeGreaterThan(0);
    expect(steps).toHaveLength(2);
  });

  it("moves by noise of the declared size, also where nobody takes part", async () => {
    const empty = await run(studyWith({ samplingRate: 1e-12 }));
    expect(empty.gradients).toBe(0);
    expect(empty.loss).toBeNull();
    expect(empty.steps).toEqual([undefined, undefined]);
    const expected = (0.5 * Math.sqrt(initial.length)) / (1e-12 * 2);
    for (const moved of empty.moved) {
      expect(moved / expected).toBeGreaterThan(0.9);
      expect(moved / expected).toBeLessThan(1.1);
    }
  });

  it("moves by at most the clip norm for each patient where noise is taken away from both", async () => {
    // Two patients, expected two: the mean of two clipped gradients, and noise of standard deviation 0.05 / 2.
    const { moved } = await run(studyWith({ noiseMultiplier: 0.1 }));
    const noise = (0.05 * Math.sqrt(initial.length)) / 2;
    for (const distance of moved) expect(distance).toBeLessThan(0.5 + 1.15 * noise);
  });

  it("gives other bits each time", async () => {
    const study = studyWith({});
    expect((await run(study)).parameters).not.toEqual((await run(study)).parameters);
  });

  it("groups scans by person", () => {
    expect(patientsOf(scans).map((patient) => patient.map(({ id }) => id))).toEqual([["a-1"], ["b-1", "b-2"]]);
  });
});

describe("a training step in two halves", () => {
  it.each([
    { kind: "sgd", learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 1e-3 },
    { kind: "adamw", learningRate: 0.01, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.01 },
  ] as const)("is the step: $kind", async (optimiser) => {
    const options = { inputShape, optimiser, threads: 1 };
    const [halves, whole] = await Promise.all([
      openGradientSession(network, options),
      openTrainingSession(network, options),
    ]);
    const { image, labels } = await volumeOf(scans[0]);
    const batch = { image: image.slice(0, 2 * SIDE ** 3), labels: labels.slice(0, SIDE ** 3) };
    for (const each of [halves, whole]) each.load(initial, null, 0);
    for (let step = 0; step < 3; step++) {
      const { loss, gradient } = await halves.gradient(batch);
      await halves.apply(gradient, 0.05);
      const expected = await whole.step(batch, 0.05);
      expect(loss).toBeCloseTo(expected.loss, 5);
    }
    const distance = (a: Float32Array, b: Float32Array): number => Math.hypot(...a.map((value, i) => value - b[i]));
    expect(distance(whole.parameters(), initial)).toBeGreaterThan(0.01);
    expect(distance(halves.parameters(), whole.parameters())).toBeLessThan(1e-4);
    await Promise.all([halves.close(), whole.close()]);
  });
});
