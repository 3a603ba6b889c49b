/**
 * The table that says which case is which study and what every series was taken for. It holds the archive's
 * identifiers, so it is written only where a site asks for it, outside the dataset. Corrected, it is the table that
 * overrules recognition (`--series`).
 *
 * Invariant: given back as it is, it changes nothing. Of a study that was taken in it names the series that were used;
 * of one that was not, all that were recognised, so that only what is wrong has to be corrected. A series has one row,
 * whatever number of stacks (echoes, orientations) it holds.
 */
import { groupedBy } from "../base/index.ts";
import { MIN_CONFIDENCE, type SeriesVerdict } from "../imaging/index.ts";
import type { NamedStudy } from "./register-book.ts";

export interface JudgedStudy extends NamedStudy {
  readonly verdicts: readonly SeriesVerdict[];
}

const COLUMNS = ["case", "subject", "study", "series", "use", "confidence", "frames", "reason", "folder"] as const;

export function linksTable(recognised: readonly JudgedStudy[]): string {
  const quoted = (cell: string): string => `"${cell.replaceAll('"', '""')}"`;
  const rows = recognised.flatMap(({ caseId, subject, study, verdicts }) => {
    const refused = !verdicts.some(({ used }) => used);
    return [...groupedBy(verdicts, ({ series }) => series.series)].map(([series, stacks]) => {
      const { verdict, use } = meantStack(stacks, refused);
      return [
        caseId,
        subject,
        study.study,
        series,
        use,
        verdict.confidence.toFixed(2),
        stacks.map((each) => each.series.frames.length).join(" + "),
        verdict.reason,
        study.folders.join("; "),
      ];
    });
  });
  return [COLUMNS, ...rows].map((row) => `${row.map(quoted).join(",")}\r\n`).join("");
}

/** Of the stacks of one series the one that is used or was recognised most surely, and what it is to be used as. */
function meantStack(
  stacks: readonly SeriesVerdict[],
  refused: boolean,
): { readonly verdict: SeriesVerdict; readonly use: string } {
  const counts = ({ modality, confidence, used }: SeriesVerdict): boolean =>
    modality !== undefined && (used || (refused && confidence >= MIN_CONFIDENCE));
  const [verdict] = [...stacks].sort((a, b) => Number(counts(b)) - Number(counts(a)) || b.confidence - a.confidence);
  return { verdict, use: counts(verdict) ? (verdict.modality ?? "no") : "no" };
}
