/** Statistics for people: what is withheld must not look like zero. */
import { expect, it } from "vitest";
import type { StatisticsStatus } from "../../coordinator/index.ts";
import { describeStatistics, statisticsLine } from "./study-statistics.ts";

const TOLD: StatisticsStatus = {
  asked: {
    leastPatients: 5,
    leastSites: 2,
    smallCells: "withheld",
    labels: true,
    volumes: { from: 0, to: 20, bins: 2 },
  },
  sites: 3,
  withheld: 1,
  cases: 40,
  patients: 38,
  leftOut: [{ siteId: "upenn", reason: "no statistics before the deadline" }],
  labels: [
    { label: "oedema", told: { sites: 3, cases: 30, ofCases: 40 } },
    { label: "enhancingTumour", told: null },
  ],
  histograms: [
    {
      of: "volumes",
      name: "WT",
      unit: "ml",
      range: { from: 0, to: 20, bins: 2 },
      starts: [null, 0, 10, 20],
      told: { sites: 3, cases: 40, mean: 9.5, cells: [0, 32, 8, null], withheldBy: [0, 0, 1, 2] },
    },
    {
      of: "volumes",
      name: "ET",
      unit: "ml",
      range: { from: 0, to: 20, bins: 2 },
      starts: [null, 0, 10, 20],
      told: null,
    },
  ],
};

it("names who told nothing, and shows a withheld cell as one and not as empty", () => {
  expect(describeStatistics(TOLD)).toMatchInlineSnapshot(`
    "3 sites told figures, of 40 cases of 38 patients
    1 site withheld all: fewer than 5 patients
    without upenn: no statistics before the deadline

    Class            Cases  Of   Share  Sites
    ───────────────────────────────────────────────
    oedema              30  40  75.0 %      3
    enhancingTumour      –   –       –      –

    Figure      Sites  Cases   Mean  Cells       Histogram
    ─────────────────────────────────────────────────────────────
    WT, volume      3     40  9.500  0 to 20 ml   █▃?
    ET, volume      –      –      –  0 to 20 ml"
  `);
  expect(describeStatistics(TOLD, true)).toMatch(
    /WT, volume, ml\n.*From.*\n.*\nbelow 0 +0 +0 *\n0 +32 +0 *\n10 +8 +1 *\n20 +– +2/,
  );
});

it("says in one line that there are some, and does not invent a number of cases that too few sites told", () => {
  expect(statisticsLine(TOLD)).toBe("Statistics of the data: 3 sites, 40 cases (`consilium study statistics`)");
  expect(statisticsLine({ ...TOLD, cases: null })).toContain("– cases");
});
