/** Figures and tables for people: calm, aligned, and the same everywhere. */
import Table from "cli-table3";

/** "45 s", "1 min 20 s", "2 h 5 min". */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** "812 B", "1.4 MB"; decimal units. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${power === 0 ? bytes : (bytes / 1000 ** power).toFixed(1)} ${units[power]}`;
}

/** "1 case", "2 cases". */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** A figure with so many decimals, or a dash where it is undefined. */
export function formatFigure(value: number | null | undefined, decimals = 3): string {
  return value === null || value === undefined ? "–" : value.toFixed(decimals);
}

/** A difference of figures with its sign, or a dash where one of them is undefined. */
export function formatChange(
  before: number | null | undefined,
  after: number | null | undefined,
  decimals = 3,
): string {
  if (typeof before !== "number" || typeof after !== "number") return "–";
  const change = after - before;
  return `${change >= 0 ? "+" : "−"}${Math.abs(change).toFixed(decimals)}`;
}

export type Cell = string | number | null;

/**
 * A table without vertical rules; columns whose cells are all figures are aligned to the right.
 * @param rows As many cells each as there are columns; numbers are printed as they are, null as a dash.
 */
export function formatTable(columns: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const isFigure = (cell: Cell): boolean =>
    cell === null || typeof cell === "number" || /^[–−+-]?[\d.,]*( %| mm| s)?$/.test(cell);
  const table = new Table({
    head: [...columns],
    colAligns: columns.map((_, c) => (rows.length > 0 && rows.every((row) => isFigure(row[c])) ? "right" : "left")),
    style: { head: [], border: [], compact: true, "padding-left": 0, "padding-right": 2 },
    chars: {
      top: "",
      "top-mid": "",
      "top-left": "",
      "top-right": "",
      bottom: "",
      "bottom-mid": "",
      "bottom-left": "",
      "bottom-right": "",
      left: "",
      "left-mid": "",
      mid: "─",
      "mid-mid": "─",
      right: "",
      "right-mid": "",
      middle: "",
    },
  });
  table.push(...rows.map((row) => row.map((cell) => (cell === null ? "–" : String(cell)))));
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}
