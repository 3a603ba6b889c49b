/** The site console's doctor and log in a real Chromium, over processes: what the operator tests, and what it left. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openBrowser, visit } from "./dashboard/browser.ts";
import { checkScreen } from "./dashboard/check-screen.ts";
import { foundWithOneSite, openProcesses, type Processes, says } from "./dashboard/processes.ts";

const STUDY = `schema: consilium.study/1
name: Glioma outlines
task: { spacingMm: 4 }
network: { kind: unet3d, levels: 2, baseFeatures: 4 }
training: { optimiser: { kind: sgd, learningRate: 0.05 }, patch: [16, 16, 16], stepsPerRound: 2 }
rounds: { count: 1, deadlineS: 600 }
`;

let processes: Processes;
let browser: Browser;

beforeAll(async () => {
  processes = openProcesses("site-doctor");
  const { run, folder } = processes;
  await foundWithOneSite(processes, "Doctors");
  writeFileSync(join(folder, "study.yaml"), STUDY);
  await run("study", "submit", "--home", "c", "study.yaml");
  await run("site", "review", "--home", "site");
  browser = await openBrowser();
}, 600_000);

afterAll(async () => {
  await browser?.close();
  await processes.close();
});

test("an operator examines the site, and finds its connection test in the log", async () => {
  const link = await says(
    processes.start("site", "console", "--home", "site", "--role", "operator"),
    /http:\S+#sign-in=\S+/,
  );
  const { page, foreign, complaints } = await visit(browser, link);
  page.setDefaultTimeout(120_000);
  const show = (screen: string) =>
    page.getByRole("navigation").getByRole("link", { name: screen, exact: true }).click();
  await show("Doctor");
  await page.getByText("Not examined since this console was started.").waitFor();
  await checkScreen(page, "site-doctor-empty");
  await page.getByRole("button", { name: "Examine this site" }).click();
  // While it runs alone: a starved browser may come too late for either.
  const isOver = page.getByRole("button", { name: "Examine it again" });
  await page.locator("button:disabled", { hasText: "Examine this site" }).or(isOver).first().waitFor();
  await page.getByText("name: good").or(isOver).first().waitFor();
  const found = page.getByRole("region", { name: "What the doctor found" });
  await found.getByRole("row", { name: /^round skipped/ }).waitFor();
  const checks = await found.locator("tbody tr td:first-child").allTextContents();
  expect(checks).toEqual([
    ...["name", "route", "tls", "clock", "membership", "download", "upload"],
    ...["data", "step", "memory", "disk", "round"],
  ]);
  await found.getByRole("row", { name: /^data warning no cases are registered.*consilium site data/ }).waitFor();
  await found.getByRole("row", { name: /^step good .* s for a training step/ }).waitFor();
  await checkScreen(page, "site-doctor");

  await show("What left");
  await page.getByLabel("What", { exact: true }).selectOption("connection test");
  const rows = page.getByRole("region", { name: "What left, latest first" }).locator("tbody tr");
  await expect.poll(() => rows.count()).toBe(1);
  expect(await rows.first().textContent()).toContain("connection test");
  await page.getByLabel("What", { exact: true }).selectOption("Everything");
  await expect.poll(() => rows.count()).toBeGreaterThan(1);
  await checkScreen(page, "site-left-filtered");
  const { entries } = JSON.parse(
    await processes.run("site", "log", "--home", "site", "--what", "connection test", "--json"),
  ) as { entries: readonly { what: string }[] };
  expect(entries.map(({ what }) => what)).toEqual(["connection test"]);
  expect(foreign).toEqual([]);
  expect(complaints).toEqual([]);
});
