import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConsiliumError, sha256 } from "../base/index.ts";
import {
  checkPatchFits,
  checkStudyConsistency,
  loadStudyFile,
  parseStudy,
  studyFromBytes,
  studyHash,
  studyToBytes,
} from "./index.ts";

const GOOD = `schema: consilium.study/1
name: Brain tumour
network: {kind: unet3d, levels: 3, baseFeatures: 8}
training:
  optimiser: {kind: sgd, learningRate: 0.01}
  patch: [32, 32, 32]
  stepsPerRound: 4
rounds: {count: 5}
`;

const PRIVATE = "privacy: {patientLevel: {clipNorm: 1, noiseMultiplier: 1.1, samplingRate: 0.1, delta: 1.0e-5}}\n";

/** Masks among neighbours. */
const among = (neighbours: string, more = ""): string =>
  `${GOOD}aggregation: {weightBy: equal}\nprivacy: {secureAggregation: {threshold: 30, neighbours: {${neighbours}}}${more}}\n`;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "consilium-study-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function load(text: string): Promise<Awaited<ReturnType<typeof loadStudyFile>>> {
  const path = join(folder, "study.yaml");
  await writeFile(path, text);
  return loadStudyFile(path);
}

async function refusal(work: Promise<unknown>): Promise<ConsiliumError> {
  const outcome = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(ConsiliumError);
  return outcome as ConsiliumError;
}

const refused = (text: string): Promise<ConsiliumError> => refusal(load(text));

