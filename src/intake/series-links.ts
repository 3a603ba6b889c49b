/**
 * The table that says which case is which study and what every series was taken for. It holds the archive's
 * identifiers, so it is written only where a site asks for it, outside the dataset. Corrected, it is the table that
 * overrules recognition (`--series`).
 */
import type { SeriesVerdict } from "../imaging/index.ts";
import type { NamedStudy } from "./register-book.ts";

export interface JudgedStudy extends NamedStudy {
  readonly verdicts: readonly SeriesVerdict[];
}

const COLUMNS = ["case", "subject", "study", "series", "use", "confidence", "frames", "reason", "folder"] as const;

export function linksTable(recognised: readonly JudgedStudy[]): string {
  const quoted = (cell: string): string => `"${cell.replaceAll('"', '""')}"`;
  const rows = recognised.flatMap(({ caseId, subject, study, verdicts }) =>
    verdicts.map(({ series, modality, confidence, reason, used }) => [
      caseId,
      subject,
      study.study,
      series.series,
      used && modality !== undefined ? modality : "no",
      confidence.toFixed(2),
      String(series.frames.length),
      reason,
      study.folders.join("; "),
    ]),
  );
  return [COLUMNS, ...rows].map((row) => `${row.map(quoted).join(",")}\r\n`).join("");
}
