/** The reference says what the code does, and holds all of it. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ERROR_CODES } from "../src/base/index.ts";
import { COMMANDS } from "../src/cli/commands/index.ts";
import { AUTHORISATION, ROUTES } from "../src/console/index.ts";
import { CoordinatorConsole, SiteConsole } from "../src/protocol/index.ts";
import { IN_BROWSERS_ALONE, WHERE } from "./reference/where.ts";
import { REFERENCE, referencePages } from "./reference-pages.ts";

const pages = referencePages();

test.each([...pages.keys()])("%s is up to date: npx tsx scripts/reference-pages.ts", (name) => {
  expect(readFileSync(`${REFERENCE}${name}`, "utf8")).toBe(pages.get(name));
});

test("holds every command, method and code, and each code has a place that raises it", () => {
  for (const { path } of COMMANDS)
    expect(pages.get("COMMANDS.md")).toMatch(new RegExp(`^#+ consilium ${path.join(" ")}$`, "m"));
  for (const method of AUTHORISATION.keys()) expect(pages.get("API.md")).toContain(`| \`${method.split("/")[1]}\` |`);
  for (const code of Object.keys(ERROR_CODES)) {
    const row = pages
      .get("ERRORS.md")
      ?.split("\n")
      .find((line) => line.startsWith(`| \`${code}\` |`));
    expect(row, code).toMatch(/\| [a-z]+(, [a-z]+)* \|$/);
  }
});

test("tells each figure of a case, and what an empty region counts as", () => {
  const page = pages.get("METRICS.md") ?? "";
  for (const figure of ["regions.REGION.dice", "surfaceDistance.regions.REGION", "lesionWise.regions.REGION.missed"]) {
    expect(page).toContain(`| \`${figure}\` |`);
  }
  expect(page).toContain("| Dice | null | 0 | 0 |");
  expect(page).toContain("| lesion-wise HD95, mm | 0 | 374 | 374 |");
});

test("tells keys of the study file with bounds, defaults and the schema's own words", () => {
  const page = pages.get("STUDY_FILE.md") ?? "";
  expect(page).toContain(
    "| `rounds.deadlineS` | a number, above 0 | 86400 | Seconds after which a round closes with the updates at hand if the quorum is reached, and fails if not. |",
  );
  expect(page).toContain(
    "| `network (unet3d).levels` | a whole number, at least 2, at most 7 | 4 | Resolution levels, the first one included. |",
  );
  expect(page).toContain("| `training.patch` |");
  expect(page).toContain("| `privacy.siteLevel.adaptive.targetQuantile` |");
});

test("every command has its counterpart in the browser or a reason, and every method and request a command or one", () => {
  expect(Object.keys(WHERE).sort()).toEqual(COMMANDS.map(({ path }) => path.join(" ")).sort());
  const methods = (face: string, service: typeof CoordinatorConsole | typeof SiteConsole): string[] =>
    service.methods.map(({ localName }) => `${face} ${localName}`);
  const offered = [
    ...methods("coordinator", CoordinatorConsole),
    ...methods("site", SiteConsole),
    ...Object.keys(ROUTES),
  ];
  const byCommand = Object.values(WHERE).flatMap((entry) => ("asked" in entry ? entry.asked : []));
  const alone = Object.keys(IN_BROWSERS_ALONE);
  expect(alone.filter((asked) => byCommand.some((each) => each === asked))).toEqual([]);
  expect([...new Set<string>([...byCommand, ...alone])].sort()).toEqual(offered.sort());
  for (const words of [
    ...Object.values(WHERE).flatMap((entry) => ("why" in entry ? [entry.why] : [])),
    ...Object.values(IN_BROWSERS_ALONE),
  ]) {
    expect(words.length).toBeGreaterThan(5);
  }
});
