/** `study matrix`: each site's own model of a round, on every site's validation cases. */
import { ConsiliumError, type Json } from "../../base/index.ts";
import type { MatrixCell, MatrixRow, MatrixStatus, StudyStatus } from "../../coordinator/index.ts";
import { defineCommand } from "../command.ts";
import { countOf, formatFigure, formatTable } from "../format.ts";
import { option } from "../options.ts";

export const studyMatrix = defineCommand({
  path: ["study", "matrix"],
  summary: "Show the cross-site matrix: each site's own model on every site's cases",
  description:
    "A row for each model, the global one first, and a column for each site that measured it: mean Dice over its " +
    "validation cases, mean of the regions unless one is named. A dash is a figure that never came, or that a site with " +
    "too few validation cases keeps to itself; who told nothing is named with the reason. A study asks for the matrix " +
    "by rounds.crossSite; --json has every region, with HD95 and numbers of cases.",
  options: {
    home: option.requiredText("DIR", "the coordinator's home folder"),
    round: option.integer("of this round; of the last that has a matrix unless given", { min: 1 }),
    region: option.text("NAME", "Dice of this region"),
    hd95: option.flag("HD95 in mm, mean of the regions or of the one that is named"),
  },
  examples: ["consilium study matrix --home coordinator", "consilium study matrix --home coordinator --region ET"],
  async run({ options }) {
    const { adminClient } = await import("../../coordinator/index.ts");
    const { study } = await adminClient(options.home).status();
    const { round, region } = options;
    const matrix = study?.matrices.findLast((each) => round === undefined || each.round === round);
    if (matrix === undefined) {
      if (round !== undefined) throw noMatrix(round, study);
      return { json: { matrix: null }, text: whyNone(study) };
    }
    if (region !== undefined) checkRegion(region, matrix);
    const text = describeMatrix(matrix, { ...(region !== undefined && { region }), hd95: options.hd95 });
    return { json: { matrix } as unknown as Json, text };
  },
});

/** Where one is being made, or there are some: a line for those who only want to know that. */
export function matrixLines({ matrices, matrixUnderway }: StudyStatus): string[] {
  return [
    ...(matrixUnderway === null ? [] : [underway(matrixUnderway)]),
    ...matrices.map(({ round, rows, sites }) => {
      const models = countOf(rows.length - 1, "model");
      return `Cross-site matrix of round ${round}: ${models} at ${countOf(sites.length, "site")} (\`consilium study matrix\`)`;
    }),
  ];
}

function underway({ round, cells, cellsInAll }: NonNullable<StudyStatus["matrixUnderway"]>): string {
  return `Cross-site matrix of round ${round}: ${cells} of ${cellsInAll} figures are there`;
}

function whyNone(study: StudyStatus | null): string {
  if (study?.matrixUnderway) return `${underway(study.matrixUnderway)}.`;
  return "No cross-site matrix: no study has asked for one (rounds.crossSite), or its round is not through.";
}

interface Shown {
  readonly region?: string;
  readonly hd95: boolean;
}

export function describeMatrix(matrix: MatrixStatus, shown: Shown): string {
  const { round, sites, rows, missing } = matrix;
  const { region, hd95 } = shown;
  const what = `${hd95 ? "HD95 in mm" : "mean Dice"}${region === undefined ? "" : ` of ${region}`}`;
  const figures = rows.map((row) => [nameOf(row), ...row.cells.map((cell) => figureOf(cell, shown))]);
  return [
    `Round ${round}, ${what}: models in rows, sites whose validation cases they were measured on in columns`,
    formatTable(["Model of", ...sites], figures),
    ...missing.map(({ siteId, models, reason }) => {
      const some = models.length === rows.length - 1 ? "any model" : `the model of ${models.join(", ")}`;
      return `Without figures of ${some} by ${siteId}: ${reason}`;
    }),
  ].join("\n\n");
}

function nameOf({ of }: MatrixRow): string {
  return of ?? "all sites";
}

function figureOf(cell: MatrixCell | null, { region, hd95 }: Shown): string | null {
  if (cell === null) return null;
  if (region !== undefined) return formatFigure(cell.regions[region]?.[hd95 ? "hd95" : "dice"], hd95 ? 1 : 3);
  if (!hd95) return formatFigure(cell.mean);
  const told = Object.values(cell.regions).flatMap((each) => each.hd95 ?? []);
  return formatFigure(told.length === 0 ? null : told.reduce((sum, each) => sum + each, 0) / told.length, 1);
}

function checkRegion(region: string, { rows }: MatrixStatus): void {
  const known = new Set(rows.flatMap(({ cells }) => cells.flatMap((cell) => Object.keys(cell?.regions ?? {}))));
  if (known.has(region)) return;
  throw new ConsiliumError("usage", {
    subject: "--region",
    expected: known.size === 0 ? "none: no site told a figure" : [...known].join(", "),
    actual: region,
    hint: "Name a region of the study, or leave the option out.",
  });
}

function noMatrix(round: number, study: StudyStatus | null): ConsiliumError {
  const rounds = study?.matrices.map((each) => each.round) ?? [];
  return new ConsiliumError("usage", {
    subject: "--round",
    expected: rounds.length === 0 ? "no round: there is no matrix yet" : `one of ${rounds.join(", ")}`,
    actual: String(round),
    hint: "A study names the rounds of its matrices by rounds.crossSite.",
  });
}
