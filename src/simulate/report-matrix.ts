/** The part of a report that shows cross-site matrices: mean Dice in cells, darker the higher it is. */
import { escapeHtml, scrollingTable } from "../base/index.ts";
import type { MatrixCell, MatrixStatus } from "../coordinator/index.ts";

/** Share of the accent's colour behind the highest figure: text stays readable on it. */
const DARKEST = 0.5;

/** Empty where the study asked for none. */
export function matrixSection(matrices: readonly MatrixStatus[]): string {
  if (matrices.length === 0) return "";
  return (
    "<h2>Each hospital's own model at every hospital</h2>" +
    "<p>Mean Dice of a round's models over the regions, on the validation cases of the hospital in the column: in the first row the " +
    "model of all hospitals together, below it each hospital's own of that round, before the others' were mixed in. " +
    "A model on its own hospital's cases stands in bold.</p>" +
    matrices.map(matrixTable).join("")
  );
}

function matrixTable({ round, sites, rows, missing }: MatrixStatus): string {
  const told = rows.flatMap(({ cells }) => cells.flatMap((cell) => cell?.mean ?? []));
  const [least, most] = [Math.min(...told), Math.max(...told)];
  const shade = (mean: number): number => (most > least ? (DARKEST * (mean - least)) / (most - least) : 0);
  const cellHtml = (cell: MatrixCell | null, own: boolean): string => {
    const mean = cell?.mean ?? null;
    const paint = mean === null ? "" : ` style="background:rgba(11,110,79,${shade(mean).toFixed(2)})"`;
    return `<td${own ? ' class="own"' : ""}${paint}>${mean === null ? "–" : mean.toFixed(3)}</td>`;
  };
  const body = rows.map(({ of, cells }) => {
    const name = of ?? "all hospitals";
    const figures = cells.map((cell, i) => cellHtml(cell, sites[i] === of)).join("");
    return `<tr${of === null ? ' class="all"' : ""}><th scope="row">${escapeHtml(name)}</th>${figures}</tr>`;
  });
  const head = sites.map((site) => `<th scope="col">${escapeHtml(site)}</th>`).join("");
  const words = missing.map(({ siteId, models, reason }) => {
    const some = models.length === rows.length - 1 ? "any model" : `the model of ${models.join(", ")}`;
    return `Without figures of ${some} by ${siteId}: ${reason}.`;
  });
  return (
    `<h3>Round ${round}</h3>` +
    scrollingTable(
      `<table class="matrix"><thead><tr><th scope="col">Model of</th>${head}</tr></thead><tbody>${body.join("")}</tbody></table>`,
    ) +
    words.map((sentence) => `<p class="small">${escapeHtml(sentence)}</p>`).join("")
  );
}
