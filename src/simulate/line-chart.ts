/** A small line chart as SVG text: for reports that must open anywhere, years from now, without a network. */
import { escapeHtml } from "../base/index.ts";

export interface Series {
  readonly name: string;
  readonly colour: string;
  /** y by x; gaps are left out. */
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly dashed?: boolean;
}

export interface Chart {
  readonly title: string;
  readonly xLabel: string;
  readonly yRange: readonly [number, number];
  readonly series: readonly Series[];
}

const SIZE = { width: 560, height: 260, left: 44, right: 120, top: 16, bottom: 36 } as const;

export function lineChart({ title, xLabel, yRange, series }: Chart): string {
  const xs = series.flatMap(({ points }) => points.map(([x]) => x));
  const [xLow, xHigh] = [Math.min(...xs), Math.max(...xs)];
  const plotWidth = SIZE.width - SIZE.left - SIZE.right;
  const plotHeight = SIZE.height - SIZE.top - SIZE.bottom;
  const px = (x: number): number => SIZE.left + (xHigh === xLow ? 0.5 : (x - xLow) / (xHigh - xLow)) * plotWidth;
  const py = (y: number): number => SIZE.top + (1 - (y - yRange[0]) / (yRange[1] - yRange[0])) * plotHeight;
  const ticks = Array.from({ length: 6 }, (_, i) => yRange[0] + (i * (yRange[1] - yRange[0])) / 5);
  const grid = ticks.map(
    (y) =>
      `<line x1="${SIZE.left}" x2="${SIZE.left + plotWidth}" y1="${py(y).toFixed(1)}" y2="${py(y).toFixed(1)}" class="grid"/>` +
      `<text x="${SIZE.left - 6}" y="${(py(y) + 4).toFixed(1)}" text-anchor="end">${trim(y)}</text>`,
  );
  const xTicks = [...new Set([xLow, Math.round((xLow + xHigh) / 2), xHigh])].map(
    (x) => `<text x="${px(x).toFixed(1)}" y="${SIZE.height - SIZE.bottom + 16}" text-anchor="middle">${trim(x)}</text>`,
  );
  const labels = spreadLabels(series.map(({ points }) => py(points.at(-1)?.[1] ?? yRange[0])));
  const lines = series.map(({ name, colour, points, dashed }, i) => {
    const path = points.map(([x, y]) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(" ");
    const dash = dashed ? ' stroke-dasharray="4 3"' : "";
    return (
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"${dash}/>` +
      `<text x="${SIZE.left + plotWidth + 8}" y="${(labels[i] + 4).toFixed(1)}" fill="${colour}">${escapeHtml(name)}</text>`
    );
  });
  const axis = `<text x="${SIZE.left + plotWidth / 2}" y="${SIZE.height - 4}" text-anchor="middle">${escapeHtml(xLabel)}</text>`;
  return (
    `<svg viewBox="0 0 ${SIZE.width} ${SIZE.height}" role="img" aria-label="${escapeHtml(title)}" class="chart">` +
    `<title>${escapeHtml(title)}</title>${grid.join("")}${xTicks.join("")}${axis}${lines.join("")}</svg>`
  );
}

/** Labels at the ends of lines, moved apart so that none covers another. */
function spreadLabels(wanted: readonly number[]): number[] {
  const order = wanted.map((y, i) => ({ y, i })).sort((a, b) => a.y - b.y);
  const placed: number[] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (const { y, i } of order) {
    last = Math.max(y, last + 14);
    placed[i] = last;
  }
  return placed;
}

function trim(value: number): string {
  return String(Number(value.toFixed(2)));
}
