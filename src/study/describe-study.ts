/**
 * The study in plain words, for the person at a hospital who approves or refuses it: what will run, on which data,
 * what leaves, what never leaves, and what this study does not protect against. Every sentence is worked out from
 * the study itself.
 */

import { orderedRegions } from "./ordered-regions.ts";
import type { Study } from "./schema.ts";
import { type CellRange, LEAST_PATIENTS } from "./statistics-schema.ts";

export const MODALITY_NAMES = { t1: "T1", t1ce: "T1 with contrast", t2: "T2", flair: "FLAIR" } as const;

/** What accountants say of the study, which are no part of it. */
export interface StudyAccount {
  /** Of each patient of a site over all rounds, at `privacy.patientLevel.delta`. */
  readonly patientEpsilon?: number | undefined;
  /** Of each site over all rounds, at `privacy.siteLevel.delta`. */
  readonly siteEpsilon?: number | undefined;
}

/** Several lines of text, in sections; no line is longer than it needs to be for a terminal to wrap it. */
export function describeStudy(study: Study, account: StudyAccount = {}): string {
  const sections: readonly (readonly [string, readonly string[]])[] = [
    ["What runs here", whatRuns(study)],
    ["On which data", onWhichData(study)],
    ["What leaves this site", whatLeaves(study)],
    ["What never leaves", [whatNeverLeaves(study)]],
    ["What this study does not protect against", whatIsNotProtected(study, account)],
    ["Limits", limits(study)],
  ];
  const body = sections.map(([title, lines]) => [title, ...lines.map((line) => `  - ${line}`)].join("\n"));
  return [`Study "${study.name}"`, ...body].join("\n\n");
}

function whatRuns(study: Study): string[] {
  const { network, training } = study;
  const { optimiser, patch, batch } = training;
  const weight =
    study.aggregation.weightBy === "cases"
      ? "The model is the mean of the sites' updates weighted by training cases."
      : "The model is the plain mean of the sites' updates.";
  const model = networkInWords(network);
  const steps =
    typeof training.stepsPerRound === "number"
      ? `${training.stepsPerRound} gradient steps a round`
      : `${training.stepsPerRound.patchesPerCase} patches for each training case a round`;
  return [
    model,
    `Training by ${OPTIMISER_NAMES[optimiser.kind]}, learning rate ` +
      `${optimiser.learningRate}${scheduleInWords(training)}; ${steps}.`,
    ...trainingDetails(study),
    `Patches of ${patch.join(" x ")} voxels, ${batch} at a time${
      training.accumulate > 1 ? `, ${training.accumulate} times for each step` : ""
    }, on ${training.threads} processor thread(s).`,
    study.initial === undefined
      ? "It starts from random weights, the same at every site."
      : `It starts from the weights "${study.initial.file}" (SHA-256 ${study.initial.sha256 ?? "not yet fixed"}).`,
    ...noiseOf(study),
    weight,
    "Everything is declared as data. No code from outside runs at this site.",
  ];
}

function networkInWords(network: Study["network"]): string {
  switch (network.kind) {
    case "onnx":
      return `A network given as the ONNX model "${network.file}" (SHA-256 ${network.sha256 ?? "not yet fixed"}).`;
    case "segresnet3d":
      return `A SegResNet of ${network.encoderBlocks.length} levels, ${network.baseFeatures} features at the first.`;
    case "unet3d": {
      const blocks = [
        network.stem > 1 ? `; it embeds blocks of ${network.stem}^3 voxels` : "",
        network.detail ? "; it joins the image to its last level" : "",
        network.mirror ? "; it sees the image beside its mirror image, left for right" : "",
      ].join("");
      const features =
        network.features === undefined
          ? `${network.baseFeatures} features at the first (at most ${network.maxFeatures})`
          : `${network.features.join(", ")} features`;
      const encoder = network.encoder === "residual" ? " with a residual encoder" : "";
      return `A 3D U-Net of ${network.levels} levels${encoder}, ${features}${blocks}.`;
    }
    default:
      return network satisfies never;
  }
}

