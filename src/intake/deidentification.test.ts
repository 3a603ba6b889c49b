import { expect, it } from "vitest";
import type { CaseRecord } from "./case-record.ts";
import { renderDeidentification } from "./deidentification.ts";

it("says in whole words what was looked at, and lists what each finished case's files had", () => {
  const done = { caseId: "P0001-1", state: "done", identifying: ["Patient's Name", "Study Date"], headRemoved: 0.62 };
  const failed = { ...done, caseId: "P0002-1", failure: { code: "brain-not-found" } };
  const page = renderDeidentification([done, failed] as unknown as CaseRecord[]);
  expect(page).toContain("| P0001-1 | 2 | Patient's Name, Study Date | 62 % |");
  expect(page).not.toContain("P0002-1");
  // Every paragraph is one of ours, and ends as a sentence does.
  const paragraphs = page.split("\n\n").filter((part) => part.startsWith("**"));
  expect(paragraphs.map((part) => part.slice(0, part.indexOf(".**")))).toEqual([
    "**Images",
    "**Faces",
    "**What stays at the site",
  ]);
  for (const part of paragraphs) expect(part).toMatch(/[.]$/);
});
