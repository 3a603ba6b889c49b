/**
 * The study file: everything a federation does, declared as data. A site reads, approves and signs exactly this;
 * nothing outside it changes what runs there. Unknown keys are refused, because a key that is not understood may
 * be the one that mattered.
 */
import { z } from "zod";
import { LIMITS } from "../base/index.ts";
import { statisticsSchema } from "./statistics-schema.ts";
import { trainingSchema } from "./training-schema.ts";

const positive = z.number().positive();
const count = z.number().int().min(1);
const sides = z.tuple([count.max(7), count.max(7), count.max(7)]);

export const MODALITIES = ["t1", "t1ce", "t2", "flair"] as const;
export type Modality = (typeof MODALITIES)[number];

const task = z.strictObject({
  /** Regions as unions of classes; everywhere in the order from the largest to the smallest. */
  regions: z.record(z.string(), z.array(count).min(1)).default({ WT: [1, 2, 3], TC: [1, 3], ET: [3] }),
  /** What the network's output channels are: classes that exclude each other, or regions, the largest first. */
  outputs: z.enum(["classes", "regions"]).default("classes"),
  /** Class names in the order of the network's output channels; class 0 is background. */
  labels: z.array(z.string()).min(2).default(["background", "necroticCore", "oedema", "enhancingTumour"]),
  channels: z
    .array(z.enum(MODALITIES))
    .min(1)
    .default([...MODALITIES]),
  /** Isotropic working resolution. */
  spacingMm: positive.default(1),
  /** Scans that a case may lack: the network sees zeros in their place, as `channelDropout` trains it to. */
  mayMiss: z.array(z.enum(MODALITIES)).min(1).optional(),
  /** Rules for every label map that the model draws, in its evaluation too. */
  postProcessing: z
    .strictObject({
      /** Connected tumour (26 neighbours) of less volume becomes background. */
      smallestTumourMm3: positive.optional(),
      /** Enhancing tumour of less volume in all becomes necrotic core. */
      smallestEnhancingMm3: positive.optional(),
    })
    .optional(),
});

const network = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("unet3d"),
    /** Side of the blocks of voxels that the network embeds as one; 1 is every voxel by itself. */
    stem: z.number().int().min(1).max(4).default(1),
    /** Join the image to the last level's result, so that outlines follow voxels and not blocks. */
    detail: z.boolean().default(false),
    /** Show the network the image beside its mirror image, left for right: healthy brains are nearly symmetric. */
    mirror: z.boolean().default(false),
    /** Resolution levels, the first one included. */
    levels: z.number().int().min(2).max(7).default(4),
    /** Features at the first level; they double with each further one. */
    baseFeatures: count.default(16),
    maxFeatures: count.default(320),
    /** Features of each level, instead of doubling ones. */
    features: z.array(count).optional(),
    /** Kernel of each level along x, y, z: odd sides. */
    kernels: z.array(sides).optional(),
    /** Stride along x, y, z into each level but the first. */
    strides: z.array(sides).optional(),
    encoder: z.enum(["plain", "residual"]).default("plain"),
    /** Blocks of each encoder level; two each if not said. */
    encoderBlocks: z.array(count.max(16)).optional(),
    /** Blocks of each decoder level; two, or one behind a residual encoder. */
    decoderBlocks: count.max(16).optional(),
    /** Train the decoder's coarser levels too. */
    deepSupervision: z.boolean().default(false),
  }),
  z.strictObject({
    kind: z.literal("segresnet3d"),
    /** Features at the first level; they double with each further one. */
    baseFeatures: count.default(16),
    /** Residual blocks of each encoder level. */
    encoderBlocks: z.array(count.max(16)).min(2).max(7).default([1, 2, 2, 4]),
    /** Residual blocks of each decoder level, coarsest first. */
    decoderBlocks: z.array(count.max(16)).min(1).max(6).default([1, 1, 1]),
    /** Groups of channels that are normalised together. */
    groups: count.default(8),
  }),
  z.strictObject({
    kind: z.literal("onnx"),
    /** Path of the model file, relative to the study file; the study carries its hash once submitted. */
    file: z.string(),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .optional(),
  }),
]);

/** Differential privacy of each patient of a site (DP-SGD, Abadi et al. 2016); unit: a patient with all scans. */
const patientLevel = z.strictObject({
  /** The largest L2 norm of what one patient adds to the sum of a step. */
  clipNorm: positive,
  /** Standard deviation of the noise over clipNorm. */
  noiseMultiplier: z.number().min(0.1).max(1000),
  /** Chance that a patient takes part in a step, drawn anew for each patient and step. */
  samplingRate: z.number().positive().max(1),
  /** Patches of each scan of a patient who takes part; their gradients are summed before they are clipped. */
  patchesPerScan: z.number().int().min(1).max(64).default(1),
  /** Chance that the guarantee fails, by which the study's epsilon is told; below one over the patients of a site. */
  delta: z.number().gt(0).max(0.01),
});