const OPTIMISER_NAMES = { sgd: "gradient descent with momentum", adam: "Adam", adamw: "AdamW" } as const;

const LOSS_NAMES = {
  crossEntropy: "cross-entropy",
  dice: "soft Dice",
  crossEntropyAndDice: "cross-entropy and soft Dice",
  focal: "focal loss",
  focalAndDice: "focal loss and soft Dice",
  regionCrossEntropy: "binary cross-entropy of each region",
  regionCrossEntropyAndDice: "binary cross-entropy and soft Dice of each region",
  regionMirroredDice: "mirrored Dice of each region",
} as const satisfies Record<Study["training"]["loss"]["kind"], string>;

function scheduleInWords({ schedule, warmUpRounds }: Study["training"]): string {
  const warmUp = warmUpRounds > 0 ? `, rising over ${warmUpRounds} round(s) first` : "";
  if (schedule.kind === "constant") return warmUp;
  if (schedule.kind === "step") {
    return `${warmUp}, times ${schedule.factor} after every ${schedule.everyRounds} round(s)`;
  }
  return `${warmUp}, falling over the study`;
}

/** What a study does beside the usual, a line each. */
function trainingDetails({ training }: Study): string[] {
  const { loss, deepSupervision, parameterGroups, clipNorm, proximal, averageDecay, runningStatistics } = training;
  const { controlVariate, optimiserState } = training;
  const lines = [`It learns to lower ${LOSS_NAMES[loss.kind]}.`];
  if (loss.ignoreLabel !== undefined) lines.push(`Voxels of class ${loss.ignoreLabel} are left out.`);
  if (deepSupervision !== undefined) {
    lines.push(`Coarser outputs of the network are trained too, with weights ${deepSupervision.join(", ")}.`);
  }
  const frozen = parameterGroups.filter((group) => group.frozen).flatMap(({ names }) => names);
  if (frozen.length > 0) lines.push(`These weights stay as they are: ${frozen.join(", ")}.`);
  if (clipNorm !== undefined) lines.push(`Each step's gradient is scaled down to a norm of at most ${clipNorm}.`);
  if (proximal > 0) lines.push(`Training is held near the round's global model, with weight ${proximal}.`);
  if (controlVariate) lines.push("Each gradient is corrected by how this site's gradients differ from all sites'.");
  if (optimiserState === "share") lines.push("The optimiser's moments are averaged over the sites after each round.");
  if (runningStatistics === "frozen")
    lines.push("Norms over the batch keep the statistics that the network came with.");
  if (runningStatistics === "averaged") {
    lines.push("Norms over the batch learn running means and variances here, which are part of the update.");
  }
  if (runningStatistics === "local") {
    lines.push(
      "Norms over the batch learn running means and variances here, which stay here: this site measures and uses the " +
        "model with its own, and the study's model keeps those that it began with.",
    );
  }
  if (averageDecay > 0) lines.push(`What leaves is the moving average of the weights, with decay ${averageDecay}.`);
  return lines;
}

function noiseOf(study: Study): string[] {
  return [...patientNoise(study), ...siteNoiseInWords(study)];
}

function siteNoiseInWords({ privacy: { siteLevel, secureAggregation } }: Study): string[] {
  if (siteLevel === undefined || secureAggregation === undefined) return [];
  const { clipNorm, noiseMultiplier, colluders, adaptive } = siteLevel;
  return [
    `This site's update is cut to a length of ${clipNorm}${adaptive ? " at first, then to one that follows all sites' updates" : ""}; ` +
      `it adds its share of noise before masking, so that ${secureAggregation.threshold - colluders} sites together ` +
      `make noise of ${noiseMultiplier} times that length.`,
  ];
}

function patientNoise({ privacy: { patientLevel } }: Study): string[] {
  if (patientLevel === undefined) return [];
  const { clipNorm, noiseMultiplier, samplingRate, patchesPerScan } = patientLevel;
  return [
    `In each step every patient takes part with a chance of ${samplingRate}, with ${patchesPerScan} patch(es) of each scan; ` +
      `what a patient adds is cut to a length of ${clipNorm}, and noise of ${noiseMultiplier} times that length is added, made here.`,
  ];
}

