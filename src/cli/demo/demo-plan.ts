/** How large the demonstration is: its hospitals, their scanners, its study. The quick one shows that all parts work. */
import { type Study, studySchema } from "../../study/index.ts";

export interface DemoPlan {
  readonly hospitals: readonly { readonly id: string; readonly name: string; readonly cases: number }[];
  readonly heldOut: number;
  readonly spacingMm: number;
  readonly study: Study;
}

export interface DemoSize {
  readonly quick: boolean;
  readonly seed: number;
  /** Of each hospital's engine. */
  readonly threads: number;
}

const HOSPITALS = [
  { id: "north", name: "North" },
  { id: "harbour", name: "Harbour" },
  { id: "hill", name: "Hill" },
] as const;

export function demoPlan({ quick, seed, threads }: DemoSize): DemoPlan {
  const spacingMm = quick ? 4 : 3;
  const study = studySchema.parse({
    schema: "consilium.study/1",
    name: quick ? "Brain tumours, phantoms, quick" : "Brain tumours, phantoms",
    task: { spacingMm },
    network: { kind: "unet3d", levels: 3, baseFeatures: 8 },
    training: {
      optimiser: { kind: "sgd", learningRate: 0.03, momentum: 0.9, nesterov: true, weightDecay: 3e-5 },
      patch: [32, 32, 32],
      batch: 1,
      stepsPerRound: { patchesPerCase: quick ? 3 : 5 },
      threads,
      seed,
    },
    rounds: { count: quick ? 4 : 14, deadlineS: 3600, evaluateEvery: quick ? 2 : 2 },
  });
  return {
    hospitals: HOSPITALS.map((hospital) => ({ ...hospital, cases: quick ? 5 : 9 })),
    heldOut: quick ? 2 : 6,
    spacingMm,
    study,
  };
}