/** Differential privacy of each site's whole contribution (Kairouz et al. 2021), by noise in shares under masks. */
const siteLevel = z.strictObject({
  /** The largest L2 norm of a site's update; of the first round, where it follows the data. */
  clipNorm: positive,
  /** Standard deviation of the noise on the sum over clipNorm. */
  noiseMultiplier: z.number().min(0.01).max(1000),
  /** Chance that the guarantee fails, by which the study's epsilon is told. */
  delta: z.number().gt(0).max(0.01),
  /** Sites of the threshold whose noise is not counted on. */
  colluders: z.number().int().min(0).default(0),
  /** With weights by cases: a site weighs its cases, at most so many. */
  weightCap: count.max(100_000).optional(),
  /** The clip norm follows a quantile of the updates' norms (Andrew et al. 2021). */
  adaptive: z
    .strictObject({
      targetQuantile: z.number().min(0).max(1).default(0.5),
      learningRate: positive.default(0.2),
      /** Standard deviation of the noise on the count of sites within the clip norm: above half the multiplier. */
      countDeviation: positive,
    })
    .optional(),
});

const rounds = z.strictObject({
  count,
  /** Sites whose updates close a round: `all`, or a number with the deadline. */
  quorum: z.union([z.literal("all"), count]).default("all"),
  /** Sites that train in a round, drawn by seed, all equally often; all where it is absent, or where no more take part. */
  sitesPerRound: count.optional(),
  /** Seconds after which a round closes with the updates at hand if the quorum is reached, and fails if not. */
  deadlineS: positive.default(86_400),
  /** The global model is evaluated at the sites after every n-th round, and after the last. */
  evaluateEvery: count.default(1),
  /** The study ends before its last round where so many evaluations in a row bring no gain in mean Dice. */
  stopEarly: z.strictObject({ patience: count, gain: z.number().min(0).lt(1).default(0) }).optional(),
  /**
   * A site that cannot finish its steps before the deadline returns what it has, if that is at least this share of them;
   * its weight is divided by the share, so that the mean is not biased towards the fast.
   */
  partialWork: z.strictObject({ leastShare: z.number().gt(0).max(1).default(0.25) }).optional(),
  /** Each site scores the model that a round starts from and its own one after training, on its validation cases. */
  evaluateLocal: z.boolean().optional(),
  /**
   * The cross-site matrix, after the last round or those named: each site's own model of the round goes to every site,
   * and is measured on its validation cases.
   */
  crossSite: z.union([z.literal("last"), z.array(count).min(1).max(LIMITS.crossSiteRounds)]).optional(),
});

export const studySchema = z.strictObject({
  schema: z.literal("consilium.study/1"),
  name: z.string().min(1).max(200),
  /** Under which the model may be used, as an SPDX expression or in words. */
  licence: z.string().min(1).max(500).optional(),
  task: task.default(task.parse({})),
  network,
  training: trainingSchema,
  rounds,
  /** Statistics of the sites' data, asked for once, before the first round. */
  statistics: statisticsSchema.optional(),
  aggregation: z
    .strictObject({
      algorithm: z.literal("fedavg").default("fedavg"),
      weightBy: z.enum(["cases", "equal"]).default("cases"),
      /** Bits of one coordinate of an update, sign included. */
      precisionBits: z.number().int().min(16).max(32).default(28),
      /**
       * How an update is written for the way: a whole number in 32 bits, or in about half or a quarter of that, rounded.
       * What rounding took the site adds to its next update.
       */
      encoding: z.enum(["int32", "float16", "int8"]).optional(),
    })
    .default({ algorithm: "fedavg", weightBy: "cases", precisionBits: 28 }),
  privacy: z
    .strictObject({
      /** The coordinator sees only the sum of the updates. */
      secureAggregation: z
        .strictObject({
          /** The fewest sites that a sum is made of: more than half of the roster. */
          threshold: z.number().int().min(2),
          /** With more sites than so many, each masks with its neighbours alone (Bell et al. 2020). */
          neighbours: z
            .strictObject({
              aboveSites: count.max(LIMITS.sitesPerFederation),
              /** Neighbours of each site: an even number. */
              count: z.number().int().min(2).max(254),
              /** Shares that open a secret: more than half of a site, its neighbours and the colluders; just so many unless given. */
              threshold: z.number().int().min(2).max(255).optional(),
              /** Sites that may help a dishonest coordinator, wherever they stand. */
              colluders: z.number().int().min(0).default(0),
            })
            .optional(),
        })
        .optional(),
      patientLevel: patientLevel.optional(),
      siteLevel: siteLevel.optional(),
    })
    .default({}),
  /** Sites that train nothing: models are measured on all their cases, and none is chosen by them. */
  evaluateOnly: z.array(z.string().min(1).max(64)).min(1).max(1000).optional(),
  /** Whether a site's own figures travel to the coordinator, or only inside the masked sum. */
  metrics: z.enum(["perSite", "summed"]).default("perSite"),
  /** A site with fewer validation cases reports no figures of its own; in a masked sum none is its own. */
  minCasesPerMetric: count.default(1),
  /** Large objects kept by the coordinator: every update, the last N rounds' or none after their round. */
  retain: z.union([z.enum(["none", "all"]), z.string().regex(/^last:[1-9][0-9]*$/)]).default("last:2"),
  /** Weights to start from (safetensors), instead of seeded random ones. */
  initial: z
    .strictObject({
      file: z.string(),
      sha256: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .optional(),
    })
    .optional(),
});

export type Study = z.infer<typeof studySchema>;
export type NetworkSpec = Study["network"];

/** What an amount by axis says of one axis. */
export function ofAxis(amount: number | readonly [number, number, number], axis: number): number {
  return typeof amount === "number" ? amount : amount[axis];
}
