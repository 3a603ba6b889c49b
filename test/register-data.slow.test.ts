/**
 * An operator registers another dataset in the console, in a real Chromium over real processes: while the site works it is
 * refused in words and nothing changes; once it is stopped every case is checked, and the coordinator is told the new
 * numbers by the site that starts again. Phantoms only.
 */
import type { ChildProcess } from "node:child_process";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openBrowser, type Visit, visit } from "./dashboard/browser.ts";
import { foundWithOneSite, openProcesses, type Processes, says } from "./dashboard/processes.ts";

const [FIRST, MORE] = [5, 10];
const PATIENCE_MS = 60_000;

let processes: Processes;
let browser: Browser;

beforeAll(async () => {
  processes = openProcesses("register-data");
  const { run } = processes;
  await foundWithOneSite(processes, "Data");
  await run("cohort", "make", "--cases", String(FIRST), "--out", "first", "--spacing", "4", "--seed", "1");
  await run("cohort", "make", "--cases", String(MORE), "--out", "more", "--spacing", "4", "--seed", "1");
  await run("site", "data", "--home", "site", "--dataset", "first");
  browser = await openBrowser();
}, 300_000);

afterAll(async () => {
  await browser?.close();
  await processes.close();
});

/** Starts the site, and waits until the coordinator was told of so many cases. */
async function startSite(cases: number): Promise<ChildProcess> {
  const site = processes.start("site", "start", "--home", "site");
  const told = async (): Promise<number> => {
    const { sites } = JSON.parse(await processes.run("status", "--home", "c", "--json")) as {
      sites: readonly { readonly cases: { readonly training: number; readonly validation: number } | null }[];
    };
    return (sites[0].cases?.training ?? 0) + (sites[0].cases?.validation ?? 0);
  };
  await expect.poll(told, { timeout: PATIENCE_MS, interval: 500 }).toBe(cases);
  return site;
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGTERM");
  await ended;
}

test("another dataset is refused while the site works, and taken once it is stopped", async () => {
  const site = await startSite(FIRST);
  const serving = processes.start("site", "console", "--home", "site", "--role", "operator", "--data", "more");
  const { page, foreign, complaints }: Visit = await visit(browser, await says(serving, /http:\S+#sign-in=\S+/));
  page.setDefaultTimeout(PATIENCE_MS);
  await page.getByRole("navigation").getByRole("link", { name: "Data", exact: true }).click();
  const section = page.getByRole("region", { name: "Register a dataset" });
  const folder = section.getByLabel("Folder");
  const offered = folder.locator("option", { hasText: /more$/ });
  await folder.selectOption((await offered.getAttribute("value")) ?? "");
  const register = section.getByRole("button", { name: "Check and register" });
  await register.click();
  await section.getByRole("alert").getByText("home-locked").waitFor();
  expect(await section.getByText("registered", { exact: true }).count()).toBe(0);
  await page.getByText(`${FIRST} of ${FIRST} cases can be used`).waitFor();

  await stop(site);
  await register.click();
  await section.getByText("registered", { exact: true }).waitFor();
  const training = Math.round(0.8 * MORE);
  const came = `${training} training and ${MORE - training} validation cases, ${MORE - FIRST} new, 0 gone, 0 left out`;
  expect(await section.getByRole("status").textContent()).toContain(came);
  expect(await section.getByRole("alert").count()).toBe(0);
  await page.getByText(`${MORE} of ${MORE} cases can be used`).waitFor();
  expect(await folder.locator("option", { hasText: "registered now" }).textContent()).toContain("more");

  await startSite(MORE);
  expect(foreign).toEqual([]);
  expect(complaints).toEqual([]);
});
