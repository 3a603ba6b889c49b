/** Cross-site matrices: each site's own model of a round on every site's validation cases, as a table with shading. */
import { useState } from "preact/hooks";
import type { MatrixCell, MatrixRow, MatrixStatus, StudyStatus } from "../../../src/coordinator/index.ts";
import { formatCount, formatFigure } from "../format.ts";
import { ProgressBar, Section } from "../parts/parts.tsx";

const MEAN = "mean of the regions";

export function Matrices({ study }: { readonly study: StudyStatus }) {
  const { matrices, matrixUnderway } = study;
  if (matrices.length === 0 && matrixUnderway === null) return null;
  return (
    <Section
      title="Each site's own model at every site"
      note="Mean Dice on the validation cases of the site in the column: of the model of all sites together, and below it of each site's own model of that round, before the others' were mixed in. The stronger the colour, the higher; a model on its own site's cases stands in bold."
    >
      {matrixUnderway !== null && (
        <ProgressBar
          label={`Figures of round ${matrixUnderway.round}`}
          done={matrixUnderway.cells}
          total={matrixUnderway.cellsInAll}
        />
      )}
      {matrices.toReversed().map((matrix) => (
        <Matrix key={matrix.round} matrix={matrix} />
      ))}
    </Section>
  );
}

function Matrix({ matrix }: { readonly matrix: MatrixStatus }) {
  const { round, sites, rows, missing } = matrix;
  const [shown, setShown] = useState(MEAN);
  const regions = [...new Set(rows.flatMap(({ cells }) => cells.flatMap((cell) => Object.keys(cell?.regions ?? {}))))];
  const figureOf = (cell: MatrixCell | null): number | null =>
    cell === null ? null : shown === MEAN ? cell.mean : (cell.regions[shown]?.dice ?? null);
  const told = rows.flatMap(({ cells }) => cells.flatMap((cell) => figureOf(cell) ?? []));
  const range = { least: Math.min(...told), most: Math.max(...told) };
  return (
    <>
      <p class="buttons">
        <label>
          Round {round}, Dice of{" "}
          <select value={shown} onChange={(event) => setShown(event.currentTarget.value)}>
            {[MEAN, ...regions].map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard. */}
      <section class="scroll" tabIndex={0} aria-label={`Cross-site matrix of round ${round}`}>
        <table class="matrix">
          <caption>
            Round {round}: models in rows, sites that measured them in columns ({shown})
          </caption>
          <thead>
            <tr>
              <th scope="col">Model of</th>
              {sites.map((site) => (
                <th scope="col" key={site}>
                  {site}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <Row key={row.of ?? ""} row={row} sites={sites} figureOf={figureOf} range={range} />
            ))}
          </tbody>
        </table>
      </section>
      {missing.map(({ siteId, models, reason }) => (
        <p class="soft" key={`${siteId} ${reason}`}>
          Without figures of {models.length === rows.length - 1 ? "any model" : `the model of ${models.join(", ")}`} by{" "}
          {siteId}: {reason}.
        </p>
      ))}
    </>
  );
}

interface RowProps {
  readonly row: MatrixRow;
  readonly sites: readonly string[];
  readonly figureOf: (cell: MatrixCell | null) => number | null;
  readonly range: { readonly least: number; readonly most: number };
}

function Row({ row: { of, cells }, sites, figureOf, range: { least, most } }: RowProps) {
  return (
    <tr class={of === null ? "all" : undefined}>
      <th scope="row">{of ?? "all sites"}</th>
      {cells.map((cell, i) => {
        const figure = figureOf(cell);
        const heat = figure === null || most <= least ? 0 : (figure - least) / (most - least);
        return (
          <td
            key={sites[i]}
            class={sites[i] === of ? "own" : undefined}
            style={{ "--heat": heat.toFixed(3) }}
            title={cell === null ? "no figure" : `${formatCount(cell.cases)} cases`}
          >
            {formatFigure(figure)}
          </td>
        );
      })}
    </tr>
  );
}
