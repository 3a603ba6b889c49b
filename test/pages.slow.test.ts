/** Pages that people open from a file: reports and the documentation, in a browser, as wide as a telephone too. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { stringify } from "yaml";
import { createCommands } from "../src/cli/demo/processes.ts";
import { writeCohort } from "../src/imaging/index.ts";
import { openBrowser, seriousProblems } from "./dashboard/browser.ts";
import { checkOnTelephone } from "./dashboard/check-screen.ts";

const LAUNCHER = fileURLToPath(new URL("../bin/consilium.mjs", import.meta.url));
const STUDY = {
  schema: "consilium.study/1",
  name: "Pages",
  task: { spacingMm: 6 },
  network: { kind: "unet3d", levels: 2, baseFeatures: 4 },
  training: { optimiser: { kind: "adam", learningRate: 0.01 }, patch: [24, 24, 24], stepsPerRound: 2, seed: 5 },
  rounds: { count: 1, crossSite: "last" },
};

let folder = "";
let browser: Browser;
const at = (...names: string[]): string => join(folder, ...names);
const commands = createCommands(LAUNCHER, new AbortController().signal);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "consilium-pages-"));
  browser = await openBrowser();
  await writeCohort({ dir: at("data"), cases: 12, seed: 3, firstCase: 0, firstSite: 0, spacingMm: 6 });
  await writeFile(at("study.yaml"), stringify(STUDY));
}, 120_000);
afterAll(async () => {
  await commands.stopAll();
  await browser.close();
  await rm(folder, { recursive: true, force: true });
});

async function check(file: string): Promise<void> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const requests: string[] = [];
  page.on("request", (request) => requests.push(new URL(request.url()).protocol));
  await page.goto(pathToFileURL(file).href);
  expect(await seriousProblems(page), file).toEqual([]);
  await checkOnTelephone(page, file);
  expect(requests.filter((protocol) => protocol !== "file:" && protocol !== "data:")).toEqual([]);
  await page.close();
}

it("a simulation's report and a case's fit any screen, and load nothing", { timeout: 300_000 }, async () => {
  const simulate = ["simulate", "--data", at("data"), "--study", at("study.yaml"), "--sites", "3"];
  await commands.run(...simulate, "--out", at("run"));
  await check(at("run/report.html"));
  const [id] = (await readdir(at("data"))).sort();
  const segment = ["segment", "--model", at("run/model"), "--case", at("data", id), "--flips"];
  await commands.run(...segment, "--out", at("outlines.nii.gz"), "--report", at("case.html"));
  await check(at("case.html"));
});

it("so do the pages of the documentation", { timeout: 300_000 }, async () => {
  await commands.run("docs", "--out", at("docs"));
  const pages = (await readdir(at("docs"), { recursive: true })).filter((name) => name.endsWith(".html"));
  expect(pages.length).toBeGreaterThan(30);
  for (const name of pages) await check(at("docs", name));
});