function onWhichData(study: Study): string[] {
  const { channels, labels, spacingMm } = study.task;
  const names = channels.map((channel) => MODALITY_NAMES[channel]).join(", ");
  const unions = Object.entries(orderedRegions(study)).map(
    ([region, classes]) => `${region} (${classes.map((each) => labels[each]).join(", ")})`,
  );
  return [
    `The cases that this site registered: ${names}, and their label maps, at ${spacingMm} mm.`,
    ...missingScans(study),
    "Training uses the site's training cases; its validation cases are only evaluated.",
    ...(study.evaluateOnly === undefined
      ? []
      : [
          `These sites train nothing; models are measured on all their cases, and none is chosen by them: ${study.evaluateOnly.join(", ")}.`,
        ]),
    `Regions of interest: ${unions.join("; ")}.`,
    ...describePostProcessing(study.task).map((rule) => `In every label map of the model, ${rule}.`),
  ];
}

function missingScans({ task: { mayMiss = [] } }: Study): string[] {
  if (mayMiss.length === 0) return [];
  const names = mayMiss.map((modality) => MODALITY_NAMES[modality]).join(", ");
  return [`A case may lack ${names}: the network is trained for it.`];
}

/** The rules that a task declares for label maps, one clause each. */
export function describePostProcessing({ postProcessing, labels }: Study["task"]): string[] {
  const { smallestTumourMm3, smallestEnhancingMm3 } = postProcessing ?? {};
  return [
    ...(smallestTumourMm3 === undefined
      ? []
      : [`connected tumour of less than ${smallestTumourMm3} mm3 becomes ${labels[0]}`]),
    ...(smallestEnhancingMm3 === undefined
      ? []
      : [`${labels[3]} of less than ${smallestEnhancingMm3} mm3 in all becomes ${labels[1]}`]),
  ];
}

/** Before the first round, where the study asks for it. */
function statisticsInWords({ statistics, task }: Study): string[] {
  if (statistics === undefined) return [];
  const { intensities, voxelSizes, volumes, labels, leastPatients, leastSites, smallCells } = statistics;
  const asked = [
    ...(intensities
      ? [
          `histograms of ${intensities.of} intensities of ${task.channels.map((each) => MODALITY_NAMES[each]).join(", ")} (${cellsInWords(intensities, "")})`,
        ]
      : []),
    ...(voxelSizes ? [`voxel sizes (${cellsInWords(voxelSizes, " mm")})`] : []),
    ...(volumes
      ? [`volumes of ${Object.keys(orderedRegions({ task })).join(", ")} (${cellsInWords(volumes, " ml")})`]
      : []),
    ...(labels ? [`how many cases have ${task.labels.slice(1).join(", ")}`] : []),
  ];
  const cells =
    smallCells === "withheld" ? "and so are single cells of histograms" : "single cells of histograms are not";
  return [
    `Once, before the first round, statistics of the cases that this study uses, training and validation: ${asked.join("; ")}.`,
    `Of them, what fewer than ${leastPatients} patients define or are left out of is withheld, ${cells}. ` +
      `The coordinator can read this site's figures; it tells sums over at least ${leastSites} site(s). No noise is on them.`,
  ];
}

function cellsInWords({ from, to, bins }: CellRange, unit: string): string {
  return `${bins} cells from ${from} to ${to}${unit}`;
}

