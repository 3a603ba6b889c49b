/**
 * The dashboard of ten sites with 500 rounds of history, live, in a real Chromium: how soon the first paint comes, and how
 * long interactions take, by the browser's own Event Timing (from the input to the next paint). The history is made up;
 * page, server, session and stream are the product's.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildDashboard } from "../scripts/build.mjs";
import { type ConsoleServer, startConsoleServer } from "../src/console/index.ts";
import type { CoordinatorStatus } from "../src/coordinator/index.ts";
import { CoordinatorConsole } from "../src/protocol/index.ts";
import { describeStudy, parseStudy } from "../src/study/index.ts";
import { openBrowser, visit } from "./dashboard/browser.ts";
import { checkScreen } from "./dashboard/check-screen.ts";
import { checkTime } from "./dashboard/check-time.ts";
import { longHistory } from "./dashboard/long-history.ts";

const [SITES, ROUNDS] = [10, 500];

const PLAN = describeStudy(
  parseStudy({
    schema: "consilium.study/1",
    name: "Glioma outlines",
    network: { kind: "unet3d" },
    training: { optimiser: { kind: "sgd", learningRate: 0.05 }, patch: [64, 64, 64], stepsPerRound: 60 },
    rounds: { count: 600 },
  }),
);

let folder = "";
let server: ConsoleServer;
let browser: Browser;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "consilium-history-"));
  await buildDashboard(folder);
  const whole = longHistory(SITES, ROUNDS, Date.now());
  /** Sites that go on every second; rounds as far as they are new. */
  const statusAfter = (roundsAfter: number): string => {
    const nowMs = Date.now();
    const sites = whole.sites.map((site) => ({
      ...site,
      lastContactMs: nowMs,
      stepsDone: Math.floor(nowMs / 1000) % 60,
    }));
    const rounds = whole.study?.rounds.slice(roundsAfter) ?? [];
    const matrices = whole.study?.matrices.filter(({ round }) => round > roundsAfter) ?? [];
    const study = whole.study && { ...whole.study, rounds, matrices };
    return JSON.stringify({ ...whole, sites, study } satisfies CoordinatorStatus);
  };
  server = await startConsoleServer({
    face: "coordinator",
    name: "A long study",
    version: "0.1.0",
    id: "history",
    port: 0,
    files: folder,
    download: () => Promise.reject(new RangeError("nothing to download")),
    routes(router) {
      router.service(CoordinatorConsole, {
        async *watchStatus({ roundsAfter }, { signal }) {
          for (let after = roundsAfter; !signal.aborted; after = ROUNDS - 1) {
            yield { json: statusAfter(after), timeMs: BigInt(Date.now()) };
            await new Promise((resolve) => setTimeout(resolve, 1000));
          }
        },
        getStudy: () => ({ json: JSON.stringify({ hash: "", text: PLAN, privacy: null, before: null }) }),
        listModels: () => ({ json: "[]" }),
      });
    },
  });
  browser = await openBrowser();
}, 600_000);

afterAll(async () => {
  await browser?.close();
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Interaction {
  /** The event, and what the target says. */
  readonly what: string;
  /** From the input to the next paint. */
  readonly ms: number;
  /** Of these, before and in its handlers. */
  readonly waitedMs: number;
  readonly handledMs: number;
}

/** Watches from now on; interactions are kept on the page. */
async function watchInteractions(page: Page): Promise<void> {
  await page.evaluate(() => {
    interface Timed {
      readonly name: string;
      readonly target: { readonly textContent: string | null } | null;
      readonly startTime: number;
      readonly processingStart: number;
      readonly processingEnd: number;
      readonly duration: number;
      readonly interactionId?: number;
    }
    const watched = globalThis as unknown as { interactions: object[] };
    watched.interactions = [];
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as unknown as Timed[]) {
        if (!entry.interactionId) continue;
        watched.interactions.push({
          what: `${entry.name} on “${entry.target?.textContent?.slice(0, 40) ?? ""}”`,
          ms: entry.duration,
          waitedMs: entry.processingStart - entry.startTime,
          handledMs: entry.processingEnd - entry.processingStart,
        });
      }
    }).observe({ type: "event", durationThreshold: 16, buffered: true } as never);
  });
}

