import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describeStudy, parseStudy, type Study, studyDifference, studyHash } from "./index.ts";

const study: Study = parseStudy({
  schema: "consilium.study/1",
  name: "Brain tumour",
  network: { kind: "unet3d" },
  training: {
    optimiser: { kind: "sgd", learningRate: 0.01 },
    patch: [32, 32, 32],
    stepsPerRound: { patchesPerCase: 1.5 },
    batch: 2,
  },
  rounds: { count: 20, deadlineS: 5400 },
  aggregation: { precisionBits: 24 },
});

describe("describeStudy", () => {
  it("tells a reviewer what runs, what leaves and what is not protected", () => {
    const text = describeStudy(study);
    for (const said of [
      "A 3D U-Net of 4 levels",
      "No code from outside runs",
      "T1, T1 with contrast, T2, FLAIR",
      "WT (necroticCore, oedema, enhancingTumour)",
      "one number of 24 bits for each weight",
      "The coordinator sees this site's own update",
      "20 round(s); each closes when all sites have answered, after at most 90 minutes",
      "the updates of the last 2 round(s)",
    ]) {
      expect(text).toContain(said);
    }
  });

  it("names all that leaves with the figures and with signs of life, and what never does, as the study has it", () => {
    const text = describeStudy(study);
    expect(text).toContain("how many validation cases this site has, sums of Dice and HD95 by region over them");
    expect(text).toContain("from 3 patients on the sums of squares that intervals need");
    expect(text).toContain("its version and clock, and, unless its data is registered with --private-counts, how many");
    expect(text).toContain("Where work fails here: the code of the error.");
    const never = (training: Partial<Study["training"]>): string | undefined =>
      /What never leaves\n {2}- (.*)/.exec(
        describeStudy({ ...study, training: { ...study.training, ...training } }),
      )?.[1];
    const always = "Scans, label maps, the names of cases and patients";
    expect(never({})).toBe(`${always}, the optimiser's state.`);
    expect(never({ optimiserState: "share" })).toBe(`${always}.`);
    expect(never({ runningStatistics: "local" })).toBe(
      `${always}, the optimiser's state, the norms' running statistics.`,
    );
    const summed = describeStudy({ ...study, metrics: "summed" });
    expect(summed).not.toContain("sums of squares");
  });

  it("says how many sites train in a round, also where no more take part, and the least share of work exactly", () => {
    const rounds = { ...study.rounds, sitesPerRound: 4, partialWork: { leastShare: 0.07 } };
    const text = describeStudy({ ...study, rounds });
    expect(text).toContain("4 site(s) train in a round (all of them where no more take part)");
    expect(text).toContain("each closes when all that were drawn have answered");
    expect(text).toContain("at least 7 % of them");
  });

  it("says that a matrix hands the site's own model to every other site, in what leaves and in what is not protected", () => {
    const asking = (crossSite: Study["rounds"]["crossSite"]): string =>
      describeStudy({ ...study, rounds: { ...study.rounds, crossSite } });
    const text = asking("last");
    expect(text).toContain("After the last round, for a cross-site matrix: this site's own model of that round");
    expect(text).toContain("to every other site of the study");
    expect(text).toContain("Every other site gets this site's own model of the last round (cross-site matrix)");
    expect(text).toContain("those of a round with a matrix until that is made");
    expect(asking([20, 5])).toContain("After rounds 5, 20, for a cross-site matrix");
    expect(describeStudy(study)).not.toMatch(/cross-site|every other site/i);
  });

  it("says what noise bounds, and that no loss leaves with it", () => {
    const patientLevel = { clipNorm: 2, noiseMultiplier: 1.1, samplingRate: 0.1, delta: 1e-5 };
    const training = { ...study.training, batch: 1, stepsPerRound: 5 };
    const noisy = describeStudy(parseStudy({ ...study, training, privacy: { patientLevel } }), {
      patientEpsilon: 3.25,
    });
    expect(noisy).toContain("with a chance of 0.1");
    expect(noisy).toContain("noise of 1.1 times that length");
    expect(noisy).toContain("epsilon 3.250 at delta 0.00001");
    expect(noisy).not.toContain("mean loss");
    expect(noisy).not.toContain("No noise is added");
    expect(describeStudy(study)).toContain("mean loss");
    expect(describeStudy(study)).toContain("No noise is added");
  });

  it("says something else where the study says something else", () => {
    const other = describeStudy(
      parseStudy({
        ...study,
        network: { kind: "onnx", file: "net.onnx", sha256: "a".repeat(64) },
        aggregation: { ...study.aggregation, weightBy: "equal" },
        retain: "none",
        rounds: { ...study.rounds, quorum: 2, evaluateEvery: 5 },
      }),
    );
    expect(other).toContain('ONNX model "net.onnx" (SHA-256 aaaa');
    expect(other).toContain("plain mean");
    expect(other).toContain("at least 2 site(s)");
    expect(other).toContain("After every 5 rounds and the last");
    expect(other).toContain("no site's update once its round is closed");
  });
});

describe("describeStudy, of training", () => {
  it("says what a study does beside the usual", () => {
    const text = describeStudy(
      parseStudy({
        ...study,
        task: { ...study.task, outputs: "regions" },
        training: {
          ...study.training,
          loss: { kind: "regionMirroredDice" },
          parameterGroups: [{ names: ["encoder.*"], frozen: true }],
          clipNorm: 12,
          proximal: 0.01,
          averageDecay: 0.9,
          accumulate: 4,
          schedule: { kind: "step", everyRounds: 10 },
          warmUpRounds: 2,
        },
      }),
    );
    for (const said of [
      "mirrored Dice of each region",
      "stay as they are: encoder.*",
      "norm of at most 12",
      "near the round's global model, with weight 0.01",
      "moving average of the weights, with decay 0.9",
      "4 times for each step",
      "rising over 2 round(s) first, times 0.1 after every 10 round(s)",
    ]) {
      expect(text).toContain(said);
    }
    expect(describeStudy(study)).not.toMatch(/moving average|global model, with|stay as they are/);
  });
});

describe("studyDifference", () => {
  it("names the keys that changed", () => {
    const next = { ...study, minCasesPerMetric: 3, initial: { file: "w.safetensors" } };
    expect(studyDifference(study, next)).toEqual([
      { path: "initial.file", after: '"w.safetensors"' },
      { path: "minCasesPerMetric", before: "1", after: "3" },
    ]);
  });

  it("is empty exactly where the hashes are equal", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }), (a, b) => {
        const [before, after] = [a, b].map((count) => ({ ...study, rounds: { ...study.rounds, count } }));
        expect(studyDifference(before, after).length === 0).toBe(studyHash(before) === studyHash(after));
      }),
    );
  });
});