function whatLeaves(study: Study): string[] {
  const { rounds, aggregation, metrics, minCasesPerMetric } = study;
  const figures =
    metrics === "perSite"
      ? "how many validation cases this site has, sums of Dice and HD95 by region over them with how many define each, " +
        `and from ${LEAST_PATIENTS} patients on the sums of squares that intervals need, visible to the coordinator`
      : "sums of Dice and HD95 by region, visible only as totals over all sites";
  return [
    ...statisticsInWords(study),
    `Each round, the model update: ${inTheUpdate(study)} of ${aggregation.precisionBits} bits for each weight of the network` +
      ENCODING_WORDS[aggregation.encoding ?? "int32"] +
      (study.privacy.secureAggregation ? ", masked: by itself it is noise, to the coordinator too." : "."),
    ...(study.privacy.secureAggregation
      ? [
          "Around it: public keys, sealed shares of secrets for the other sites, and shares that open the sum alone.",
          ...neighboursInWords(study.privacy.secureAggregation),
        ]
      : []),
    ...(metrics === "summed"
      ? [
          "Inside the masked sum, and in no other way: numbers of cases and gradient steps, the loss" +
            `${isNoisy(study) ? " left out" : ""}, ` +
            `and after every ${every(rounds)} and the last ${figures}. Beside it a record of engine and processor.`,
          "Numbers of cases that this site told before any study are known: register with --private-counts to tell none.",
        ]
      : [
          `With it: the numbers of training cases and gradient steps, ${isNoisy(study) ? "" : "the mean loss, "}and a record of engine and processor.`,
          `After every ${every(rounds)} and the last: ${figures}; no figures with fewer than ${minCasesPerMetric} validation case(s).`,
          ...(rounds.evaluateLocal === true
            ? ["With each update the same sums of the model before training here and of this site's own after it."]
            : []),
          ...crossSiteInWords(study),
        ]),
    "Signs of life: what the site is doing and how far it is, its version and clock, and, unless its data is registered " +
      "with --private-counts, how many cases are registered, with which scans, and how their labels are written.",
    "Where work fails here: the code of the error.",
    "Every message and object is listed, with size and digest, in this site's own log.",
  ];
}

/** What a cross-site matrix takes out of a site, where the study has one. */
function crossSiteInWords({ rounds, minCasesPerMetric }: Study): string[] {
  if (rounds.crossSite === undefined) return [];
  return [
    `After ${matrixRounds(rounds)}, for a cross-site matrix: this site's own model of that round, as its update makes it of ` +
      "the model that the round started from, to every other site of the study; " +
      "and of each of the others' models the same sums over this site's validation cases, " +
      `none with fewer than ${minCasesPerMetric}. The coordinator can read all of them.`,
  ];
}

function matrixRounds({ crossSite }: Study["rounds"]): string {
  if (typeof crossSite !== "object") return "the last round";
  return `${crossSite.length === 1 ? "round" : "rounds"} ${[...crossSite].sort((a, b) => a - b).join(", ")}`;
}

const ENCODING_WORDS = {
  int32: "",
  float16: ", rounded to 16 bits each for the way",
  int8: ", rounded to 8 bits each for the way",
} as const;

function neighboursInWords({ neighbours }: NonNullable<Study["privacy"]["secureAggregation"]>): string[] {
  if (neighbours === undefined) return [];
  const { aboveSites, count, colluders } = neighbours;
  return [
    `With more than ${aboveSites} sites, each masks with ${count} others, anew each round. A round that dropouts would ` +
      `let fall apart fails; ${colluders} sites that help the coordinator are reckoned with.`,
  ];
}

function isNoisy({ privacy }: Study): boolean {
  return privacy.patientLevel !== undefined || privacy.siteLevel !== undefined;
}

function every({ evaluateEvery }: Study["rounds"]): string {
  return evaluateEvery === 1 ? "round" : `${evaluateEvery} rounds`;
}

/** How many numbers a weight's change takes, and which. */
function inTheUpdate({ training: { controlVariate, optimiserState, optimiser } }: Study): string {
  const moments = optimiserState !== "share" ? 0 : optimiser.kind === "sgd" ? 1 : 2;
  const more = [
    ...(moments > 0 ? [`${moments === 1 ? "one" : "two"} of the optimiser's moments`] : []),
    ...(controlVariate ? ["one of its mean gradient"] : []),
  ];
  if (more.length === 0) return "one number";
  return `${1 + moments + (controlVariate ? 1 : 0)} numbers (one of its change, ${more.join(", ")})`;
}

