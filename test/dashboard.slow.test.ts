/**
 * The dashboard and the sites' consoles in a real Chromium, over a real federation of processes: a lead submits a study,
 * three sites approve it in their consoles, it trains, one site is killed and comes back, the curves move, the lead takes
 * the model, an auditor verifies the journal.
 *
 * With CONSILIUM_PICTURES=docs/pictures it writes the pictures of every screen (`npm run pictures`). Phantoms only.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeOnnx } from "../src/graph/index.ts";
import { openBrowser, seriousProblems, type Visit, visit } from "./dashboard/browser.ts";

const LAUNCHER = fileURLToPath(new URL("../bin/consilium.mjs", import.meta.url));
const PICTURES = process.env.CONSILIUM_PICTURES;
const SITES = ["charite", "tum", "ukhd"];
const CASES = 5;
const PATIENCE_MS = 180_000;
const STUDY = `schema: consilium.study/1
name: Glioma outlines
task: { spacingMm: 4 }
network: { kind: unet3d, levels: 3, baseFeatures: 8 }
training:
  optimiser: { kind: sgd, learningRate: 0.05 }
  patch: [24, 24, 24]
  stepsPerRound: { patchesPerCase: 4 }
rounds: { count: 5 }
`;

let folder = "";
let browser: Browser;
const running = new Set<ChildProcess>();
const visits: Visit[] = [];

function start(...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [LAUNCHER, ...args], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  child.on("close", () => running.delete(child));
  return child;
}

/** Runs a command to its end. @returns standard output */
async function run(...args: string[]): Promise<string> {
  const child = start(...args);
  let [out, err] = ["", ""];
  child.stdout?.on("data", (text) => {
    out += text;
  });
  child.stderr?.on("data", (text) => {
    err += text;
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  if (code !== 0) throw new Error(`consilium ${args.join(" ")}: ${err}`);
  return out;
}

/** Resolves with the first match in what a process writes. */
function says(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const take = (data: Buffer): void => {
      text += data.toString();
      const match = pattern.exec(text);
      if (match !== null) resolve(match[0]);
    };
    child.stdout?.on("data", take);
    child.stderr?.on("data", take);
    child.on("close", () => reject(new Error(`ended before it said ${pattern}: ${text.slice(-2000)}`)));
  });
}

async function openVisit(link: string): Promise<Page> {
  const opened = await visit(browser, link);
  visits.push(opened);
  return opened.page;
}

async function dashboardLink(role: string): Promise<string> {
  return JSON.parse(await run("coordinator", "dashboard", "--home", "coordinator", "--role", role, "--json")).url;
}

function home(site: string): string {
  return `${site}-home`;
}

const begunMs = Date.now();

/** Says how far the story is: a step that hangs is then the last one told. */
function told(step: string): void {
  if (process.env.CONSILIUM_DEBUG) console.error(`${((Date.now() - begunMs) / 1000).toFixed(0)} s: ${step}`);
}

async function show(page: Page, screen: string): Promise<void> {
  await page.getByRole("navigation").getByRole("link", { name: screen, exact: true }).click();
  await page.getByRole("heading", { level: 1, name: screen, exact: true }).waitFor();
}

/** No serious finding in either theme, nothing wider than a telephone; and pictures where they are wanted. */
async function check(page: Page, name: string): Promise<void> {
  told(`check of ${name}`);
  for (const theme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: theme });
    expect(await seriousProblems(page), `${name}, ${theme}`).toEqual([]);
    if (PICTURES !== undefined) {
      await page.screenshot({ path: join(PICTURES, `dashboard-${name}-${theme}.png`), fullPage: true });
    }
  }
  await page.setViewportSize({ width: 390, height: 844 });
  const overflow = await page.evaluate<number>("document.documentElement.scrollWidth - window.innerWidth");
  expect(overflow, `${name} is wider than 390 pixels`).toBeLessThanOrEqual(0);
  expect(await seriousProblems(page), `${name}, 390 pixels`).toEqual([]);
  if (PICTURES !== undefined) {
    await page.emulateMedia({ colorScheme: "light" });
    await page.screenshot({ path: join(PICTURES, `dashboard-${name}-narrow.png`) });
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
}

/** The number that follows a region's name in the first chart's readout. */
async function diceShown(page: Page): Promise<string> {
  const slider = page.getByRole("slider", { name: "By region, all sites, by round" });
  return (await slider.getAttribute("aria-valuetext")) ?? "";
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "consilium-dashboard-"));
  if (PICTURES !== undefined) mkdirSync(PICTURES, { recursive: true });
  await run(
    "coordinator",
    "init",
    "--home",
    "coordinator",
    "--name",
    "Glioma federation",
    "--listen",
    "127.0.0.1:0",
    "--unencrypted",
  );
  await says(start("coordinator", "start", "--home", "coordinator"), /Dashboard at/);
  browser = await openBrowser();
}, 600_000);

afterAll(async () => {
  await browser?.close();
  const ended = [...running].map((child) => new Promise((resolve) => child.on("close", resolve)));
  for (const child of running) child.kill("SIGTERM");
  await Promise.all(ended);
  rmSync(folder, { recursive: true, force: true });
});

async function joinSite(id: string, i: number): Promise<void> {
  const from = ["--first-case", String(CASES * i), "--first-site", String(i)];
  const made = ["--cases", String(CASES), "--out", `${id}-data`, "--spacing", "4", "--seed", "1"];
  await run("cohort", "make", ...made, ...from);
  await run("coordinator", "invite", "--home", "coordinator", "--site", id, "--out", `${id}.invitation`);
  await run("site", "join", "--home", home(id), "--invitation", `${id}.invitation`);
  await run("site", "data", "--home", home(id), "--dataset", `${id}-data`);
}

