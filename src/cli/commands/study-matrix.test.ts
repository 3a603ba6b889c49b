/** A matrix for people: rows are models, columns are sites, and what is missing must not look like zero. */
import { expect, it } from "vitest";
import type { MatrixCell, MatrixStatus, StudyStatus } from "../../coordinator/index.ts";
import { describeMatrix, matrixLines } from "./study-matrix.ts";

function cell(dice: number, hd95: number | null = 4): MatrixCell {
  return { cases: 3, mean: dice, regions: { WT: { dice, hd95 }, ET: { dice: dice / 2, hd95: null } } };
}

const MATRIX: MatrixStatus = {
  round: 5,
  closedMs: 0,
  sites: ["tum", "ucsf", "upenn"],
  rows: [
    { of: null, cells: [cell(0.9), cell(0.85), null] },
    { of: "tum", cells: [cell(0.95), cell(0.6, 12.34), null] },
    { of: "ucsf", cells: [cell(0.55), null, null] },
  ],
  missing: [
    { siteId: "ucsf", models: ["ucsf"], reason: "failed 10 times, last with out-of-memory" },
    { siteId: "upenn", models: ["tum", "ucsf"], reason: "no figures before the deadline" },
  ],
};

it("names who told nothing, and shows a missing figure as one", () => {
  expect(describeMatrix(MATRIX, { hd95: false })).toMatchInlineSnapshot(`
    "Round 5, mean Dice: models in rows, sites whose validation cases they were measured on in columns

    Model of     tum   ucsf  upenn
    ───────────────────────────────────
    all sites  0.900  0.850      –
    tum        0.950  0.600      –
    ucsf       0.550      –      –

    Without figures of the model of ucsf by ucsf: failed 10 times, last with out-of-memory

    Without figures of any model by upenn: no figures before the deadline"
  `);
  expect(describeMatrix(MATRIX, { hd95: false, region: "ET" })).toMatch(
    /of ET: .*\n\n.*\n.*\nall sites +0\.450 +0\.425 +–/,
  );
  expect(describeMatrix(MATRIX, { hd95: true })).toMatch(/HD95 in mm.*\n\n.*\n.*\n.*\ntum +4\.0 +12\.3 +–/);
});

it("says in one line that there is one, or how far it is", () => {
  const none = { matrices: [], matrixUnderway: null } as unknown as StudyStatus;
  expect(matrixLines(none)).toEqual([]);
  expect(matrixLines({ ...none, matrices: [MATRIX] })).toEqual([
    "Cross-site matrix of round 5: 2 models at 3 sites (`consilium study matrix`)",
  ]);
  const underway = { ...none, matrixUnderway: { round: 5, cells: 3, cellsInAll: 6 } };
  expect(matrixLines(underway)).toEqual(["Cross-site matrix of round 5: 3 of 6 figures are there"]);
});
