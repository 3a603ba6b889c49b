/**
 * What commands do, done in a real Chromium over a federation of processes: a dataset registered, a site's model taken,
 * a budget set, two models compared, rounds summed again, the authority replaced; and each seen by the command line.
 * Phantoms only.
 */
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeOnnx } from "../src/graph/index.ts";
import { openBrowser, type Visit, visit } from "./dashboard/browser.ts";
import { checkScreen } from "./dashboard/check-screen.ts";
import { openProcesses, type Processes, says } from "./dashboard/processes.ts";

const PATIENCE_MS = 180_000;
const PASSPHRASE = "a long passphrase of the lead";
const STUDY = `schema: consilium.study/1
name: NAME
task: { spacingMm: 4 }
network: { kind: unet3d, levels: 2, baseFeatures: 4 }
training: { optimiser: { kind: sgd, learningRate: 0.05 }, patch: [16, 16, 16], stepsPerRound: 2 }
rounds: { count: 2 }
retain: all
`;

let processes: Processes;
let browser: Browser;
const visits: Visit[] = [];

async function open(link: string, screen: string): Promise<Page> {
  const opened = await visit(browser, link);
  visits.push(opened);
  opened.page.setDefaultTimeout(PATIENCE_MS);
  await show(opened.page, screen);
  return opened.page;
}

async function show(page: Page, screen: string): Promise<void> {
  await page.getByRole("navigation").getByRole("link", { name: screen, exact: true }).click();
  await page.getByRole("heading", { level: 1, name: screen, exact: true }).waitFor();
}

async function json<T>(...args: string[]): Promise<T> {
  return JSON.parse(await processes.run(...args, "--json")) as T;
}

async function linkAs(role: string, ...where: string[]): Promise<string> {
  return (await json<{ url: string }>(...where, "--role", role)).url;
}

beforeAll(async () => {
  processes = openProcesses("both-ways");
  const { run, start, folder } = processes;
  writeFileSync(join(folder, "passphrase"), PASSPHRASE);
  const passphrase = ["--passphrase-file", "passphrase"];
  await run("coordinator", "init", "--home", "c", "--name", "Both ways", "--listen", "127.0.0.1:0", ...passphrase);
  await says(start("coordinator", "start", "--home", "c", ...passphrase), /Dashboard at/);
  await run("coordinator", "invite", "--home", "c", "--site", "tum", "--out", "tum.invitation");
  await run("site", "join", "--home", "site", "--invitation", "tum.invitation");
  await run("cohort", "make", "--cases", "6", "--out", "data", "--spacing", "4", "--seed", "1");
  browser = await openBrowser();
}, 600_000);

afterAll(async () => {
  await browser?.close();
  await processes.close();
});

async function runStudy(name: string): Promise<void> {
  writeFileSync(join(processes.folder, "study.yaml"), STUDY.replace("NAME", name));
  await processes.run("study", "submit", "--home", "c", "study.yaml");
  await processes.run("site", "review", "--home", "site");
  await processes.run("site", "approve", "--home", "site", name);
  await processes.run("site", "start", "--home", "site", "--once");
}

