/** Times, sizes and figures for people: in the reader's own zone and language, with units. */

const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const clockTime = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const whole = new Intl.NumberFormat();

export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

export function formatTime(ms: number): string {
  return dateTime.format(ms);
}

/** The hour alone where it is today. */
export function formatMoment(ms: number): string {
  return new Date(ms).toDateString() === new Date().toDateString() ? clockTime.format(ms) : dateTime.format(ms);
}

export function formatCount(count: number): string {
  return whole.format(count);
}

export function formatBytes(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(2)} GB`;
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  return bytes >= 1e3 ? `${(bytes / 1e3).toFixed(1)} kB` : `${bytes} B`;
}

export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const hours = Math.floor(seconds / 3600);
  if (hours < 48) return `${hours} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(hours / 24)} d`;
}

export function formatFigure(value: number | null | undefined, digits = 3): string {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

/** Behind a figure's name; nothing where no interval is known. */
export function formatInterval(interval: readonly [number, number] | null | undefined): string {
  return interval ? `, 95 % ${formatFigure(interval[0])} to ${formatFigure(interval[1])}` : "";
}

/** A difference with its sign. */
export function formatChange(before: number | null | undefined, after: number | null | undefined): string {
  if (typeof before !== "number" || typeof after !== "number") return "–";
  const change = after - before;
  return `${change >= 0 ? "+" : "−"}${Math.abs(change).toFixed(3)}`;
}

export function countOf(count: number, what: string, plural = `${what}s`): string {
  return `${formatCount(count)} ${count === 1 ? what : plural}`;
}
