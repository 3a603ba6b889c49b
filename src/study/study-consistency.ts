/**
 * What the schema cannot say of one key alone: keys that must agree with each other, with the network's own shape,
 * with the roster, or with a site's volumes. Everything is refused before anything runs.
 */
import { ConsiliumError, LIMITS } from "../base/index.ts";
import { combinationProblems } from "./combinations.ts";
import { networkOutputs, networkShapeProblems, networkStrides } from "./network-shape.ts";
import { outputChannels as declaredOutputs, regionClasses } from "./region-outputs.ts";
import type { Study } from "./schema.ts";
import { type StudyProblem, studyError } from "./study-problems.ts";

/** Classes of the product's label maps: 0 background, 1 necrotic core, 2 oedema, 3 enhancing tumour. */
const LABEL_MAP_CLASSES = 4;

/** What is known beside the study file itself; what is absent is not checked. */
export interface NetworkFacts {
  /** Of an ONNX model: channels of its input and of its output, and the factors by which sides must divide. */
  readonly network?: {
    readonly inputChannels: number;
    readonly outputChannels: number;
    /** Along x, y, z. */
    readonly strides?: readonly [number, number, number];
    /** Outputs of the network, where several are trained. */
    readonly outputs?: number;
    /** Whether training moves running statistics of norms. */
    readonly runningStatistics?: boolean;
  };
  /** Sites of the federation; what is reckoned with below are those of them that train. */
  readonly sites?: number;
}

/** @throws ConsiliumError `study-invalid` naming every disagreement. */
export function checkStudyConsistency(study: Study, known: NetworkFacts = {}, subject = "study"): void {
  const { sites } = known;
  const facts: NetworkFacts = {
    ...known,
    ...(sites !== undefined && { sites: sites - (study.evaluateOnly?.length ?? 0) }),
  };
  const problems = [
    ...taskProblems(study),
    ...networkProblems(study, facts),
    ...patchProblems(study, facts),
    ...lossProblems(study, facts),
    ...roundProblems(study, facts),
    ...evaluateOnlyProblems(study),
    ...crossSiteProblems(study, known),
    ...statisticsProblems(study, known),
    ...maskingProblems(study, facts),
    ...neighbourProblems(study, facts),
    ...combinationProblems(study),
    ...siteLevelProblems(study, facts),
    ...normProblems(study, facts),
    ...controlVariateProblems(study),
  ];
  if (problems.length > 0) throw studyError(subject, problems);
}

/**
 * @param dims voxels of a prepared volume along x, y, z, at the study's working resolution
 * @throws ConsiliumError `patch-too-large`
 */
export function checkPatchFits(study: Study, dims: readonly [number, number, number], subject = "study"): void {
  const { patch } = study.training;
  if (patch.every((side, axis) => side <= dims[axis])) return;
  throw new ConsiliumError("patch-too-large", {
    subject: `${subject}, training.patch`,
    expected: `at most ${dims.join(" x ")} voxels at ${study.task.spacingMm} mm`,
    actual: patch.join(" x "),
    hint: "Choose a smaller patch or a finer task.spacingMm.",
  });
}

function taskProblems(study: Study): StudyProblem[] {
  const { channels, labels, regions } = study.task;
  const problems: StudyProblem[] = [...missingProblems(study)];
  const repeatedChannels = repeated(channels);
  if (repeatedChannels.length > 0) {
    problems.push({
      path: "task.channels",
      expected: "each modality once",
      actual: `${repeatedChannels.join(", ")} more than once`,
      hint: "Name each modality once, in the order of the network's input channels.",
    });
  }
  if (labels.length !== LABEL_MAP_CLASSES || repeated(labels).length > 0) {
    problems.push({
      path: "task.labels",
      expected: `${LABEL_MAP_CLASSES} different class names, background first`,
      actual: labels.join(", "),
      hint: "Label maps hold background, necrotic core, oedema and enhancing tumour, in this order.",
    });
  }
  if (Object.keys(regions).length === 0) {
    problems.push({ path: "task.regions", expected: "at least one region", actual: "none", hint: "Name one." });
  }
  if (Object.hasOwn(regions, "mean")) {
    problems.push({
      path: "task.regions.mean",
      expected: "a region under any other name",
      actual: "mean",
      hint: 'Rename it: reports use "mean" for the mean of all regions.',
    });
  }
  for (const [region, classes] of Object.entries(regions)) {
    const outside = classes.filter((each) => each >= labels.length);
    if (outside.length > 0) {
      problems.push({
        path: `task.regions.${region}`,
        expected: `classes from 1 to ${labels.length - 1}, as task.labels has them`,
        actual: outside.join(", "),
        hint: "A region is a union of classes that task.labels names.",
      });
    }
    if (repeated(classes).length > 0) {
      problems.push({
        path: `task.regions.${region}`,
        expected: "each class once",
        actual: classes.join(", "),
        hint: "Name each class of the region once.",
      });
    }
  }
  return problems;
}