describe("a study file", () => {
  it("is read with its defaults", async () => {
    const { study, initialFile, modelFile } = await load(GOOD);
    expect(study.training.threads).toBe(1);
    expect(study.task.channels).toEqual(["t1", "t1ce", "t2", "flair"]);
    expect([initialFile, modelFile]).toEqual([undefined, undefined]);
  });

  it("names an unknown key, the known ones, and the one that was probably meant", async () => {
    const error = await refused(GOOD.replace("count: 5", "count: 5, quorom: 2"));
    expect(error.code).toBe("study-invalid");
    expect(error.subject).toBe("study.yaml, rounds.quorom");
    expect(error.expected).toContain("count, quorum, sitesPerRound, deadlineS");
    expect(error.hint).toBe('Did you mean "quorum"?');
  });

  it("does not guess where no key is near", async () => {
    const error = await refused(`${GOOD}script: "run.py"\n`);
    expect(error.subject).toBe("study.yaml, script");
    expect(error.hint).toContain("Remove it");
  });

  it("lists every problem, not only the first", async () => {
    const error = await refused(
      GOOD.replace("count: 5", "count: ten")
        .replace("stepsPerRound: 4", "stepsPerRound: {patchesPerCas: 2}")
        .replace("levels: 3", "levels: 9"),
    );
    expect(error.subject).toBe("study.yaml (4 problems)");
    expect(error.expected).toContain("rounds.count: a whole number of at least 1");
    expect(error.actual).toContain('rounds.count: "ten"');
    expect(error.expected).toContain("network.levels: a whole number of at least 2 and at most 7");
    expect(error.actual).toContain("network.levels: 9");
    expect(error.expected).toContain("training.stepsPerRound.patchesPerCase: a number above 0");
    expect(error.hint).toContain('training.stepsPerRound.patchesPerCas: Did you mean "patchesPerCase"?');
  });

  it.each([
    ["a missing section", GOOD.replace(/rounds:.*\n/, ""), "rounds", "a section with the keys count", "nothing"],
    [
      "another kind of network",
      GOOD.replace("unet3d", "vnet"),
      "network.kind",
      'one of "unet3d", "segresnet3d", "onnx"',
      '"vnet"',
    ],
    ["an unknown modality", `${GOOD}task: {channels: [t1, pet]}\n`, "task.channels[1]", 'one of "t1"', '"pet"'],
    ["two sides of a patch", GOOD.replace("[32, 32, 32]", "[32, 32]"), "training.patch", "a list of 3", "[32,32]"],
    ["a fraction of a round", GOOD.replace("count: 5", "count: 1.5"), "rounds.count", "a whole number", "1.5"],
    ["an infinite rate", GOOD.replace("0.01", ".inf"), "training.optimiser.learningRate", "above 0", "Infinity"],
    ["a wrong retain", `${GOOD}retain: last\n`, "retain", 'one of "none", "all" or last:N', '"last"'],
    [
      "a wrong quorum",
      GOOD.replace("count: 5", "count: 5, quorum: some"),
      "rounds.quorum",
      '"all" or a whole number',
      '"some"',
    ],
    [
      "a matrix of no round",
      `${GOOD.replace("count: 5", "count: 5, crossSite: [3, 9]")}`,
      "rounds.crossSite",
      "rounds from 1 to 5",
      "9",
    ],
    [
      "matrices of more rounds than may be",
      GOOD.replace("count: 5", "count: 50, crossSite: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]"),
      "rounds.crossSite",
      '"last" or a list of 1 to 10, each',
      "[1,2,3,4,5,6,7,8,9,10,11]",
    ],
    [
      "a matrix twice",
      GOOD.replace("count: 5", "count: 5, crossSite: [3, 3]"),
      "rounds.crossSite",
      "each round once",
      "3 more than once",
    ],
    ["another schema", GOOD.replace("study/1", "study/9"), "schema", '"consilium.study/1"', '"consilium.study/9"'],
    ["stride", GOOD.replace("[32, 32, 32]", "[30, 32, 32]"), "training.patch", "sides divisible by 4", "30 x 32 x 32"],
    ["one voxel left", GOOD.replace("[32, 32, 32]", "[4, 4, 4]"), "training.patch", "more than one voxel", "4 x 4 x 4"],
    [
      "repeated channels",
      `${GOOD}task: {channels: [t1, t1]}\n`,
      "task.channels",
      "each modality once",
      "t1 more than once",
    ],
    ["a region outside", `${GOOD}task: {regions: {WT: [1, 4]}}\n`, "task.regions.WT", "classes from 1 to 3", "4"],
    ["a region called mean", `${GOOD}task: {regions: {mean: [1]}}\n`, "task.regions.mean", "any other name", "mean"],
    [
      "labels",
      `${GOOD}task: {labels: [background, tumour], regions: {WT: [1]}}\n`,
      "task.labels",
      "4 different",
      "background, tumour",
    ],
    [
      "a loss of regions for outputs of classes",
      GOOD.replace("  patch", "  loss: {kind: regionMirroredDice}\n  patch"),
      "training.loss.kind",
      "a loss over classes",
      "regionMirroredDice",
    ],
    [
      "regions that are not nested as outputs",
      `${GOOD.replace("  patch", "  loss: {kind: regionCrossEntropy}\n  patch")}task: {outputs: regions, regions: {ET: [3], WT: [1, 2, 3]}}\n`,
      "task.regions",
      "nested regions, largest first",
      "WT [1, 2, 3], ET [3]",
    ],
    [
      "strides of another number",
      GOOD.replace("baseFeatures: 8", "strides: [[1, 2, 2]]"),
      "network.strides",
      "2 entries, one for each level but the first",
      "1",
    ],
    [
      "a side that an anisotropic network does not divide",
      GOOD.replace("baseFeatures: 8", "strides: [[2, 2, 1], [2, 2, 2]]").replace("[32, 32, 32]", "[32, 30, 6]"),
      "training.patch",
      "sides divisible by 4, 4, 2",
      "32 x 30 x 6",
    ],
    [
      "weights of outputs that a network has not",
      GOOD.replace("  patch", "  deepSupervision: [1, 0.5]\n  patch"),
      "training.deepSupervision",
      "1 weights",
      "1, 0.5",
    ],
    [
      "groups that do not divide",
      GOOD.replace("kind: unet3d, levels: 3, baseFeatures: 8", "kind: segresnet3d, baseFeatures: 12"),
      "network.groups",
      "a divisor of network.baseFeatures (12)",
      "8",
    ],
    [
      "class weights of another number",
      GOOD.replace("  patch", "  loss: {kind: focal, classWeights: [1, 2]}\n  patch"),
      "training.loss.classWeights",
      "4 weights",
      "1, 2",
    ],
    [
      "a batch whose Dice joins patients that noise is to protect",
      `${GOOD.replace("stepsPerRound: 4", "stepsPerRound: 4\n  batch: 2")}${PRIVATE}`,
      "training.batch",
      "1 with privacy.patientLevel",
      "2",
    ],
    [
      "steps that depend on patients that noise is to protect",
      `${GOOD.replace("stepsPerRound: 4", "stepsPerRound: {patchesPerCase: 2}")}${PRIVATE}`,
      "training.stepsPerRound",
      "a number of steps",
      "patchesPerCase",
    ],
    [
      "running statistics of patients that noise is to protect",
      `${GOOD.replace("stepsPerRound: 4", "stepsPerRound: 4\n  runningStatistics: averaged")}${PRIVATE}`,
      "training.runningStatistics",
      "frozen with privacy.patientLevel",
      "averaged",
    ],
    [
      "scores of a site's own model beside masks over its update",
      `${GOOD.replace("count: 5", "count: 5, evaluateLocal: true")}privacy: {secureAggregation: {threshold: 3}}\n`,
      "rounds.evaluateLocal",
      "false with privacy.secureAggregation",
      "true",
    ],
    ["an odd number of neighbours", among("aboveSites: 40, count: 7"), "NEIGHBOURS.count", "an even number", "7"],
    ["neighbours that are everybody", among("aboveSites: 8, count: 8"), "NEIGHBOURS.aboveSites", "at least 9", "8"],
    [
      "shares that colluders have among themselves",
      among("aboveSites: 40, count: 8, threshold: 3, colluders: 3"),
      "NEIGHBOURS.threshold",
      "from 7 to 9 with 8 neighbours and 3 colluders",
      "3",
    ],
    [
      "more colluders than neighbours bear",
      among("aboveSites: 40, count: 8, threshold: 9, colluders: 8"),
      "NEIGHBOURS.colluders",
      "at most 7",
      "8",
    ],
    [
      "colluders that noise reckons with, and masks do not",
      among("aboveSites: 40, count: 8", ", siteLevel: {clipNorm: 1, noiseMultiplier: 1, delta: 0.001, colluders: 2}"),
      "NEIGHBOURS.colluders",
      "at least the 2 of privacy.siteLevel",
      "0",
    ],
    [
      "noise of nothing",
      GOOD + PRIVATE.replace("1.1", "0"),
      "privacy.patientLevel.noiseMultiplier",
      "at least 0.1",
      "0",
    ],
    ["features", GOOD.replace("baseFeatures: 8", "baseFeatures: 400"), "network.baseFeatures", "at most", "400"],
  ])("refuses %s", async (_name, text, path, expected, actual) => {
    const error = await refused(text);
    expect(error.code).toBe("study-invalid");
    expect(error.subject).toBe(`study.yaml, ${path.replace("NEIGHBOURS", "privacy.secureAggregation.neighbours")}`);
    expect(error.expected).toContain(expected);
    expect(error.actual).toContain(actual);
  });

  it.each([
    ["a repeated key", `${GOOD}name: Another\n`],
    ["a tag", GOOD.replace("count: 5", "count: !!js/function 5")],
    ["an alias", `${GOOD.replace("count: 5", "count: &n 5")}minCasesPerMetric: *n\n`],
    ["broken YAML", `${GOOD}  - [\n`],
    ["a list", "- 1\n"],
    ["nothing", ""],
  ])("refuses %s", async (_name, text) => {
    expect((await refused(text)).code).toBe("study-invalid");
  });

  it("refuses a file that is not there, and one far too large", async () => {
    const none = await refusal(loadStudyFile(join(folder, "none.yaml")));
    expect([none.code, none.subject, none.hint]).toEqual(["file-not-found", "none.yaml", "Check the path."]);
    expect((await refusal(loadStudyFile(folder))).code).toBe("file-unreadable");
    expect((await refused(`${GOOD}# ${"x".repeat(1 << 20)}\n`)).code).toBe("limit-exceeded");
  });

  it("puts the hash of named files into the study, and only their base names", async () => {
    await mkdir(join(folder, "weights"), { recursive: true });
    await writeFile(join(folder, "weights", "start.safetensors"), "weights");
    const { study, initialFile } = await load(`${GOOD}initial: {file: weights/start.safetensors}\n`);
    expect(study.initial).toEqual({ file: "start.safetensors", sha256: sha256("weights") });
    expect(initialFile).toBe(join(folder, "weights", "start.safetensors"));
    const onnx = GOOD.replace(/network:.*/, "network: {kind: onnx, file: weights/start.safetensors}");
    expect((await load(onnx)).modelFile).toBe(initialFile);
  });

  it("refuses a named file that is missing or is another one", async () => {
    const missing = await refused(`${GOOD}initial: {file: none.safetensors}\n`);
    expect([missing.code, missing.subject]).toEqual(["file-not-found", "study.yaml, initial.file"]);
    expect(missing.hint).toBe("Check the path, which is relative to the study file.");
    const other = await refused(`${GOOD}initial: {file: study.yaml, sha256: ${"0".repeat(64)}}\n`);
    expect(other.code).toBe("study-invalid");
  });
});

