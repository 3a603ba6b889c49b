/** What the sites told of their data before the first round, summed: classes in a table, histograms as bars. */
import type { HistogramStatus, StatisticsStatus } from "../../../src/coordinator/index.ts";
import { countOf, formatCount, formatFigure } from "../format.ts";
import { Section, Table } from "../parts/parts.tsx";

const TITLES = { intensities: "intensity", voxelSizes: "voxel size", volumes: "volume" } as const;
const SIZE = { width: 460, height: 150, bottom: 20 } as const;

export function Statistics({ statistics }: { readonly statistics: StatisticsStatus | null }) {
  if (statistics === null) return null;
  const { asked, sites, withheld, cases, patients, leftOut, labels, histograms } = statistics;
  return (
    <Section
      title="The sites' data"
      note={`Sums over sites. Withheld is what fewer than ${asked.leastPatients} patients of a site or fewer than ${countOf(asked.leastSites, "site")} define; no noise is on the rest.`}
    >
      <p>
        {countOf(sites, "site")} told figures, of {cases === null ? "–" : formatCount(cases)} cases of{" "}
        {patients === null ? "–" : formatCount(patients)} patients.
        {withheld > 0 && ` ${countOf(withheld, "site")} had too few patients to tell any.`}
        {leftOut.map(({ siteId, reason }) => ` Without ${siteId}: ${reason}.`)}
      </p>
      {labels.length > 0 && (
        <Table
          caption="Cases with each class"
          columns={["Class", "#Cases", "#Of", "#Share", "#Sites"]}
          rows={labels.map(({ label, told }) =>
            told === null
              ? [<b key="l">{label}</b>, "–", "–", "–", "–"]
              : [
                  <b key="l">{label}</b>,
                  formatCount(told.cases),
                  formatCount(told.ofCases),
                  `${((100 * told.cases) / told.ofCases).toFixed(1)} %`,
                  told.sites,
                ],
          )}
        />
      )}
      <div class="charts">
        {histograms.map((histogram) => (
          <Histogram key={`${histogram.of} ${histogram.name}`} histogram={histogram} />
        ))}
      </div>
    </Section>
  );
}

function Histogram({ histogram }: { readonly histogram: HistogramStatus }) {
  const { name, of, unit, range, starts, told } = histogram;
  const title = `${name}, ${TITLES[of]}`;
  if (told === null) {
    return (
      <figure class="chart">
        <figcaption>{title}</figcaption>
        <p class="soft">Withheld: too few sites told it.</p>
      </figure>
    );
  }
  const mean = told.mean === null ? "" : `, mean ${formatFigure(told.mean)} ${unit}`;
  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <Bars histogram={histogram} />
      <p class="soft">
        {formatCount(told.cases)} cases of {countOf(told.sites, "site")}
        {mean}
      </p>
      <details>
        <summary>As a table</summary>
        <Table
          caption={title}
          columns={[`#From${unit && `, ${unit}`}`, of === "intensities" ? "#Voxels" : "#Cases", "#Withheld by"]}
          rows={told.cells.map((count, cell) => [
            starts[cell] ?? `below ${range.from}`,
            count === null ? "–" : formatCount(count),
            told.withheldBy[cell],
          ])}
        />
      </details>
    </figure>
  );
}

/** One bar a cell, the first and the last for what lies outside; a withheld cell is an outline. */
function Bars({ histogram: { told, range, unit } }: { readonly histogram: HistogramStatus }) {
  const cells = told?.cells ?? [];
  const most = Math.max(1, ...cells.map((count) => count ?? 0));
  const step = SIZE.width / cells.length;
  const floor = SIZE.height - SIZE.bottom;
  return (
    <div>
      <svg viewBox={`0 0 ${SIZE.width} ${SIZE.height}`} aria-hidden="true">
        <line class="grid" x1={0} x2={SIZE.width} y1={floor} y2={floor} />
        {cells.map((count, cell) => {
          const height = count === null ? floor : (floor * count) / most;
          const place = { x: cell * step, y: floor - height, width: step * 0.9, height };
          return <rect key={cell} class={count === null ? "bar withheld" : "bar"} {...place} />;
        })}
        <text x={step} y={SIZE.height - 4}>
          {range.from} {unit}
        </text>
        <text x={SIZE.width - step} y={SIZE.height - 4} text-anchor="end">
          {range.to} {unit}
        </text>
      </svg>
    </div>
  );
}