/** A scan may be missing only where the network is trained for it, and never all scans at once. */
function missingProblems({ task: { mayMiss = [], channels }, training }: Study): StudyProblem[] {
  const problems: StudyProblem[] = [];
  const foreign = mayMiss.filter((modality) => !channels.includes(modality));
  if (foreign.length > 0 || repeated(mayMiss).length > 0) {
    problems.push({
      path: "task.mayMiss",
      expected: `some of ${channels.join(", ")}, each once`,
      actual: mayMiss.join(", "),
      hint: "Name scans that the network takes.",
    });
  }
  if (channels.length > 0 && channels.every((modality) => mayMiss.includes(modality))) {
    problems.push({
      path: "task.mayMiss",
      expected: "at least one scan that every case has",
      actual: "none",
      hint: "Leave one modality out of task.mayMiss.",
    });
  }
  if (mayMiss.length > 0 && training.augmentation.channelDropout === 0) {
    problems.push({
      path: "training.augmentation.channelDropout",
      expected: "more than 0, since task.mayMiss lets scans be missing",
      actual: "0",
      hint: "A network must be trained for a missing scan, or be given all of them.",
    });
  }
  return problems;
}

function networkProblems(study: Study, facts: NetworkFacts): StudyProblem[] {
  const { network, task } = study;
  const problems = networkShapeProblems(network);
  if (facts.network === undefined) return problems;
  const { inputChannels, outputChannels } = facts.network;
  if (inputChannels !== task.channels.length) {
    problems.push({
      path: "task.channels",
      expected: `${inputChannels} channels, as the network's input has`,
      actual: `${task.channels.length} (${task.channels.join(", ")})`,
      hint: "Declare the modalities that the network was made for, or use another network.",
    });
  }
  const declared = declaredOutputs(task);
  if (outputChannels !== declared) {
    const regions = task.outputs === "regions";
    problems.push({
      path: regions ? "task.regions" : "task.labels",
      expected: `${outputChannels} ${task.outputs}, as the network's output has`,
      actual: `${declared} (${(regions ? Object.keys(task.regions) : task.labels).join(", ")})`,
      hint: `Declare a ${regions ? "region" : "class"} for each output channel, or use another network.`,
    });
  }
  return problems;
}

function patchProblems(study: Study, facts: NetworkFacts): StudyProblem[] {
  const { patch } = study.training;
  const strides = facts.network?.strides ?? networkStrides(study.network);
  if (strides === undefined) return [];
  if (patch.some((side, axis) => side % strides[axis] !== 0)) {
    const [first] = strides;
    const nearest = patch.map((side, axis) => Math.max(1, Math.round(side / strides[axis])) * strides[axis]);
    return [
      {
        path: "training.patch",
        expected: `sides divisible by ${strides.every((each) => each === first) ? first : strides.join(", ")}, the network's total stride`,
        actual: patch.join(" x "),
        hint: `Choose ${nearest.join(" x ")}.`,
      },
    ];
  }
  if (patch.every((side, axis) => side === strides[axis])) {
    return [
      {
        path: "training.patch",
        expected: "more than one voxel at the network's coarsest level",
        actual: `${patch.join(" x ")}, which is one voxel there`,
        hint: "Choose a larger patch or fewer network.levels: the norm of a single voxel is always zero.",
      },
    ];
  }
  return [];
}

