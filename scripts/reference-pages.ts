/**
 * Writes the pages of `docs/reference/` from the code that they are about: `npx tsx scripts/reference-pages.ts`. A test
 * fails where a page says something else than the code.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { apiPage } from "./reference/api.ts";
import { commandsPage } from "./reference/commands.ts";
import { errorsPage } from "./reference/errors.ts";
import { metricsPage } from "./reference/metrics.ts";
import { studyFilePage } from "./reference/study-file.ts";
import { wherePage } from "./reference/where.ts";

export const REFERENCE = fileURLToPath(new URL("../docs/reference/", import.meta.url));

const PAGES: Readonly<Record<string, () => string>> = {
  "API.md": apiPage,
  "COMMANDS.md": commandsPage,
  "ERRORS.md": errorsPage,
  "METRICS.md": metricsPage,
  "STUDY_FILE.md": studyFilePage,
  "WHERE.md": wherePage,
};

/** Each page's text by its file name. */
export function referencePages(): ReadonlyMap<string, string> {
  const note = "Made by `npx tsx scripts/reference-pages.ts` from the code; a test fails where it is out of date.";
  return new Map(
    Object.entries(PAGES).map(([name, page]) => {
      const [title, ...rest] = page().trimEnd().split("\n");
      return [name, `${[title, "", note, ...rest].join("\n")}\n`];
    }),
  );
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  for (const [name, text] of referencePages()) writeFileSync(`${REFERENCE}${name}`, text);
}
