/**
 * What a study says about training: loss, optimiser, schedule and steps. Everything here is declared; a site builds
 * its training step from it and from nothing else.
 */
import { z } from "zod";

const positive = z.number().positive();
const share = z.number().min(0).lt(1);
const count = z.number().int().min(1);
const probability = z.number().min(0).max(1);
/** One amount for every axis, or one for x (left and right), y and z each. */
const byAxis = <T extends z.ZodType<number, number>>(amount: T) => z.union([amount, z.tuple([amount, amount, amount])]);
const triple = z.tuple([count, count, count]);

/** How soft Dice (Milletari et al. 2016) is taken. */
const dice = z.strictObject({
  /** Sums run over the whole batch, or over each case by itself. */
  sumOver: z.enum(["batch", "sample"]).default("batch"),
  /** The mean of the classes' ratios, or one ratio of sums over all classes. */
  perClass: z.boolean().default(true),
  /** Count background as a class. */
  background: z.boolean().default(false),
});
const ignoreLabel = z.number().int().min(0).max(255).optional();
/** For outputs that are classes. */
const ofClasses = {
  /** One for each class, background first; a voxel counts by its class's. */
  classWeights: z.array(z.number().min(0)).optional(),
  /** Voxels of this class are left out. */
  ignoreLabel,
};
const gamma = z.number().min(1).default(2);

const loss = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("crossEntropy"), ...ofClasses }),
  z.strictObject({ kind: z.literal("dice"), dice: dice.default(dice.parse({})), ignoreLabel }),
  z.strictObject({ kind: z.literal("crossEntropyAndDice"), dice: dice.default(dice.parse({})), ...ofClasses }),
  /** Lin et al. 2017: hard voxels count more, by (1 - p)^gamma. */
  z.strictObject({ kind: z.literal("focal"), gamma, ...ofClasses }),
  z.strictObject({ kind: z.literal("focalAndDice"), gamma, dice: dice.default(dice.parse({})), ...ofClasses }),
  /** For outputs that are regions, each a sigmoid of its own. */
  z.strictObject({ kind: z.literal("regionCrossEntropy"), ignoreLabel }),
  z.strictObject({ kind: z.literal("regionCrossEntropyAndDice"), dice: dice.default(dice.parse({})), ignoreLabel }),
  /** As the FeTS initiative trained: the mean of the Dice of regions and of what is outside them. */
  z.strictObject({ kind: z.literal("regionMirroredDice"), ignoreLabel }),
]);

const betas = { beta1: share.default(0.9), beta2: share.default(0.999), epsilon: positive.default(1e-8) };
const optimiser = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("sgd"),
    learningRate: positive,
    momentum: share.default(0.9),
    nesterov: z.boolean().default(true),
    weightDecay: z.number().min(0).default(0),
  }),
  /** Weight decay is added to the gradient. */
  z.strictObject({
    kind: z.literal("adam"),
    learningRate: positive,
    ...betas,
    weightDecay: z.number().min(0).default(0),
  }),
  /** Weight decay is apart from the gradient. */
  z.strictObject({
    kind: z.literal("adamw"),
    learningRate: positive,
    ...betas,
    weightDecay: z.number().min(0).default(0.01),
  }),
]);

/** Parameters with a treatment of their own. */
const parameterGroup = z.strictObject({
  /** Names of parameters; `*` stands for any characters. Where several groups name one, the first holds. */
  names: z.array(z.string().min(1)).min(1),
  /** Instead of the optimiser's. */
  weightDecay: z.number().min(0).optional(),
  /** The learning rate is multiplied by it. */
  rateFactor: positive.optional(),
  /** They stay as they are. */
  frozen: z.boolean().default(false),
});

const schedule = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("constant") }),
  /** (1 - progress)^power. */
  z.strictObject({ kind: z.literal("polynomial"), power: positive.default(0.9) }),
  /** Half a cosine from 1 down to `least` (Loshchilov and Hutter 2017). */
  z.strictObject({ kind: z.literal("cosine"), least: z.number().min(0).max(1).default(0) }),
  /** Multiplied by `factor` after every so many rounds. */
  z.strictObject({ kind: z.literal("step"), everyRounds: positive, factor: z.number().positive().max(1).default(0.1) }),
]);