function whatNeverLeaves({ training: { optimiserState, runningStatistics } }: Study): string {
  const own = [
    ...(optimiserState === "share" ? [] : ["the optimiser's state"]),
    ...(runningStatistics === "local" ? ["the norms' running statistics"] : []),
  ];
  return `${["Scans", "label maps", "the names of cases and patients", ...own].join(", ")}.`;
}

function whatIsNotProtected(study: Study, { patientEpsilon, siteEpsilon }: StudyAccount): string[] {
  const { patientLevel, siteLevel } = study.privacy;
  const threshold = study.privacy.secureAggregation?.threshold;
  return [
    threshold === undefined
      ? "The coordinator sees this site's own update: there is no secure aggregation in this study."
      : `The sum of at least ${threshold} sites' updates is seen, and who knows all the others' updates knows this site's.`,
    ...(study.rounds.crossSite === undefined
      ? []
      : [
          `Every other site gets this site's own model of ${matrixRounds(study.rounds)} (cross-site matrix), and may keep it: ` +
            "by such a model one may guess who was among its training patients better than by a model of all sites.",
        ]),
    ...(siteLevel === undefined
      ? []
      : [
          `What all of this site's updates show in the model is bounded: epsilon ${siteEpsilon?.toPrecision(4) ?? "(see the accountant)"} ` +
            `at delta ${siteLevel.delta} over all rounds, its updates present or zero. That it takes part is no secret.`,
        ]),
    ...(patientLevel === undefined && siteLevel !== undefined
      ? ["Of a single patient the same noise bounds half as much: this site's ledger counts it so."]
      : patientLevel === undefined
        ? ["No noise is added: traces of single patients in the model are not bounded by differential privacy."]
        : [
            `Traces of a training patient in the model are bounded: epsilon ${patientEpsilon?.toPrecision(4) ?? "(see the accountant)"} ` +
              `at delta ${patientLevel.delta} over all rounds, adding or removing one patient. Larger epsilons bound less.`,
            `Figures of validation patients, ${study.statistics ? "statistics of the data, " : ""}numbers of cases and times of messages have no noise.`,
          ]),
  ];
}

function limits(study: Study): string[] {
  const { count, quorum, deadlineS, sitesPerRound, stopEarly, partialWork } = study.rounds;
  const asked = sitesPerRound === undefined ? "all sites" : "all that were drawn";
  return [
    `${count} round(s); each closes when ${quorum === "all" ? `${asked} have` : `at least ${quorum} site(s) have`} answered, ` +
      `after at most ${duration(deadlineS)}.`,
    ...(sitesPerRound === undefined
      ? []
      : [
          `${sitesPerRound} site(s) train in a round (all of them where no more take part), drawn by the study's seed, each as often as the others.`,
        ]),
    ...(partialWork === undefined
      ? []
      : [
          `A site that cannot finish its steps in time returns what it has, at least ${Number((100 * partialWork.leastShare).toPrecision(12))} % of them; its weight is divided by the share.`,
        ]),
    ...(stopEarly === undefined
      ? []
      : [
          `It ends earlier once ${stopEarly.patience} evaluation(s) in a row bring no gain in mean Dice of more than ${stopEarly.gain}.`,
        ]),
    `The coordinator keeps ${retained(study.retain)}${study.rounds.crossSite === undefined ? "" : "; those of a round with a matrix until that is made"}.`,
    "The approval covers exactly this study and this list of sites; a change of either asks for a new one.",
  ];
}

function retained(retain: Study["retain"]): string {
  if (retain === "none") return "no site's update once its round is closed";
  if (retain === "all") return "every site's updates";
  return `the updates of the last ${retain.slice("last:".length)} round(s)`;
}

function duration(seconds: number): string {
  if (seconds >= 7200) return `${Number((seconds / 3600).toFixed(1))} hours`;
  if (seconds >= 120) return `${Number((seconds / 60).toFixed(1))} minutes`;
  return `${seconds} seconds`;
}
