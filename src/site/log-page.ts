/** A page of what left a site, latest first, by what it was and by the study that it was about. */
import { ConsiliumError, LIMITS, sumBy } from "../base/index.ts";
import { departuresIn, type SiteLogEntry } from "./site-log.ts";

export interface LogFilter {
  /** As entries tell it: "update"; empty for all. */
  readonly what: string;
  /** The hash of a study, or the beginning of one of at least 8 digits; empty for all. */
  readonly study: string;
  /** Entries before this index alone; 0 for the latest. */
  readonly before: number;
  /** At most so many; 0 for LIMITS.consoleLogPage. */
  readonly limit: number;
}

export interface LogPage {
  /** Latest first. */
  readonly entries: readonly SiteLogEntry[];
  /** Whether there are older ones that match. */
  readonly older: boolean;
  /** Of those that match, on all pages. */
  readonly matching: { readonly entries: number; readonly departures: number; readonly bytes: number };
  /** Of the whole log. */
  readonly total: number;
  /** What there is to filter by. */
  readonly kinds: readonly string[];
  readonly studies: readonly string[];
}

/** Those entries alone that match. @throws ConsiliumError `usage` for a study that is no hash */
export function matchingLog(
  log: readonly SiteLogEntry[],
  { what, study }: Pick<LogFilter, "what" | "study">,
): readonly SiteLogEntry[] {
  if (study !== "" && !/^[0-9a-f]{8,64}$/.test(study)) throw noHash(study);
  return log.filter(
    (entry) => (what === "" || entry.what === what) && (study === "" || entry.studyHash.startsWith(study)),
  );
}

/** @param log whole, oldest first. @throws ConsiliumError `usage` for a study that is no hash */
export function pageOfLog(log: readonly SiteLogEntry[], { before, limit, ...filter }: LogFilter): LogPage {
  const matching = matchingLog(log, filter);
  const reachable = before === 0 ? matching : matching.filter(({ index }) => index < before);
  const size = Math.min(limit === 0 ? LIMITS.consoleLogPage : limit, LIMITS.consoleLogPage);
  return {
    entries: reachable.slice(-size).reverse(),
    older: reachable.length > size,
    matching: {
      entries: matching.length,
      departures: departuresIn(matching),
      bytes: sumBy(matching, ({ bytes }) => bytes),
    },
    total: log.length,
    kinds: [...new Set(log.map((entry) => entry.what))].sort(),
    studies: [...new Set(log.map(({ studyHash }) => studyHash))].filter((hash) => hash !== ""),
  };
}

function noHash(study: string): ConsiliumError {
  return new ConsiliumError("usage", {
    subject: "study",
    expected: "the hash of a study, or at least its first 8 digits",
    actual: study.slice(0, 64),
    hint: "`consilium site status` names the hash of each study.",
  });
}
