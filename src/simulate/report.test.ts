import { describe, expect, test } from "vitest";
import { parseStudy } from "../study/index.ts";
import { type RoundFigures, renderReport } from "./report.ts";

const NONE = { WT: null, TC: null, ET: null, mean: null };

function reportOf(more: object, leftOut: RoundFigures["leftOut"] = []): string {
  return renderReport({
    study: parseStudy({
      schema: "consilium.study/1",
      name: "Drawn <b>sites</b>",
      network: { kind: "unet3d", levels: 2, baseFeatures: 4 },
      training: { optimiser: { kind: "sgd", learningRate: 0.01 }, patch: [16, 16, 16], stepsPerRound: 1 },
      rounds: { count: 2 },
      ...more,
    }),
    facts: [],
    result: {
      sites: [],
      evaluatedOn: { kind: "heldOut", cases: 1 },
      federated: { dice: NONE, hd95: NONE, undefined: {}, modelSha256: "0".repeat(64) },
      pooled: null,
      alone: null,
      ratio: null,
      learningRates: null,
      patientLevel: null,
      rounds: 1,
      gradientSteps: 1,
      seconds: 1,
      peakRssBytes: 0,
    },
    roundFigures: [{ round: 1, meanLoss: 1, dice: null, leftOut }],
    pooledTraining: null,
    traffic: [],
    pictures: [],
    commands: [],
  });
}

describe("a report", () => {
  test("says that all took part only where all were asked", () => {
    expect(reportOf({})).toContain("Every hospital that trains took part in each round.");
    const drawn = reportOf({ rounds: { count: 2, sitesPerRound: 4 } });
    expect(drawn).toContain("In each round 4 hospitals were drawn to train, in turn. Every one of them took part");
    expect(drawn).not.toContain("Every hospital");
  });

  test("names sites that only evaluate, and who was left out", () => {
    expect(reportOf({ evaluateOnly: ["outside"] })).toContain("Models were only measured at outside.");
    const missing = reportOf({}, [{ siteId: "tum", reason: "no update before the deadline" }]);
    expect(missing).toContain("Left out: round 1: tum (no update before the deadline).");
    expect(missing).not.toContain("took part in each round");
  });

  test("shows a study's name as text", () => {
    expect(reportOf({})).toContain("Drawn &lt;b&gt;sites&lt;/b&gt;");
  });
});
