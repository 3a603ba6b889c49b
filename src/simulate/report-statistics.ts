/** The part of a report that tells what the sites' data is like: figures that the study asked for, summed. */
import { escapeHtml } from "../base/index.ts";
import type { HistogramStatus, StatisticsStatus } from "../coordinator/index.ts";

type Table = (head: readonly string[], rows: readonly (readonly string[])[]) => string;

const TITLES = { intensities: "intensity", voxelSizes: "voxel size", volumes: "volume" } as const;
const SIZE = { width: 460, height: 150, bottom: 18 } as const;

/** Empty where the study asked for none. */
export function statisticsSection(statistics: StatisticsStatus | null, table: Table): string {
  if (statistics === null) return "";
  const { asked, sites, withheld, cases, patients, leftOut, labels, histograms } = statistics;
  const sentences = [
    `${sites} hospitals told figures, of ${cases ?? "too few"} cases of ${patients ?? "too few"} patients.`,
    `Figures that fewer than ${asked.leastPatients} patients of a hospital or fewer than ${asked.leastSites} hospitals define are withheld (–; cells with a dashed outline); no noise is on the others.`,
    ...(withheld > 0 ? [`${withheld} had too few patients to tell any.`] : []),
    ...leftOut.map(({ siteId, reason }) => `Without ${siteId}: ${reason}.`),
  ];
  const rows = labels.map(({ label, told }) =>
    told === null
      ? [label, "–", "–", "–"]
      : [
          label,
          `${told.cases} of ${told.ofCases}`,
          `${((100 * told.cases) / told.ofCases).toFixed(1)} %`,
          String(told.sites),
        ],
  );
  const drawn = histograms.map(
    (histogram) =>
      `<figure>${barChart(histogram)}<figcaption>${escapeHtml(captionOf(histogram))}</figcaption></figure>`,
  );
  return (
    `<h2>The hospitals' data</h2><p>${escapeHtml(sentences.join(" "))}</p>` +
    (rows.length > 0 ? table(["Class", "Cases", "Share", "Hospitals"], rows) : "") +
    `<div class="charts">${drawn.join("")}</div>`
  );
}

function captionOf({ name, of, unit, told }: HistogramStatus): string {
  if (told === null) return `${name}, ${TITLES[of]}: withheld`;
  const mean = told.mean === null ? "" : `, mean ${told.mean.toFixed(3)} ${unit}`;
  return `${name}, ${TITLES[of]}${mean}: ${told.cases} cases of ${told.sites} hospitals`;
}

function barChart(histogram: HistogramStatus): string {
  const { told, range, unit } = histogram;
  if (told === null) return "";
  const most = Math.max(1, ...told.cells.map((count) => count ?? 0));
  const step = SIZE.width / told.cells.length;
  const floor = SIZE.height - SIZE.bottom;
  const bars = told.cells.map((count, cell) => {
    const height = count === null ? floor : (floor * count) / most;
    const paint = count === null ? 'fill="none" stroke="#5d6b66" stroke-dasharray="2 3"' : 'fill="#0b6e4f"';
    return `<rect x="${(cell * step).toFixed(2)}" y="${(floor - height).toFixed(2)}" width="${(step * 0.9).toFixed(2)}" height="${height.toFixed(2)}" ${paint}/>`;
  });
  const at = (cell: number, value: number, anchor: string): string =>
    `<text x="${(cell * step).toFixed(1)}" y="${SIZE.height - 4}" text-anchor="${anchor}">${value}${unit && ` ${unit}`}</text>`;
  const title = escapeHtml(captionOf(histogram));
  return (
    `<svg viewBox="0 0 ${SIZE.width} ${SIZE.height}" role="img" aria-label="${title}" class="chart"><title>${title}</title>` +
    `${bars.join("")}${at(1, range.from, "start")}${at(told.cells.length - 1, range.to, "end")}</svg>`
  );
}
