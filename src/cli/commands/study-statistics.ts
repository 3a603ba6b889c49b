/** `study statistics`: what the sites told of their data before the first round, summed. */
import type { Json } from "../../base/index.ts";
import type { HistogramStatus, StatisticsStatus } from "../../coordinator/index.ts";
import { defineCommand } from "../command.ts";
import { countOf, formatFigure, formatTable } from "../format.ts";
import { option } from "../options.ts";

export const studyStatistics = defineCommand({
  path: ["study", "statistics"],
  summary: "Show the statistics of the sites' data that a study asked for",
  description:
    "Sums over the sites that told a figure; a dash is a figure of fewer sites than the study's least. Of histograms a " +
    "line of bars is shown, from the cell before the first to the one behind the last, with ? for withheld cells; " +
    "--cells and --json give the numbers.",
  options: {
    home: option.requiredText("DIR", "the coordinator's home folder"),
    cells: option.flag("every cell of every histogram, with the sites that withhold it"),
  },
  examples: ["consilium study statistics --home coordinator"],
  async run({ options }) {
    const { adminClient } = await import("../../coordinator/index.ts");
    const { study } = await adminClient(options.home).status();
    const statistics = study?.statistics ?? null;
    const text =
      statistics === null
        ? "No statistics: no study has asked for any, or its sites are still being asked."
        : describeStatistics(statistics, options.cells);
    return { json: { statistics } as unknown as Json, text };
  },
});

/** One line, for those who only want to know that they are there. */
export function statisticsLine({ sites, cases }: StatisticsStatus): string {
  return `Statistics of the data: ${countOf(sites, "site")}, ${formatFigure(cases, 0)} cases (\`consilium study statistics\`)`;
}

const MEMBERS = { intensities: "intensity", voxelSizes: "voxel size", volumes: "volume" } as const;

export function describeStatistics(told: StatisticsStatus, everyCell = false): string {
  const { asked, sites, withheld, cases, patients, leftOut, labels, histograms } = told;
  const sections = [
    [
      `${countOf(sites, "site")} told figures, of ${formatFigure(cases, 0)} cases of ${formatFigure(patients, 0)} patients`,
      ...(withheld > 0
        ? [`${countOf(withheld, "site")} withheld all: fewer than ${asked.leastPatients} patients`]
        : []),
      ...leftOut.map(({ siteId, reason }) => `without ${siteId}: ${reason}`),
    ].join("\n"),
  ];
  if (labels.length > 0) {
    const rows = labels.map(({ label, told: sums }) => [
      label,
      ...(sums === null
        ? [null, null, null, null]
        : [sums.cases, sums.ofCases, percent(sums.cases, sums.ofCases), sums.sites]),
    ]);
    sections.push(formatTable(["Class", "Cases", "Of", "Share", "Sites"], rows));
  }
  if (histograms.length > 0) {
    const rows = histograms.map((histogram) => {
      const { told: sums, range } = histogram;
      const where = `${range.from} to ${range.to}${histogram.unit && ` ${histogram.unit}`}`;
      if (sums === null) return [titleOf(histogram), null, null, null, where, ""];
      return [titleOf(histogram), sums.sites, sums.cases, formatFigure(sums.mean), where, bars(sums.cells)];
    });
    sections.push(formatTable(["Figure", "Sites", "Cases", "Mean", "Cells", "Histogram"], rows));
  }
  if (everyCell) sections.push(...histograms.flatMap(cellsOf));
  return sections.join("\n\n");
}

function titleOf({ of, name }: HistogramStatus): string {
  return `${name}, ${MEMBERS[of]}`;
}

const HEIGHTS = "▁▂▃▄▅▆▇█";

/** A bar for each cell, the highest full; nothing for zero. */
function bars(cells: readonly (number | null)[]): string {
  const most = Math.max(1, ...cells.map((count) => count ?? 0));
  return cells
    .map((count) => {
      if (count === null) return "?";
      return count === 0 ? " " : HEIGHTS[Math.min(HEIGHTS.length - 1, Math.floor((count / most) * HEIGHTS.length))];
    })
    .join("");
}

function cellsOf(histogram: HistogramStatus): string[] {
  const { told, of, unit, range, starts } = histogram;
  if (told === null) return [];
  const rows = told.cells.map((count, cell) => [starts[cell] ?? `below ${range.from}`, count, told.withheldBy[cell]]);
  const what = of === "intensities" ? "Voxels" : "Cases";
  return [`${titleOf(histogram)}${unit && `, ${unit}`}\n${formatTable(["From", what, "Withheld by"], rows)}`];
}

function percent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(1)} %`;
}
