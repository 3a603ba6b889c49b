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

/**
 * Patches of the full demonstration hold nearly a whole brain: with small ones a network that has seen a thousand of
 * them still finds tumours where there are none.
 */
export function demoPlan({ quick, seed, threads }: DemoSize): DemoPlan {
  const study = studySchema.parse({
    schema: "consilium.study/1",
    name: quick ? "Brain tumours, phantoms, quick" : "Brain tumours, phantoms",
    task: { spacingMm: 4 },
    network: { kind: "unet3d", stem: 2, detail: true, levels: 3, baseFeatures: quick ? 8 : 16 },
    training: {
      optimiser: { kind: "sgd", learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 3e-5 },
      patch: quick ? [32, 32, 32] : [32, 40, 32],
      batch: 1,
      stepsPerRound: { patchesPerCase: quick ? 4 : 7 },
      // Phantoms are whole; variations for scans that are not would only cost steps.
      augmentation: { biasField: 1, limitedCoverage: 0, channelDropout: 0 },
      threads,
      seed,
    },
    rounds: { count: quick ? 4 : 24, deadlineS: 3600, evaluateEvery: quick ? 2 : 6 },
  });
  const hospitals = HOSPITALS.map((hospital) => ({ ...hospital, cases: quick ? 5 : 15 }));
  return { hospitals, heldOut: quick ? 2 : 9, spacingMm: 4, study };
}