const augmentation = z.strictObject({
  /** Probability of mirroring, for each axis. */
  flip: byAxis(probability).default(0.5),
  /** Probability of a turn by a multiple of 90 degrees in a plane whose patch sides are equal. */
  rotate90: probability.default(0.25),
  /** Turned about each axis by an angle from [-x, x] degrees. */
  rotation: byAxis(z.number().min(0).max(180)).default(0),
  /** Stretched along each axis by a factor from [1 / (1 + x), 1 + x]. */
  stretch: z.number().min(0).max(1).default(0),
  /** Each channel is multiplied by a factor from [1 - x, 1 + x]. */
  intensityScale: z.number().min(0).lt(1).default(0.1),
  /** Each channel is shifted by a summand from [-x, x], in standard deviations. */
  intensityShift: z.number().min(0).default(0.1),
  /** Exponent from [1 - x, 1 + x] on the channel brought to [0, 1]. */
  gamma: z.number().min(0).lt(1).default(0.15),
  /** Standard deviation up to x of added Gaussian noise. */
  noise: z.number().min(0).default(0.05),
  /** Amplitude up to x, in standard deviations, of a smooth brightening along each axis of the patch, as coils make. */
  biasField: byAxis(z.number().min(0)).default(0.5),
  /** Probability, for each channel, of thick slices: averaged over 2 to 5 voxels along one axis. */
  lowResolution: probability.default(0.1),
  /** Probability, for each channel, that one end of the patch is blank, as if the scan had not reached so far. */
  limitedCoverage: probability.default(0.1),
  /** Probability, for each channel, of being blank, as if that scan were missing; one channel is always left. */
  channelDropout: probability.default(0.1),
});

export const trainingSchema = z.strictObject({
  loss: loss.default(loss.parse({ kind: "crossEntropyAndDice" })),
  /** Weights of the network's outputs, finest first, where it has several; without them only the first counts. */
  deepSupervision: z.array(z.number().min(0)).min(1).optional(),
  optimiser,
  parameterGroups: z.array(parameterGroup).default([]),
  /** The gradient's L2 norm over all parameters is scaled down to at most this. */
  clipNorm: positive.optional(),
  /** Weight mu of the proximal term mu / 2 |w - w0|^2 to the round's global model (Li et al. 2020, FedProx). */
  proximal: z.number().min(0).default(0),
  /** What a site returns: its last parameters, or their exponential moving average over the round's steps. */
  averageDecay: share.default(0),
  /** The learning rate over the study's rounds. */
  schedule: schedule.default({ kind: "polynomial", power: 0.9 }),
  /** Rounds, or a part of one, over which the learning rate rises from a hundredth of itself. */
  warmUpRounds: z.number().min(0).default(0),
  /**
   * Norms over the batch (BatchNormalization): as the network's file says, with the statistics that they came with, or
   * with each batch's own, while running statistics are averaged over the sites like weights or stay local to each (SiloBN,
   * Andreux et al. 2020: scales and shifts are averaged, statistics are not).
   */
  runningStatistics: z.enum(["asExported", "frozen", "averaged", "local"]).default("asExported"),
  /**
   * SCAFFOLD (Karimireddy et al. 2020): each gradient is corrected by how the site's differ from all sites'. Twice the
   * traffic.
   */
  controlVariate: z.boolean().default(false),
  /**
   * Optimiser moments between rounds: kept at the site, started anew, or averaged over the sites like weights. Shared
   * ones double the traffic, or triple it for Adam; others never travel.
   */
  optimiserState: z.enum(["keep", "reset", "share"]).default("keep"),
  /** Voxels along x, y, z at the working resolution; each divisible by the network's total stride. */
  patch: triple,
  batch: count.default(1),
  /** Batches whose mean gradient makes one step. */
  accumulate: count.max(1024).default(1),
  /** Probability that a patch is centred on tumour. */
  tumourPatches: probability.default(0.5),
  /** Gradient steps of a site in a round: a number, or patches for each training case (steps rounded up). */
  stepsPerRound: z.union([count, z.strictObject({ patchesPerCase: positive })]),
  augmentation: augmentation.default(augmentation.parse({})),
  /** Threads of one site's engine; explicit, because the bits depend on it. */
  threads: z.number().int().min(1).max(256).default(1),
  seed: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
});

export type TrainingSpec = z.infer<typeof trainingSchema>;
export type LossSpec = TrainingSpec["loss"];
export type OptimiserSpec = TrainingSpec["optimiser"];
export type ParameterGroupSpec = TrainingSpec["parameterGroups"][number];
export type AugmentationSpec = TrainingSpec["augmentation"];
