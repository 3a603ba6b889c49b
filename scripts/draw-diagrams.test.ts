/** Each diagram's picture is that of its source, needs nothing of another host, and is shown somewhere. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { diagrams, markOf, PICTURES } from "./draw-diagrams.ts";

test.each(diagrams())("%s was drawn as it stands: npx tsx scripts/draw-diagrams.ts", (name) => {
  const picture = readFileSync(join(PICTURES, name.replace(/mmd$/, "svg")), "utf8");
  expect(picture).toContain(markOf(readFileSync(join(PICTURES, name), "utf8")));
  expect(picture.replaceAll(/xmlns(:\w+)?="[^"]*"/g, "")).not.toMatch(/https?:|<script|<foreignObject/);
});

test("no page shows the source of a diagram instead", () => {
  expect(diagrams().length).toBeGreaterThan(0);
  const page = readFileSync(join(PICTURES, "..", "ARCHITECTURE.md"), "utf8");
  for (const name of diagrams()) expect(page).toContain(`(pictures/${name.replace(/mmd$/, "svg")})`);
  expect(page).not.toContain("```mermaid");
});
