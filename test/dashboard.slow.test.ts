/**
 * The dashboard and the sites' consoles in a real Chromium, over a real federation of processes: a lead submits a study,
 * three sites approve it in their consoles, it trains, one site is killed and comes back, the curves move, the lead takes
 * the model, an auditor verifies the journal.
 *
 * With CONSILIUM_PICTURES=docs/pictures it writes the pictures of every screen (`npm run pictures`). Phantoms only.
 */
import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeOnnx } from "../src/graph/index.ts";
import { openBrowser, type Visit, visit } from "./dashboard/browser.ts";
import { checkScreen } from "./dashboard/check-screen.ts";
import { openProcesses, type Processes, says } from "./dashboard/processes.ts";

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

let processes: Processes;
let coordinator: ChildProcess;
let browser: Browser;
const visits: Visit[] = [];

async function openVisit(link: string): Promise<Page> {
  const opened = await visit(browser, link);
  visits.push(opened);
  return opened.page;
}

async function dashboardLink(role: string): Promise<string> {
  return JSON.parse(await processes.run("coordinator", "dashboard", "--home", "coordinator", "--role", role, "--json"))
    .url;
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

async function check(page: Page, name: string): Promise<void> {
  told(`check of ${name}`);
  await checkScreen(page, name);
}

/** The number that follows a region's name in the first chart's readout. */
async function diceShown(page: Page): Promise<string> {
  const slider = page.getByRole("slider", { name: "By region, all sites, by round" });
  return (await slider.getAttribute("aria-valuetext")) ?? "";
}

beforeAll(async () => {
  processes = openProcesses("dashboard");
  await processes.run(
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
  coordinator = processes.start("coordinator", "start", "--home", "coordinator");
  await says(coordinator, /Dashboard at/);
  browser = await openBrowser();
}, 600_000);

afterAll(async () => {
  await browser?.close();
  await processes.close();
});

async function joinSite(id: string, i: number): Promise<void> {
  const from = ["--first-case", String(CASES * i), "--first-site", String(i)];
  const made = ["--cases", String(CASES), "--out", `${id}-data`, "--spacing", "4", "--seed", "1"];
  await processes.run("cohort", "make", ...made, ...from);
  await processes.run("coordinator", "invite", "--home", "coordinator", "--site", id, "--out", `${id}.invitation`);
  await processes.run("site", "join", "--home", home(id), "--invitation", `${id}.invitation`);
  await processes.run("site", "data", "--home", home(id), "--dataset", `${id}-data`);
}

/** The coordinator's journal, as the page itself may ask for it. */
function journalOf(page: Page): Promise<string> {
  return page.evaluate(async () => {
    const { session } = (await (await fetch("/session")).json()) as { session: { csrf: string } };
    let [text, after] = ["", 0];
    for (;;) {
      const answer = await fetch("/api/consilium.v1.CoordinatorConsole/ListJournal", {
        method: "POST",
        headers: { "content-type": "application/json", "x-consilium-csrf": session.csrf },
        body: JSON.stringify({ after }),
      });
      const { records } = (await answer.json()) as { records?: readonly { number: string; body: string }[] };
      const last = records?.at(-1);
      if (last === undefined) return text;
      text += records?.map(({ body }) => body).join("\n");
      after = Number(last.number);
    }
  });
}

/** What takes its own button away, and the dialogue with it. */
const ENDED_BY_ITSELF = ["Stop the study", "Pause", "Resume", "Begin without the undecided"];

/** Clicks a steering button, gives its reason, and reads what came of it. */
async function steer(page: Page, button: string, reason: string): Promise<void> {
  await page.getByRole("button", { name: button, exact: true }).click();
  const dialog = page.getByRole("dialog");
  const act = dialog.getByRole("button", { name: button, exact: true });
  // Nothing is done without a reason.
  await expect.poll(() => act.isDisabled()).toBe(true);
  await dialog.getByRole("textbox").fill(reason);
  await act.click();
  const close = dialog.getByRole("button", { name: "Close" });
  if (!ENDED_BY_ITSELF.includes(button)) await close.click();
}

test("a study from its submission to the audit, in browsers", async () => {
  const lead = await openVisit(await dashboardLink("lead"));
  lead.setDefaultTimeout(PATIENCE_MS);
  await lead.getByText("No site has joined yet.").waitFor();
  await check(lead, "federation-empty");

  await lead.getByRole("button", { name: "Invite a site" }).click();
  const dialog = lead.getByRole("dialog");
  await dialog.getByRole("textbox", { name: /^Site/ }).fill("Not A Site");
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
    const link = await says(processes.start("site", "console", "--home", home(id)), /http:\S+#sign-in=\S+/);
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

  told("steering");
  await steer(lead, "Pause", "scanner upgrade at tum");
  await lead.getByText("paused: scanner upgrade at tum").waitFor();
  await lead.getByRole("button", { name: "Resume" }).waitFor();
  await check(lead, "study-paused");
  await steer(lead, "Resume", "the scanner is back");
  await lead.getByText("paused: scanner upgrade at tum").waitFor({ state: "hidden" });
  await steer(lead, "Change the deadline", "12 nights are long");
  await lead.getByText("after at most 12 h 0 min").waitFor();
  await steer(lead, "Change the quorum", "2 ukhd is moving");
  await lead.getByText("closes with 2 updates").waitFor();
  await steer(lead, "Change the quorum", "0 ukhd has moved");
  await lead.getByText("closes with all sites").waitFor();

  await steer(lead, "Change the rounds", "4 the curves are flat");
  await lead.getByText(/^\d+ of 4$/).waitFor();
  await steer(lead, "Change the rounds", "5 they rise again");
  await lead.getByText(/^\d+ of 5$/).waitFor();

  const working = new Map(SITES.map((id) => [id, processes.start("site", "start", "--home", home(id))]));
  await lead.getByRole("slider").first().waitFor();
  told("first figures");
  const first = await diceShown(lead);
  working.get("tum")?.kill("SIGKILL");
  const tum = consoles.get("tum") as Page;
  await show(tum, "This site");
  await tum.getByText("not running", { exact: true }).waitFor();
  told("tum is killed");
  working.set("tum", processes.start("site", "start", "--home", home("tum")));
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
  await expect.poll(() => auditor.getByText("in this chain, signed").count()).toBe(3);
  const verified = JSON.parse(await processes.run("coordinator", "verify", "--home", "coordinator", "--json"));
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
  told("the site's model outlines a case");
  await show(page, "Viewer");
  await page.getByLabel("Case", { exact: true }).selectOption({ index: 1 });
  await page.getByRole("button", { name: "Outline it by the model" }).click();
  await page.getByLabel("Layout").locator("option", { hasText: "Maps side by side" }).waitFor({ state: "attached" });
  await page.getByText("T1 with contrast, label map").waitFor();
  await page.getByLabel("Layout").selectOption("Maps side by side");
  await page.getByText("T1 with contrast, difference").waitFor();
  await page.getByRole("row", { name: /^WT \d/ }).waitFor();
  await check(page, "viewer-maps");

  told("the coordinator falls silent");
  coordinator.kill("SIGSTOP");
  await lead.getByText("what is shown may be old").waitFor();
  await check(lead, "stale");
  coordinator.kill("SIGCONT");
  await lead.getByText("what is shown may be old").waitFor({ state: "hidden" });

  told("another study is stopped");
  await show(lead, "Study");
  await lead
    .getByRole("textbox", { name: "Study file (YAML)" })
    .fill(STUDY.replace("Glioma outlines", "A second study"));
  await lead.getByRole("button", { name: "Check it" }).click();
  await lead.getByRole("button", { name: "Submit to 3 sites" }).click();
  await lead.getByText("waiting for the sites' reviewers").waitFor();
  told("two sites approve, the study begins without the third, and one leaves");
  // It approves in its console, and does no work: the round stays open.
  working.get("ukhd")?.kill("SIGTERM");
  await expect.poll(() => working.get("ukhd")?.exitCode ?? null, { timeout: PATIENCE_MS }).not.toBeNull();
  for (const id of ["ukhd", "tum"]) {
    const page = consoles.get(id) as Page;
    await show(page, "Studies");
    await page.getByRole("button", { name: "Ask the coordinator now" }).click();
    await page.getByRole("button", { name: "Approve" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Approve" }).click();
    await page.getByText("is approved; sent").waitFor();
  }
  await steer(lead, "Change the quorum", "1 two boards are late");
  await lead.getByText("closes with 1 update").waitFor();
  await steer(lead, "Begin without the undecided", "two boards meet next month");
  await lead.getByRole("status").filter({ hasText: "sites train" }).waitFor();
  await tum.getByRole("button", { name: "Leave the study" }).click();
  await tum.getByRole("dialog").getByRole("textbox").fill("the scanner is out of use");
  await tum.getByRole("dialog").getByRole("button", { name: "Leave the study" }).click();
  await tum.getByText("is refused; sent").waitFor();
  await lead.getByRole("row", { name: /^tum refused the scanner is out of use/ }).waitFor();
  await steer(lead, "Stop the study", "it was declared by mistake");
  await lead.getByText("it was declared by mistake").first().waitFor();
  const journal = await journalOf(lead);
  for (const reason of [
    "scanner upgrade at tum",
    "nights are long",
    "ukhd is moving",
    "they rise again",
    "two boards meet",
    "it was declared by mistake",
  ]) {
    expect(journal).toContain(reason);
  }

  told("the coordinator starts again");
  const port = new URL(lead.url()).port;
  const ended = new Promise((resolve) => coordinator.on("close", resolve));
  coordinator.kill("SIGTERM");
  await ended;
  await lead.getByText("what is shown may be old").waitFor();
  await says(
    processes.start("coordinator", "start", "--home", "coordinator", "--dashboard-port", port),
    /Dashboard at/,
  );
  // Sessions end with the process: the page asks to sign in again by itself.
  await lead.getByRole("heading", { name: "Sign in" }).waitFor();
  await lead.goto(await dashboardLink("lead"));
  await lead.getByText("live", { exact: true }).waitFor();

  for (const { foreign, complaints } of visits) {
    expect(foreign).toEqual([]);
    // What the lead got wrong on purpose, twice, the browser notes as well, and the coordinator that was gone.
    const gone = /status of 40[01]|ERR_INTERNET_DISCONNECTED|ERR_CONNECTION|ERR_INCOMPLETE|ERR_NETWORK/;
    expect(complaints.filter((each) => !gone.test(each))).toEqual([]);
  }
});
