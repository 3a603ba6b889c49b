/**
 * The viewer in a real Chromium without a graphics processor, over a site's console as a process: four scans of
 * 240 x 240 x 155 voxels, how soon they are seen, and what keys and controls do. Phantoms only.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readNifti } from "../src/imaging/index.ts";
import { openBrowser, type Visit, visit } from "./dashboard/browser.ts";
import { checkScreen } from "./dashboard/check-screen.ts";
import { checkTime } from "./dashboard/check-time.ts";
import { openProcesses, type Processes, says } from "./dashboard/processes.ts";

const PATIENCE_MS = 120_000;

let processes: Processes;
let browser: Browser;
const visits: Visit[] = [];

beforeAll(async () => {
  processes = openProcesses("viewer");
  const { run, start } = processes;
  const init = ["--name", "Viewer", "--listen", "127.0.0.1:0", "--unencrypted"];
  await run("coordinator", "init", "--home", "coordinator", ...init);
  await says(start("coordinator", "start", "--home", "coordinator"), /Dashboard at/);
  await run("cohort", "make", "--cases", "2", "--out", "data", "--spacing", "1", "--seed", "1");
  await run("coordinator", "invite", "--home", "coordinator", "--site", "tum", "--out", "tum.invitation");
  await run("site", "join", "--home", "site", "--invitation", "tum.invitation");
  await run("site", "data", "--home", "site", "--dataset", "data");
  browser = await openBrowser();
}, 600_000);

afterAll(async () => {
  await browser?.close();
  await processes.close();
});

async function open(link: string): Promise<Page> {
  const opened = await visit(browser, link);
  visits.push(opened);
  opened.page.setDefaultTimeout(PATIENCE_MS);
  return opened.page;
}

/** Milliseconds from the choice of the case to a mark that the viewer sets once the browser has drawn. */
async function markedAfter(page: Page, name: string): Promise<number> {
  await page.waitForFunction((each) => performance.getEntriesByName(each).length > 0, name);
  return page.evaluate((each) => {
    const [mark] = performance.getEntriesByName(each);
    const [begun] = performance.getEntriesByName("test-chosen");
    return mark.startTime - begun.startTime;
  }, name);
}

async function pictureOf(page: Page, pane: number): Promise<Buffer> {
  return page.locator(".panes canvas").nth(pane).screenshot();
}

