import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { OUTSIDE_THE_ACCOUNT } from "./patient-level.ts";

const page = readFileSync("docs/PRIVACY.md", "utf8");

it("names in the ledger what docs/PRIVACY.md names as outside the account, early stopping included", () => {
  const words = page.replace(/\s+/g, " ");
  for (const each of OUTSIDE_THE_ACCOUNT) expect(words).toContain(`- ${each}`);
  const listed = page.split("### What no epsilon here covers")[1].split("## ")[0].match(/^- /gm);
  expect(listed).toHaveLength(OUTSIDE_THE_ACCOUNT.length);
  expect(OUTSIDE_THE_ACCOUNT.join(" ")).toMatch(/best model and early stopping/);
});

it("stays two printed pages", () => {
  expect(page.split(/\s+/).filter((word) => /\w/.test(word)).length).toBeLessThanOrEqual(1100);
});