describe("a study's hash", () => {
  it("does not depend on the order of keys or on defaults being written out", async () => {
    const { study } = await load(GOOD);
    const reordered = parseStudy(Object.fromEntries(Object.entries(study).reverse()));
    expect(studyHash(reordered)).toBe(studyHash(study));
    expect(studyHash({ ...study, minCasesPerMetric: 2 })).not.toBe(studyHash(study));
  });

  it("travels with regions as outputs, in whichever order they are written", () => {
    const regions = { ET: [3], WT: [1, 2, 3], TC: [1, 3] };
    const loss = { kind: "regionCrossEntropyAndDice" };
    const optimiser = { kind: "sgd", learningRate: 0.01 };
    const study = parseStudy({
      schema: "consilium.study/1",
      name: "Regions",
      task: { outputs: "regions", regions },
      network: { kind: "unet3d", levels: 3 },
      training: { optimiser, loss, patch: [16, 16, 16], stepsPerRound: 2 },
      rounds: { count: 1 },
    });
    const came = studyFromBytes(studyToBytes(study), studyHash(study));
    for (const { task } of [study, came]) expect(Object.keys(task.regions)).toEqual(["WT", "TC", "ET"]);
  });

  it("holds for the bytes that travel, and for no others", async () => {
    const { study } = await load(GOOD);
    const bytes = studyToBytes(study);
    expect(studyFromBytes(bytes, studyHash(study))).toEqual(study);
    expect(() => studyFromBytes(bytes, sha256("other"))).toThrow(/study-invalid/);
    const { minCasesPerMetric: _, ...short } = study;
    const shortBytes = new TextEncoder().encode(JSON.stringify(short));
    expect(() => studyFromBytes(shortBytes, sha256(shortBytes))).toThrow(/every default written out/);
    const foreign = new TextEncoder().encode(JSON.stringify({ ...study, script: "x" }));
    expect(() => studyFromBytes(foreign, sha256(foreign))).toThrow(/unknown key/);
    const garbage = Uint8Array.of(0xff, 0xfe);
    expect(() => studyFromBytes(garbage, sha256(garbage))).toThrow(/not JSON/);
  });
});

