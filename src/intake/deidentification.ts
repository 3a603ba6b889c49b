/** What intake removed, case by case, for a hospital's data-protection officer: names of elements, never values. */
import type { CaseRecord } from "./case-record.ts";

export function renderDeidentification(records: readonly CaseRecord[]): string {
  const done = records.filter(({ state, failure }) => state === "done" && failure === undefined);
  const rows = done.map(
    ({ caseId, identifying = [], headRemoved }) =>
      `| ${caseId} | ${identifying.length} | ${identifying.join(", ")} | ${headRemoved === undefined ? "" : `${(100 * headRemoved).toFixed(0)} %`} |`,
  );
  return `# What intake removed

**Images.** Each case is NIfTI files of voxels and their geometry, one of each scan that it has. No element of a DICOM file
is carried over: no name, number, date, place, device or free text. The files' names are pseudonyms, numbered in the order
of arrival. The table below names what the headers of all files of the series taken in had, within sequences as well; other
series of a study were not taken in. Text that a scanner burnt into pixels is not looked for.

**Faces.** Everything outside the brain is zero, so there is no face to recognise. The last column is the share of the
head (all that is not air) that was removed. Look at the pictures: a brain found too large may keep some of the head.

**What stays at the site.** This folder, \`intake\`, is not part of the dataset: never send it along. Its pictures up to
the state "extracted" show the whole head (\`--no-heads\` leaves them out). \`book.json\` ties studies to pseudonyms by
digests under a key that lies in the same file. A table of links exists only where \`--links\` named a file for it.

| case | elements | identifying elements of the headers of the files taken in, after PS3.15 table E.1-1 | head removed |
| --- | --- | --- | --- |
${rows.join("\n")}
`;
}