test("a study from its submission to the audit, in browsers", async () => {
  const lead = await openVisit(await dashboardLink("lead"));
  lead.setDefaultTimeout(PATIENCE_MS);
  await lead.getByText("No site has joined yet.").waitFor();
  await check(lead, "federation-empty");

  await lead.getByRole("button", { name: "Invite a site" }).click();
  const dialog = lead.getByRole("dialog");
  await dialog.getByRole("textbox").fill("Not A Site");
  await dialog.getByRole("button", { name: "Invite a site" }).click();
  await dialog.getByRole("alert").waitFor();
  expect(await dialog.getByRole("alert").textContent()).toContain("lower-case");
  await dialog.getByRole("button", { name: "Cancel" }).click();

  await Promise.all(SITES.map(joinSite));
  told("sites joined");
  for (const id of SITES) await lead.getByRole("cell", { name: id, exact: true }).waitFor();

  await show(lead, "Study");
  await lead.getByRole("textbox", { name: "Study file (YAML)" }).fill("name: [");
  await lead.getByRole("button", { name: "Check it" }).click();
  await lead.getByRole("alert").waitFor();
  await check(lead, "study-refused");
  await lead.getByRole("textbox", { name: "Study file (YAML)" }).fill(STUDY);
  await lead.getByRole("button", { name: "Check it" }).click();
  await lead.getByText("It is the first.").waitFor();
  await lead.getByRole("button", { name: "Submit to 3 sites" }).click();
  await lead.getByText("waiting for the sites' reviewers").waitFor();

  told("study submitted");
  const consoles = new Map<string, Page>();
  for (const id of SITES) {
    told(`console of ${id}`);
    const link = await says(start("site", "console", "--home", home(id)), /http:\S+#sign-in=\S+/);
    const page = await openVisit(link);
    page.setDefaultTimeout(PATIENCE_MS);
    consoles.set(id, page);
    await show(page, "Studies");
    await page.getByRole("heading", { name: "Glioma outlines" }).waitFor();
    if (id === SITES[0]) await check(page, "site-studies");
    told(`${id} approves`);
    await page.getByRole("button", { name: "Approve" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Approve" }).click();
    await page.getByText("is approved; sent by this command").waitFor();
  }

  const processes = new Map(SITES.map((id) => [id, start("site", "start", "--home", home(id))]));
  await lead.getByRole("slider").first().waitFor();
  told("first figures");
  const first = await diceShown(lead);
  processes.get("tum")?.kill("SIGKILL");
  const tum = consoles.get("tum") as Page;
  await show(tum, "This site");
  await tum.getByText("not running", { exact: true }).waitFor();
  told("tum is killed");
  processes.set("tum", start("site", "start", "--home", home("tum")));
  await tum.getByText("at work", { exact: true }).waitFor();
  await check(tum, "site");
  await expect.poll(() => diceShown(lead), { timeout: PATIENCE_MS, interval: 500 }).not.toBe(first);
  await check(lead, "study-running");

  await lead
    .getByText(/^done$/)
    .first()
    .waitFor();
  await show(lead, "Federation");
  await check(lead, "federation");
  await show(lead, "Study");
  expect(await diceShown(lead)).toMatch(/^Round 5: WT 0\.\d{3}, TC 0\.\d{3}, ET /);
  await check(lead, "study");
  await show(lead, "Models");
  const download = lead.waitForEvent("download");
  await lead.getByRole("link", { name: "Download model.onnx" }).click();
  const model = readFileSync(await (await download).path());
  expect(decodeOnnx(model, "model.onnx").outputs).toHaveLength(1);
  await check(lead, "models");
  await show(lead, "Report");
  await lead.frameLocator("iframe").getByRole("heading", { level: 1, name: "Glioma outlines" }).waitFor();
  await check(lead, "report");

  told("audit");
  const auditor = await openVisit(await dashboardLink("auditor"));
  auditor.setDefaultTimeout(PATIENCE_MS);
  await show(auditor, "Audit");
  await auditor.getByText("holds", { exact: true }).waitFor();
  expect(await auditor.getByText("in this chain, signed").count()).toBe(3);
  const verified = JSON.parse(await run("coordinator", "verify", "--home", "coordinator", "--json"));
  expect(await auditor.getByRole("main").textContent()).toContain(verified.head.sha256.slice(0, 12));
  await auditor.getByRole("button", { name: "Full check at the coordinator" }).click();
  await auditor.getByRole("dialog").getByRole("button", { name: "Full check at the coordinator" }).click();
  await auditor.getByRole("dialog").getByText("under the sites' own signatures").waitFor();
  await auditor.getByRole("dialog").getByRole("button", { name: "Close" }).click();
  await check(auditor, "audit");

  const page = consoles.get("charite") as Page;
  for (const [screen, name] of [
    ["What left", "site-left"],
    ["Privacy", "site-privacy"],
    ["Log", "site-log"],
  ] as const) {
    await show(page, screen);
    await check(page, name);
  }
  for (const { foreign, complaints } of visits) {
    expect(foreign).toEqual([]);
    // What the lead got wrong on purpose, twice, the browser notes as well.
    expect(complaints.filter((each) => !each.includes("status of 400"))).toEqual([]);
  }
});