/** The loss fits what the outputs are; weights have one number for each thing that they weigh. */
function lossProblems({ task, training, network }: Study, facts: NetworkFacts): StudyProblem[] {
  const { loss, deepSupervision } = training;
  const problems: StudyProblem[] = [];
  const ofRegions = loss.kind.startsWith("region");
  if (ofRegions !== (task.outputs === "regions")) {
    problems.push({
      path: "training.loss.kind",
      expected: `a loss over ${task.outputs}, as task.outputs says`,
      actual: loss.kind,
      hint: 'Losses that begin with "region" go with task.outputs: regions, all others with classes.',
    });
  }
  if (task.outputs === "regions" && regionClasses(task) === undefined) {
    problems.push({
      path: "task.regions",
      expected: "nested regions, largest first, each one class larger than the next",
      actual: Object.entries(task.regions)
        .map(([region, classes]) => `${region} [${classes.join(", ")}]`)
        .join(", "),
      hint: "Nest them as WT [1, 2, 3], TC [1, 3], ET [3]: a voxel's class is told by the smallest region around it.",
    });
  }
  const weights = "classWeights" in loss ? loss.classWeights : undefined;
  if (weights !== undefined && (weights.length !== task.labels.length || weights.every((weight) => weight === 0))) {
    problems.push({
      path: "training.loss.classWeights",
      expected: `${task.labels.length} weights, not all zero`,
      actual: weights.join(", "),
      hint: "Give one weight for each class of task.labels.",
    });
  }
  const outputs = facts.network?.outputs ?? networkOutputs(network);
  if (outputs !== undefined && deepSupervision !== undefined && deepSupervision.length !== outputs) {
    problems.push({
      path: "training.deepSupervision",
      expected: `${outputs} weights, one for each output of the network`,
      actual: deepSupervision.join(", "),
      hint: "Weights stand in the order of the network's outputs, finest first.",
    });
  }
  if (deepSupervision?.every((weight) => weight === 0)) {
    problems.push({
      path: "training.deepSupervision",
      expected: "a weight above zero",
      actual: "zeros",
      hint: "Give the finest output a weight.",
    });
  }
  return problems;
}

function roundProblems(study: Study, facts: NetworkFacts): StudyProblem[] {
  const { quorum, sitesPerRound } = study.rounds;
  if (quorum === "all") return [];
  const problem = (expected: string, hint: string): StudyProblem => ({
    path: "rounds.quorum",
    expected,
    actual: String(quorum),
    hint,
  });
  if (sitesPerRound !== undefined && quorum > sitesPerRound) {
    const hint = "Only so many sites train in a round: lower the quorum, or draw more sites.";
    return [problem(`"all" or at most rounds.sitesPerRound (${sitesPerRound})`, hint)];
  }
  if (facts.sites === undefined || quorum <= facts.sites) return [];
  const hint = "A quorum above the number of sites is never reached: lower it or invite more sites.";
  return [problem(`"all" or at most ${facts.sites}, the sites that train`, hint)];
}

function evaluateOnlyProblems({ evaluateOnly = [] }: Study): StudyProblem[] {
  const twice = repeated(evaluateOnly);
  if (twice.length === 0) return [];
  return [
    {
      path: "evaluateOnly",
      expected: "each site once",
      actual: `${twice.join(", ")} more than once`,
      hint: "Name each site that only evaluates once.",
    },
  ];
}

