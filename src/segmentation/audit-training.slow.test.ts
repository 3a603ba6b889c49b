/**
 * An audit of private training as it runs: the real loop on a small network, with a patient or without, and what an
 * attacker who knows all else and sees the step tells of it.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { createRandom } from "../base/index.ts";
import type { CaseFiles } from "../imaging/index.ts";
import { networkOfStudy } from "../networks/index.ts";
import { epsilonFromBelow, type MembershipScores, plannedPrivacy } from "../privacy/index.ts";
import { type GradientSession, openGradientSession } from "../runtime/index.ts";
import { parseStudy, type Study } from "../study/index.ts";
import { networkParameters } from "../training/index.ts";
import { indexClasses } from "./patches.ts";
import { trainPrivately } from "./train-privately.ts";
import type { TrainingCase } from "./training-case.ts";

const SIDE = 4;
const RUNS = 300;
const DELTA = 1e-5;
const optimiser = { kind: "sgd", learningRate: 1, momentum: 0, nesterov: false, weightDecay: 0 } as const;
const study = parseStudy({
  schema: "consilium.study/1",
  name: "audited",
  task: { channels: ["t1"] },
  network: { kind: "unet3d", levels: 2, baseFeatures: 2 },
  training: { optimiser, patch: [SIDE, SIDE, SIDE], stepsPerRound: 1 },
  rounds: { count: 1 },
  privacy: { patientLevel: { clipNorm: 0.01, noiseMultiplier: 4, samplingRate: 1, delta: DELTA } },
});

/** The same study, but with next to no noise where 4 was promised: what a step without its noise amounts to. */
function withoutNoise(): Study {
  const { patientLevel } = study.privacy;
  if (patientLevel === undefined) throw new Error("a study with noise");
  return { ...study, privacy: { ...study.privacy, patientLevel: { ...patientLevel, noiseMultiplier: 1e-6 } } };
}

const patientOf = (id: string): CaseFiles => ({ id, subject: id, folder: "", images: { t1: "" }, labelMap: "" });
const others = [patientOf("a")];
const canary = patientOf("z");

/** The canary is all tumour, where the other has hardly any. */
async function volumeOf({ id }: CaseFiles): Promise<TrainingCase> {
  const random = createRandom("audited", id);
  const image = Float32Array.from({ length: SIDE ** 3 }, () => random.between(-1, 1));
  const labels = Uint8Array.from(image, (value) => (id === canary.id ? 3 : Number(value > 0.9)));
  const brain = new Uint8Array(SIDE ** 3).fill(1);
  const dims: [number, number, number] = [SIDE, SIDE, SIDE];
  return { id, dims, image, labels, brain, midlineX: SIDE / 2, voxelsByClass: indexClasses(labels, brain, 4) };
}

const network = networkOfStudy(study);
const initial = networkParameters(network).data;
let session: GradientSession;
beforeAll(async () => {
  session = await openGradientSession(network, { inputShape: [1, 1, SIDE, SIDE, SIDE], optimiser, threads: 1 });
});
afterAll(() => session.close());

/** The noised sum that one step of real training moves the network by, [P]. */
async function sumOfStep(audited: Study, withCanary: boolean): Promise<Float32Array> {
  const trainingCases = withCanary ? [...others, canary] : others;
  let sum = new Float32Array(0);
  session.load(initial, null, 0);
  await trainPrivately({
    study: audited,
    session: {
      ...session,
      apply: async (mean) => {
        sum = mean.map((value) => value * trainingCases.length);
      },
    },
    trainingCases,
    open: volumeOf,
    steps: 1,
    learningRate: () => 1,
    onStep: () => undefined,
  });
  return sum;
}

/** How far each step moved along what the canary adds. */
async function attack(audited: Study): Promise<MembershipScores> {
  const [seen, unseen] = [await sumOfStep(withoutNoise(), true), await sumOfStep(withoutNoise(), false)];
  const direction = seen.map((value, i) => value - unseen[i]);
  const scores: { withCanary: number[]; without: number[] } = { withCanary: [], without: [] };
  for (let run = 0; run < RUNS; run++) {
    for (const kind of ["withCanary", "without"] as const) {
      const sum = await sumOfStep(audited, kind === "withCanary");
      scores[kind].push(sum.reduce((total, value, i) => total + value * direction[i], 0));
    }
  }
  return scores;
}

const promised = plannedPrivacy(study)?.epsilon ?? 0;

it("shows no more than was promised of training with its noise", async () => {
  const scores = await attack(study);
  expect(new Set(scores.without).size).toBe(RUNS);
  expect(epsilonFromBelow(scores, { delta: DELTA })).toBeLessThanOrEqual(promised);
});

it("fails training without noise", async () => {
  expect(promised).toBeGreaterThan(0.5);
  expect(epsilonFromBelow(await attack(withoutNoise()), { delta: DELTA })).toBeGreaterThan(promised);
});