describe("checks against what lies outside the file", () => {
  it("refuses a network that does not fit the channels, and a stride that does not divide", async () => {
    const { study } = await load(GOOD);
    const facts = { network: { inputChannels: 3, outputChannels: 2, strides: [64, 64, 64] } as const };
    expect(() => checkStudyConsistency(study, facts)).toThrow(/3 channels.*2 classes.*divisible by 64/);
    expect(() =>
      checkStudyConsistency(study, { network: { inputChannels: 4, outputChannels: 4, strides: [8, 8, 8] } }),
    ).not.toThrow();
  });

  it("refuses a quorum above the number of sites", async () => {
    const { study } = await load(GOOD.replace("count: 5", "count: 5, quorum: 4"));
    expect(() => checkStudyConsistency(study, { sites: 3 })).toThrow(/rounds.quorum/);
    expect(() => checkStudyConsistency(study, { sites: 4 })).not.toThrow();
  });

  it("refuses a patch larger than the volume", async () => {
    const { study } = await load(GOOD);
    expect(() => checkPatchFits(study, [32, 40, 32])).not.toThrow();
    expect(() => checkPatchFits(study, [32, 31, 32])).toThrow(/patch-too-large.*at most 32 x 31 x 32 voxels at 1 mm/);
  });
});

describe("scans that may be missing", () => {
  it("must be some of the channels, not all, and be trained for", async () => {
    const withTask = (task: string): string => `${GOOD}task: ${task}\n`;
    expect((await load(withTask("{mayMiss: [t2]}"))).study.task.mayMiss).toEqual(["t2"]);
    expect((await refused(withTask("{channels: [t1, t2], mayMiss: [flair]}"))).expected).toContain("some of t1, t2");
    expect((await refused(withTask("{channels: [t1, t2], mayMiss: [t1, t2]}"))).actual).toContain("none");
    const untrained = withTask("{mayMiss: [t2]}").replace(
      "stepsPerRound: 4",
      "stepsPerRound: 4\n  augmentation: {channelDropout: 0}",
    );
    expect((await refused(untrained)).subject).toContain("training.augmentation.channelDropout");
  });
});