/** @returns those that took 16 ms or more, the longest first */
async function watchedInteractions(page: Page): Promise<Interaction[]> {
  const interactions = await page.evaluate(
    () => (globalThis as unknown as { interactions: Interaction[] }).interactions,
  );
  return interactions.toSorted((a, b) => b.ms - a.ms);
}

test("the dashboard of ten sites with 500 rounds paints soon and stays smooth", async () => {
  const { page, complaints } = await visit(browser, server.signInLink("lead").url);
  page.setDefaultTimeout(120_000);
  await page.getByRole("cell", { name: "site-10", exact: true }).waitFor();
  const paintMs = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0);
  await page.getByRole("button", { name: "As a grid" }).click();
  await page.getByRole("listitem").filter({ hasText: "site-10" }).waitFor();
  await checkScreen(page, "federation-grid");

  await watchInteractions(page);
  for (const screen of ["Study", "Federation", "Models", "Study"]) {
    await page.getByRole("navigation").getByRole("link", { name: screen, exact: true }).click();
    await page.getByRole("heading", { level: 1, name: screen, exact: true }).waitFor();
  }
  const slider = page.getByRole("slider").first();
  await slider.focus();
  for (let i = 0; i < 20; i++) await page.keyboard.press("ArrowLeft");
  await expect.poll(() => slider.getAttribute("aria-valuetext")).toMatch(/^Round 480: WT 0\.\d{3}/);
  await page.getByRole("button", { name: /^Theme/ }).click();
  await page.getByRole("button", { name: `Show all ${ROUNDS} rounds` }).click();
  await page.getByRole("cell", { name: "1", exact: true }).first().waitFor();
  await new Promise((resolve) => setTimeout(resolve, 500));
  const interactions = await watchedInteractions(page);
  expect(complaints).toEqual([]);
  expect(paintMs).toBeGreaterThan(0);
  checkTime("first paint", paintMs, 1000);
  expect(interactions.length).toBeGreaterThan(0);
  for (const { what, ms, waitedMs, handledMs } of interactions.slice(0, 5)) {
    console.error(`${what}: ${ms} ms (${Math.round(waitedMs)} before its handlers, ${Math.round(handledMs)} in them)`);
  }
  checkTime("longest interaction", interactions[0].ms, 100);
});

test("the cross-site matrix of a round long past stays on the screen, and can be read by cell and region", async () => {
  const { page, complaints } = await visit(browser, server.signInLink("lead").url);
  page.setDefaultTimeout(120_000);
  await page.getByRole("navigation").getByRole("link", { name: "Study", exact: true }).click();
  const table = page.getByRole("table", { name: /^Round 250: models in rows/ });
  await table.waitFor();
  // Statuses that come later name only the latest rounds.
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  expect(await table.getByRole("columnheader").count()).toBe(1 + SITES);
  expect(await table.getByRole("rowheader").allInnerTexts()).toEqual([
    "all sites",
    ...Array.from({ length: SITES }, (_, i) => `site-${String(i + 1).padStart(2, "0")}`),
  ]);
  const own = table.getByRole("row", { name: /^site-02/ }).getByRole("cell");
  expect(await own.allInnerTexts()).toEqual(expect.arrayContaining(["0.850", "–"]));
  await page.getByRole("combobox", { name: /^Round 250, Dice of/ }).selectOption("ET");
  await page.getByRole("table", { name: /in columns \(ET\)/ }).waitFor();
  expect(await page.getByText("by site-10: no figures before the deadline").count()).toBe(1);
  await checkScreen(page, "study-matrix");
  expect(complaints).toEqual([]);
});