function crossSiteProblems({ rounds: { crossSite, count } }: Study, { sites = 0 }: NetworkFacts): StudyProblem[] {
  const path = "rounds.crossSite";
  const problems: StudyProblem[] = [];
  if (typeof crossSite === "object") {
    const beyond = crossSite.filter((round) => round > count);
    if (beyond.length > 0) {
      const hint = 'Name rounds that the study has, or write "last".';
      problems.push({ path, expected: `rounds from 1 to ${count}`, actual: beyond.join(", "), hint });
    }
    const twice = repeated(crossSite);
    if (twice.length > 0) {
      const actual = `${twice.join(", ")} more than once`;
      problems.push({ path, expected: "each round once", actual, hint: "Name each round of a matrix once." });
    }
  }
  if (crossSite !== undefined && sites > LIMITS.crossSiteSites) {
    const expected = `at most ${LIMITS.crossSiteSites} sites`;
    const hint = "Each site's model goes to every site: leave the matrix out, or run the study with fewer sites.";
    problems.push({ path, expected, actual: String(sites), hint });
  }
  return problems;
}

function statisticsProblems({ statistics }: Study, { sites }: NetworkFacts): StudyProblem[] {
  if (statistics === undefined) return [];
  const { intensities, voxelSizes, volumes, labels, leastSites } = statistics;
  const problems: StudyProblem[] = [];
  for (const [key, range] of Object.entries({ intensities, voxelSizes, volumes })) {
    if (range === undefined || (Number.isFinite(range.to - range.from) && range.from < range.to)) continue;
    problems.push({
      path: `statistics.${key}.to`,
      expected: `more than from (${range.from})`,
      actual: String(range.to),
      hint: "Cells go from the lower value to the higher one.",
    });
  }
  if (!intensities && !voxelSizes && !volumes && !labels) {
    problems.push({
      path: "statistics",
      expected: "intensities, voxelSizes, volumes or labels",
      actual: "none of them",
      hint: "Name what is asked for, {} for the usual cells, or leave statistics out.",
    });
  }
  if (sites !== undefined && leastSites > sites) {
    problems.push({
      path: "statistics.leastSites",
      expected: `at most ${sites}, the sites of the federation`,
      actual: String(leastSites),
      hint: "So many sites never answer, and nothing would be told.",
    });
  }
  return problems;
}

function maskingProblems(study: Study, facts: NetworkFacts): StudyProblem[] {
  const threshold = study.privacy.secureAggregation?.threshold;
  if (threshold === undefined) return [];
  const path = "privacy.secureAggregation.threshold";
  const { quorum } = study.rounds;
  const problems: StudyProblem[] = [];
  if (quorum !== "all" && quorum < threshold) {
    problems.push({
      path,
      expected: `at most rounds.quorum (${quorum})`,
      actual: String(threshold),
      hint: "A round that closes with fewer sites than the threshold could not be opened: raise the quorum.",
    });
  }
  if (facts.sites !== undefined && (2 * threshold <= facts.sites || threshold > facts.sites)) {
    problems.push({
      path,
      expected: `more than half of the ${facts.sites} sites, and not more than all`,
      actual: String(threshold),
      hint: `Take ${Math.floor(facts.sites / 2) + 1} or more.`,
    });
  }
  return problems;
}

/**
 * The fewest shares that may open a secret among neighbours, and so many where a study names none: two sets of so many,
 * of a site and its neighbours, have more in common than `colluders` sites.
 */
export function leastNeighbourShares(declared: { readonly count: number; readonly colluders: number }): number {
  return Math.floor((declared.count + 1 + declared.colluders) / 2) + 1;
}

/** Neighbours that mask with each other; what depends on who joined is refused where their number is known. */
function neighbourProblems({ privacy: { secureAggregation, siteLevel } }: Study, facts: NetworkFacts): StudyProblem[] {
  const { threshold, neighbours } = secureAggregation ?? {};
  if (threshold === undefined || neighbours === undefined) return [];
  const path = "privacy.secureAggregation.neighbours";
  const { aboveSites, count, colluders } = neighbours;
  const problems: StudyProblem[] = [];
  const unlike = (member: string, expected: string, actual: number, hint: string): void => {
    problems.push({ path: `${path}.${member}`, expected, actual: String(actual), hint });
  };
  if (count % 2 !== 0) unlike("count", "an even number", count, "As many neighbours stand on either side.");
  if (aboveSites < count + 1) {
    unlike("aboveSites", `at least ${count + 1}`, aboveSites, "With fewer sites each has all others as neighbours.");
  }
  const least = leastNeighbourShares(neighbours);
  const shares = neighbours.threshold;
  if (shares !== undefined && colluders < count && (shares > count + 1 || shares < least)) {
    const expected = `from ${least} to ${count + 1} with ${count} neighbours and ${colluders} colluders`;
    unlike("threshold", expected, shares, "With fewer a site could be kept among colluders; more do not hold a share.");
  }
  const most = Math.min(count - 1, facts.sites === undefined ? count - 1 : 2 * threshold - facts.sites - 1);
  if (colluders > most) {
    unlike("colluders", `at most ${most}`, colluders, "Raise the threshold or the number of neighbours.");
  }
  if (siteLevel !== undefined && siteLevel.colluders > colluders) {
    const expected = `at least the ${siteLevel.colluders} of privacy.siteLevel`;
    unlike("colluders", expected, colluders, "So many sites must not get at the sum of a part of the others.");
  }
  return problems;
}

