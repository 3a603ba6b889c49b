/** The study that `simulate`, `train` and `demo` run unless a study file says otherwise. */
import { type Study, studySchema } from "../study/index.ts";

export interface StudyOverrides {
  readonly name?: string | undefined;
  readonly rounds?: number | undefined;
  readonly seed?: number | undefined;
  readonly threads?: number | undefined;
  readonly spacingMm?: number | undefined;
  readonly learningRate?: number | undefined;
  readonly patchesPerCase?: number | undefined;
  /** Masks sums, with this threshold. */
  readonly maskingThreshold?: number | undefined;
}

const DEFAULTS = {
  schema: "consilium.study/1",
  name: "Brain tumour segmentation",
  task: { spacingMm: 2 },
  network: { kind: "unet3d", levels: 4, baseFeatures: 8 },
  training: {
    optimiser: { kind: "sgd", learningRate: 0.03, momentum: 0.9, nesterov: true, weightDecay: 3e-5 },
    patch: [48, 48, 48],
    batch: 1,
    stepsPerRound: { patchesPerCase: 8 },
    threads: 1,
  },
  rounds: { count: 20 },
} as const;

export function defaultStudy(overrides: StudyOverrides): Study {
  return withOverrides(studySchema.parse(DEFAULTS), overrides);
}

/** The same study with other rounds, seed and so on; parsed again, so that every value is checked. */
export function withOverrides(study: Study, overrides: StudyOverrides): Study {
  const { name, rounds, seed, threads, spacingMm, learningRate, patchesPerCase, maskingThreshold } = overrides;
  return studySchema.parse({
    ...study,
    ...(name !== undefined && { name }),
    task: { ...study.task, ...(spacingMm !== undefined && { spacingMm }) },
    training: {
      ...study.training,
      ...(seed !== undefined && { seed }),
      ...(threads !== undefined && { threads }),
      ...(patchesPerCase !== undefined && { stepsPerRound: { patchesPerCase } }),
      ...(learningRate !== undefined && { optimiser: { ...study.training.optimiser, learningRate } }),
    },
    privacy: {
      ...study.privacy,
      ...(maskingThreshold !== undefined && {
        secureAggregation: study.privacy.secureAggregation ?? { threshold: maskingThreshold },
      }),
    },
    rounds: { ...study.rounds, ...(rounds !== undefined && { count: rounds }) },
  });
}
