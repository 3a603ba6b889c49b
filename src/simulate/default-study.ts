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

/** A box across every adult brain and along most of it: patches show the network nearly all of the brain. */
const PATCH_MM = [160, 160, 128] as const;
/** Keeps a step at fine resolutions within a few GB. */
const LARGEST_SIDE = 96;
const STEM = 2;
const LEVELS = 4;
const STRIDE = STEM * 2 ** (LEVELS - 1);

const DEFAULTS = {
  schema: "consilium.study/1",
  name: "Brain tumour segmentation",
  rounds: { count: 20, evaluateEvery: 5 },
} as const;

const NETWORK = { kind: "unet3d", stem: STEM, detail: true, levels: LEVELS, baseFeatures: 16 } as const;

const TRAINING = {
  optimiser: { kind: "sgd", learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 3e-5 },
  batch: 1,
  stepsPerRound: { patchesPerCase: 20 },
  threads: 1,
  // Wide enough for scanners that no site of a small federation has. Heads stay upright and evenly lit from left to
  // right, so that the network learns to trust the comparison of the sides.
  augmentation: {
    flip: [0.5, 0, 0],
    rotation: [15, 3, 3],
    stretch: 0.2,
    biasField: [0.5, 3, 3],
    intensityScale: 0.3,
    intensityShift: 0.3,
    gamma: 0.3,
  },
} as const;

const SPACING_MM = 2;

export function defaultStudy(overrides: StudyOverrides): Study {
  const spacingMm = overrides.spacingMm ?? SPACING_MM;
  const [width, ...others] = PATCH_MM.map((side) => Math.min(side / spacingMm, LARGEST_SIDE) / STRIDE);
  const patch = [Math.ceil(width), ...others.map(Math.floor)].map((strides) => Math.max(1, strides) * STRIDE);
  const network = { ...NETWORK, mirror: patch[0] * spacingMm >= PATCH_MM[0] };
  const study = studySchema.parse({ ...DEFAULTS, network, task: { spacingMm }, training: { ...TRAINING, patch } });
  return withOverrides(study, overrides);
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