test("what a command does a browser does, and the command line sees it", async () => {
  const { start, folder } = processes;
  const data = start("site", "console", "--home", "site", "--role", "operator", "--data", "data");
  const operator = await open(await says(data, /http:\S+#sign-in=\S+/), "Data");

  // A dataset with a broken case is refused with its name, and registered without it.
  truncateSync(join(folder, "data/Phantom_00003/Phantom_00003_t2.nii.gz"), 100);
  await operator.getByLabel("Folder").selectOption({ label: "data" });
  await operator.getByRole("button", { name: "Check and register" }).click();
  await operator.getByRole("alert").getByText("dataset-invalid").waitFor();
  await operator.getByRole("cell", { name: "nifti-corrupt" }).waitFor();
  await operator.getByLabel("Leave out cases with a problem").check();
  await operator.getByRole("button", { name: "Check and register" }).click();
  await operator.getByText("registered", { exact: true }).waitFor();
  await operator.getByRole("option", { name: "data (registered now)" }).waitFor({ state: "attached" });
  await checkScreen(operator, "site-data-register");
  const { data: registered } = await json<{ data: object }>("site", "status", "--home", "site");
  expect(registered).toMatchObject({ training: 4, validation: 1, excluded: 1 });

  await runStudy("First study");
  await runStudy("Second study");

  // The site's own model, of the last round.
  await show(operator, "This site");
  await operator.getByRole("combobox", { name: /^Model/ }).selectOption("of the last round");
  const download = operator.waitForEvent("download");
  await operator.getByRole("link", { name: "Download model.onnx" }).click();
  const model = readFileSync(await (await download).path());
  expect(decodeOnnx(model, "model.onnx").outputs).toHaveLength(1);
  await processes.run("model", "export", "--home", "site", "--which", "final", "--out", "final");
  expect(model.equals(readFileSync(join(folder, "final/model.onnx")))).toBe(true);
  await operator.getByRole("combobox", { name: /^Study/ }).selectOption({ index: 1 });
  const earlier = operator.waitForEvent("download");
  await operator.getByRole("link", { name: "Description and signature" }).click();
  expect(readFileSync(await (await earlier).path(), "utf8")).toContain("First study");
  await checkScreen(operator, "site-model");

  // A budget, refused where it is none, is the one that the ledger then tells.
  const reviewer = await open(await linkAs("reviewer", "site", "console", "--home", "site", "--link"), "Privacy");
  await reviewer.getByRole("button", { name: "Set a budget" }).click();
  const dialog = reviewer.getByRole("dialog");
  const set = dialog.getByRole("button", { name: "Set a budget" });
  await expect.poll(() => set.isDisabled()).toBe(true);
  await dialog.getByLabel(/^Epsilon/).fill("-1");
  await dialog.getByLabel(/^Delta/).fill("1e-5");
  await set.click();
  await dialog.getByRole("alert").getByText("privacy-parameters").waitFor();
  await checkScreen(reviewer, "site-budget");
  await dialog.getByLabel(/^Epsilon/).fill("8");
  await set.click();
  await reviewer.getByText("Epsilon 8 at delta 1e-5 is this hospital's budget.").waitFor();
  await reviewer.getByText("epsilon allowed, at delta 0.00001").waitFor();
  const ledger = await json<{ budget: object }>("site", "ledger", "--home", "site");
  expect(ledger.budget).toEqual({ epsilon: 8, delta: 1e-5, accountant: "rdp" });

  // Two models, as the command compares them.
  const dashboard = ["coordinator", "dashboard", "--home", "c"];
  const lead = await open(await linkAs("lead", ...dashboard), "Models");
  const compared = await json<{ sites: readonly { after: number }[] }>("model", "compare", "--home", "c");
  const row = lead.getByRole("region", { name: "Comparison by site" }).getByRole("row", { name: /^tum/ });
  await expect.poll(() => row.textContent()).toContain(compared.sites[0].after.toFixed(3));
  await lead.getByText("Both models have figures at 1 site: an interval takes three.").waitFor();
  await lead.getByLabel("Region").selectOption("ET");
  const ofRegion = await json<typeof compared>("model", "compare", "--home", "c", "--region", "ET");
  await expect.poll(() => row.textContent()).toContain(ofRegion.sites[0].after.toFixed(3));
  await checkScreen(lead, "models-compared");

  // An earlier study's files, as the command takes them.
  const past = lead.waitForEvent("download");
  await lead.getByRole("region", { name: "First study" }).getByRole("link", { name: "Weights" }).click();
  const weights = readFileSync(await (await past).path());
  await processes.run("model", "export", "--home", "c", "--study", "First study", "--out", "first");
  expect(weights.equals(readFileSync(join(folder, "first/weights.safetensors")))).toBe(true);
  expect(readFileSync(join(folder, "first/model.json"), "utf8")).toContain("First study");

  // Rounds again, by an auditor.
  const auditor = await open(await linkAs("auditor", ...dashboard), "Audit");
  await auditor.getByRole("button", { name: "Sum the rounds again" }).click();
  await auditor.getByText("every round is equal").waitFor();
  const summed = auditor.getByRole("region", { name: "Rounds summed again" });
  await expect.poll(() => summed.getByText("equal", { exact: true }).count()).toBe(4);
  await checkScreen(auditor, "audit-replay");
  await processes.run("study", "report", "--home", "c", "--out", "report.html");
  const report = await auditor.evaluate(async () => (await fetch("/download/report.html")).text());
  expect(readFileSync(join(folder, "report.html"), "utf8")).toBe(report);
  await processes.run("study", "report", "--home", "c", "--study", "First study", "--out", "first.html");
  expect(readFileSync(join(folder, "first.html"), "utf8")).toContain("<h1>First study");

  // The authority, by who knows its passphrase alone.
  await show(lead, "Federation");
  await lead.getByRole("button", { name: "Replace the authority" }).click();
  const rotation = lead.getByRole("dialog");
  const replace = rotation.getByRole("button", { name: "Replace the authority" });
  await expect.poll(() => replace.isDisabled()).toBe(true);
  await rotation.getByLabel(/^Passphrase/).fill("another passphrase");
  await replace.click();
  await rotation.getByRole("alert").getByText("passphrase-wrong").waitFor();
  await checkScreen(lead, "federation-rotate");
  await rotation.getByLabel(/^Passphrase/).fill(PASSPHRASE);
  await rotation.getByLabel(/^Days/).fill("10");
  await replace.click();
  await lead.getByText("not yet followed: tum").waitFor();
  const status = await json<{ federation: { authority: { rotation: object } } }>("status", "--home", "c");
  expect(status.federation.authority.rotation).toMatchObject({ awaited: ["tum"] });
  await checkScreen(lead, "federation-authority");

  for (const { foreign, complaints } of visits) {
    expect(foreign).toEqual([]);
    // What was refused on purpose the browser notes as well.
    expect(complaints.filter((each) => !/status of 4\d\d/.test(each))).toEqual([]);
  }
}, 900_000);