test("a case of 240 x 240 x 155 is seen soon, and answers to keys and controls", async () => {
  const page = await open(await says(processes.start("site", "console", "--home", "site"), /http:\S+#sign-in=\S+/));
  await page.getByRole("navigation").getByRole("link", { name: "Viewer" }).click();
  const choice = page.getByLabel("Case", { exact: true });
  await choice.waitFor();
  await page.evaluate(() => performance.mark("test-chosen"));
  await choice.selectOption({ index: 1 });
  const firstMs = await markedAfter(page, "viewer-first-slice");
  const allMs = await markedAfter(page, "viewer-all-scans");
  expect(firstMs, "a slice is seen before all scans are read").toBeLessThan(allMs);
  checkTime("first slice", firstMs, 3_000);
  checkTime("all scans", allMs, 10_000);

  await expect.poll(() => page.locator(".panes figure:visible").count()).toBe(4);
  await page.getByText("T1 with contrast, label map").waitFor();
  await checkScreen(page, "viewer");

  const panes = page.getByRole("region", { name: "Panes" });
  await panes.focus();
  const before = await pictureOf(page, 1);
  const slice = Number(await page.getByLabel(/^Slice/).inputValue());
  await page.keyboard.press("PageUp");
  await page.getByText(`Slice ${slice + 10} of 155`).waitFor();
  // The second pane was not touched: it follows the first.
  await expect.poll(async () => (await pictureOf(page, 1)).equals(before)).toBe(false);

  const position = await page.getByText(/^voxel/).textContent();
  await page
    .locator(".panes canvas")
    .nth(2)
    .click({ position: { x: 60, y: 60 } });
  await expect.poll(() => page.getByText(/^voxel/).textContent()).not.toBe(position);

  const painted = await pictureOf(page, 0);
  await page.getByLabel("WT whole tumour").uncheck();
  await expect.poll(async () => (await pictureOf(page, 0)).equals(painted)).toBe(false);
  await panes.focus();
  await page.keyboard.press("1");
  await expect.poll(() => page.locator(".panes figure:visible").count()).toBe(1);
  await panes.focus();
  for (const [key, view] of [
    ["c", "Coronal"],
    ["s", "Sagittal"],
    ["p", "Three planes"],
    ["d", "3D"],
  ]) {
    const last = await pictureOf(page, 0);
    await page.keyboard.press(key);
    await expect.poll(() => page.getByLabel("View").locator("option:checked").textContent()).toBe(view);
    await expect.poll(async () => (await pictureOf(page, 0)).equals(last)).toBe(false);
  }
  await checkScreen(page, "viewer-3d");

  // Nothing but parts of registered cases is to be had, whatever is asked for.
  const refused = (asked: string) =>
    page.evaluate(async (query) => {
      const facts = (await (await fetch("/session")).json()) as { session: { csrf: string } };
      const answer = await fetch(`/volume?${query}`, { headers: { "x-consilium-csrf": facts.session.csrf } });
      return [answer.status, ((await answer.json()) as { error: { code: string } }).error.code];
    }, asked);
  for (const query of ["case=Phantom_00001&part=../key.pem", "case=..%2Fidentity&part=t1", "case=Phantom_00001"]) {
    expect(await refused(query), query).toEqual([404, "file-not-found"]);
  }
});

test("files of the reader's own machine are shown, and nothing is sent", async () => {
  const asked: string[] = [];
  const page = await open(
    JSON.parse(await processes.run("coordinator", "dashboard", "--home", "coordinator", "--json")).url,
  );
  await page.getByRole("navigation").getByRole("link", { name: "Viewer" }).click();
  page.on("request", (request) => {
    if (request.method() !== "GET") asked.push(`${request.method()} ${request.url()} ${request.postData() ?? ""}`);
  });
  const folder = join(processes.folder, "data", "Phantom_00001");
  expect(existsSync(folder)).toBe(true);
  const file = (role: string, name = role) => ({
    name: `Own_${name}.nii.gz`,
    mimeType: "application/gzip",
    buffer: readFileSync(join(folder, `Phantom_00001_${role}.nii.gz`)),
  });
  await page
    .getByLabel("Scans and maps of one case")
    .setInputFiles([file("t1ce"), file("flair"), file("seg"), file("seg", "prediction"), file("t1", "strange")]);
  await page.getByRole("alert").getByText("Own_strange.nii.gz").waitFor();
  await page.getByLabel("Enhancing tumour is").selectOption("4");
  await page.getByText("T1 with contrast, label map").waitFor();
  await page.getByLabel("Layout").selectOption("Maps side by side");
  await page.getByText("T1 with contrast, difference").waitFor();
  // A map laid over itself agrees with itself.
  const { volume } = await readNifti(join(folder, "Phantom_00001_seg.nii.gz"));
  const tumourMl = (volume.data as Uint8Array).reduce((sum, label) => sum + (label === 0 ? 0 : 1), 0) / 1000;
  expect(tumourMl).toBeGreaterThan(1);
  const row = `WT${tumourMl.toFixed(1)}${tumourMl.toFixed(1)}1.000`;
  await expect.poll(() => page.getByRole("row", { name: /^WT/ }).textContent()).toBe(row);
  await checkScreen(page, "viewer-files");

  // A first scan that is none, and maps that write enhancing tumour otherwise: the rest is seen, and the refusal told.
  await page.getByLabel("Layout").selectOption("All scans");
  const broken = { ...file("t1ce"), buffer: Buffer.from("no NIfTI at all") };
  await page.getByLabel("Scans and maps of one case").setInputFiles([broken, file("flair"), file("t1"), file("seg")]);
  await page.getByRole("alert").getByText("expected a NIfTI file").waitFor();
  await page.getByText("T1, label map").waitFor();
  await page.getByText(/^voxel/).waitFor();
  await expect
    .poll(() => page.locator(".panes figcaption:visible").allTextContents())
    .toEqual(["T1, label map", "FLAIR, label map"]);
  await page.getByLabel("Enhancing tumour is").selectOption("3");
  await page.getByRole("alert").getByText("Choose 4 if the map is written so").waitFor();
  await expect.poll(() => page.getByLabel("WT whole tumour").count()).toBe(0);
  expect(asked).toEqual([]);
  for (const { foreign, complaints } of visits) {
    expect(foreign).toEqual([]);
    expect(complaints.filter((each) => !each.includes("status of 404"))).toEqual([]);
  }
});