/** The step's length tells the mean gradient only of plain gradient descent. */
function controlVariateProblems({ training }: Study): StudyProblem[] {
  const { controlVariate, optimiser, averageDecay, parameterGroups } = training;
  if (!controlVariate) return [];
  const problems: StudyProblem[] = [];
  if (optimiser.kind !== "sgd" || optimiser.momentum !== 0) {
    problems.push({
      path: "training.optimiser",
      expected: "sgd with momentum 0 with training.controlVariate",
      actual: optimiser.kind === "sgd" ? `sgd with momentum ${optimiser.momentum}` : optimiser.kind,
      hint: "Control variates are told by how far plain gradient descent went: set momentum to 0 and nesterov to false.",
    });
  }
  if (averageDecay > 0) {
    problems.push({
      path: "training.averageDecay",
      expected: "0 with training.controlVariate",
      actual: String(averageDecay),
      hint: "A moving average does not tell how far the steps went.",
    });
  }
  if (parameterGroups.some(({ rateFactor = 1 }) => rateFactor !== 1)) {
    problems.push({
      path: "training.parameterGroups",
      expected: "one learning rate with training.controlVariate",
      actual: "a group with a rateFactor of its own",
      hint: "Leave rateFactor out.",
    });
  }
  return problems;
}

/** Norms that train with each batch's statistics because the network's file says so. */
function normProblems({ privacy, training }: Study, { network }: NetworkFacts): StudyProblem[] {
  if (privacy.patientLevel === undefined || !network?.runningStatistics) return [];
  if (training.runningStatistics !== "asExported") return [];
  return [
    {
      path: "training.runningStatistics",
      expected: "frozen with privacy.patientLevel",
      actual: "asExported, of a network exported in training mode",
      hint: "Running statistics are made from patients without noise: freeze them, or take norms over each case.",
    },
  ];
}

function siteLevelProblems({ privacy: { siteLevel, secureAggregation } }: Study, facts: NetworkFacts): StudyProblem[] {
  if (siteLevel === undefined || secureAggregation === undefined) return [];
  const { colluders, noiseMultiplier, adaptive } = siteLevel;
  const { threshold } = secureAggregation;
  const problems: StudyProblem[] = [];
  const most = Math.min(threshold - 1, facts.sites === undefined ? threshold - 1 : 2 * threshold - facts.sites - 1);
  if (colluders > most) {
    problems.push({
      path: "privacy.siteLevel.colluders",
      expected: `at most ${most} at a threshold of ${threshold}`,
      actual: String(colluders),
      hint: "Raise the threshold: so many sites together with the coordinator could open single updates.",
    });
  }
  if (adaptive !== undefined && adaptive.countDeviation <= noiseMultiplier / 2) {
    problems.push({
      path: "privacy.siteLevel.adaptive.countDeviation",
      expected: `more than ${noiseMultiplier / 2}, half the noise multiplier`,
      actual: String(adaptive.countDeviation),
      hint: "The count alone would spend all of the privacy: give it more noise.",
    });
  }
  return problems;
}

function repeated<T>(items: readonly T[]): T[] {
  return [...new Set(items.filter((item, i) => items.indexOf(item) !== i))];
}
