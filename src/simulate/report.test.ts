import { describe, expect, test } from "vitest";
import { figuresOfCases, worstSites } from "../segmentation/index.ts";
import { parseStudy } from "../study/index.ts";
import { type RoundFigures, renderReport } from "./report.ts";

const NONE = { WT: null, TC: null, ET: null, mean: null };

function reportOf(more: object, leftOut: RoundFigures["leftOut"] = [], result: object = {}): string {
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
      federated: { dice: NONE, hd95: NONE, undefined: {}, spread: { dice: {}, hd95: {} }, modelSha256: "0".repeat(64) },
      worstSite: { dice: {}, hd95: {} },
      pooled: null,
      alone: null,
      ratio: null,
      learningRates: null,
      patientLevel: null,
      matrices: [],
      rounds: 1,
      gradientSteps: 1,
      seconds: 1,
      peakRssBytes: 0,
      ...result,
    },
    roundFigures: [{ round: 1, meanLoss: 1, dice: null, leftOut }],
    pooledTraining: null,
    statistics: null,
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

  test("says what stands beside the means, or why it is not known", () => {
    const all = figuresOfCases(
      [0.9, 0.3].map((dice, i) => ({
        subject: `s${i}`,
        regions: { WT: { dice, hd95: i === 0 ? 2 : null, sensitivity: null, specificity: null } },
      })),
      ["WT"],
    );
    const sites = ["a", "b"].map((id, i) => ({
      id,
      cases: { train: 1, validation: 1 },
      dice: { WT: 0.9 - i * 0.6, mean: 0.9 },
      hd95: null,
    }));
    const federated = { dice: NONE, hd95: NONE, undefined: {}, spread: all, modelSha256: "0".repeat(64) };
    const worst = { worstSite: worstSites(sites, ["WT"]), sites, federated };
    const cells = (row: readonly string[]): string => row.map((cell) => `<td[^>]*>${cell}</td>`).join("");
    const known = reportOf({}, [], worst);
    expect(known).toMatch(
      new RegExp(cells(["federated", "Dice WT", "0.600", "0.300 to 0.900", "0.300", "b 0.300", "2"])),
    );
    expect(known).toMatch(new RegExp(cells(["federated", "HD95 WT", "2.0", "–", "2.0", "–", "1"])));
    expect(known).toContain("Worst tenth: mean of");
    const sums = { ...all, dice: { WT: { ...all.dice.WT, worstTenth: null } } };
    const told = reportOf({}, [], { ...worst, federated: { ...federated, spread: sums } });
    expect(told).toContain("the worst tenth of the cases is not known");
    expect(reportOf({})).toContain("No site is called the worst");
  });

  test("shows a study's name as text", () => {
    expect(reportOf({})).toContain("Drawn &lt;b&gt;sites&lt;/b&gt;");
  });
});
