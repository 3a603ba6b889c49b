/**
 * A study with its own network and its own first weights, in a real Chromium over a running coordinator: files are chosen,
 * refused in words where they are no good, shown, submitted, and offered to a site, which fetches the very network.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LIMITS, sha256 } from "../src/base/index.ts";
import { encodeOnnx, parametersToSafetensors } from "../src/graph/index.ts";
import { unet3d } from "../src/networks/index.ts";
import { networkParameters } from "../src/training/index.ts";
import { openBrowser, type Visit, visit } from "./dashboard/browser.ts";
import { checkScreen } from "./dashboard/check-screen.ts";
import { foundWithOneSite, openProcesses, type Processes } from "./dashboard/processes.ts";

/** Large enough for several pieces. */
const SIZES = {
  inputChannels: 4,
  classes: 4,
  stem: 1,
  detail: false,
  mirror: false,
  levels: 3,
  baseFeatures: 64,
  maxFeatures: 320,
  seed: 7,
};
const STUDY = `schema: consilium.study/1
name: A network of our own
task: { spacingMm: 4 }
network: { kind: onnx, file: ours.onnx }
initial: { file: start.safetensors }
training: { optimiser: { kind: sgd, learningRate: 0.05 }, patch: [16, 16, 16], stepsPerRound: 2 }
rounds: { count: 1 }
`;

let processes: Processes;
let browser: Browser;
let opened: Visit;

beforeAll(async () => {
  processes = openProcesses("study-files");
  await foundWithOneSite(processes, "Own");
  browser = await openBrowser();
}, 300_000);

afterAll(async () => {
  await browser?.close();
  await processes.close();
});

function write(name: string, bytes: Uint8Array): string {
  const path = join(processes.folder, name);
  writeFileSync(path, bytes);
  return path;
}

async function choose(page: Page, ...paths: string[]): Promise<void> {
  await page.getByLabel("Files that it names").setInputFiles(paths);
}

test("a lead brings a network and weights, and a site is offered the study", async () => {
  const told = await processes.run("coordinator", "dashboard", "--home", "c", "--role", "lead", "--json");
  opened = await visit(browser, (JSON.parse(told) as { url: string }).url);
  const { page } = opened;
  page.setDefaultTimeout(120_000);
  await page.getByRole("navigation").getByRole("link", { name: "Study", exact: true }).click();
  await page.getByRole("textbox", { name: "Study file (YAML)" }).fill(STUDY);
  const checkIt = page.getByRole("button", { name: "Check it" });
  await checkIt.click();
  const alert = page.getByRole("alert");
  await alert.getByText("study, network.file:").waitFor();
  expect(await alert.textContent()).toMatch(/chosen below the study's text.*file-not-found/);

  await choose(page, write("ours.onnx", Buffer.from("no network")), write("start.safetensors", Buffer.alloc(8)));
  const there = page.getByRole("list", { name: "Files that are there" });
  await there.getByText("start.safetensors").waitFor();
  await checkIt.click();
  await alert.getByText("ours.onnx:").waitFor();
  expect(await alert.textContent()).toContain("onnx-corrupt");
  await checkScreen(page, "study-files");
  await page.getByRole("button", { name: "Take back start.safetensors" }).click();
  await there.getByText("start.safetensors").waitFor({ state: "detached" });

  const network = encodeOnnx(unet3d(SIZES));
  const weights = parametersToSafetensors(networkParameters(unet3d({ ...SIZES, seed: 8 })));
  expect(network.length).toBeGreaterThan(2 * LIMITS.chunkBytes);
  // The second piece is held back, so that there is time to see how far the file is.
  let [pieces, letGo] = [0, (): void => undefined];
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  await page.route(/\/study-file\?/, async (route) => {
    if (route.request().method() === "POST") pieces++;
    if (pieces === 2) await held;
    await route.continue();
  });
  await choose(page, write("ours.onnx", network), write("start.safetensors", weights));
  const progress = page.getByRole("progressbar", { name: "Bringing ours.onnx" });
  await expect.poll(() => progress.getAttribute("value")).toBe(String(LIMITS.chunkBytes));
  expect(await checkIt.isDisabled()).toBe(true);
  letGo();
  await there.getByText("start.safetensors").waitFor();
  expect(pieces).toBe(Math.ceil(network.length / LIMITS.chunkBytes) + Math.ceil(weights.length / LIMITS.chunkBytes));
  expect(await there.textContent()).toContain(sha256(network).slice(0, 12));
  await checkIt.click();
  await page.getByText("It is the first.").waitFor();
  await page.getByRole("button", { name: "Submit to 1 site" }).click();
  await page.getByText("waiting for the sites' reviewers").waitFor();

  // The command makes the same study of the same files.
  write("study.yaml", Buffer.from(STUDY));
  const { studyHash } = JSON.parse(await processes.run("study", "check", "study.yaml", "--json")) as {
    studyHash: string;
  };
  const review = JSON.parse(await processes.run("site", "review", "--home", "site", "--json")) as {
    studies: readonly { readonly studyHash: string }[];
  };
  expect(review.studies).toEqual([expect.objectContaining({ studyHash })]);
  const digest = sha256(network);
  expect(readFileSync(join(processes.folder, "c", "objects", digest.slice(0, 2), digest)).equals(network)).toBe(true);
  expect(opened.foreign).toEqual([]);
  expect(opened.complaints.filter((each) => !/status of 400/.test(each))).toEqual([]);
});
