/** A site's certificate renews itself, through the real coordinator in memory, by a clock that moves. */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../base/index.ts";
import { type Coordinator, initCoordinator, openCoordinator } from "../coordinator/index.ts";
import { readCertificate } from "../protocol/index.ts";
import type { SiteEvent } from "./events.ts";
import { identityPath, openSite } from "./home.ts";
import { ask, startShift } from "./shift.ts";
import { readSiteLog } from "./site-status.ts";
import { joinTestSite, linkOf, madeUpCases, temporaryFolder } from "./testing/test-site.ts";

const DAY_MS = 86_400_000;
let root: string;
let coordinator: Coordinator;
let nowMs: number;
const clock = { nowMs: () => nowMs };

beforeEach(async () => {
  nowMs = systemClock.nowMs();
  root = await temporaryFolder();
  const home = join(root, "coordinator");
  await initCoordinator({ home, name: "Renewing", listen: "127.0.0.1:0", nowMs });
  coordinator = await openCoordinator({ home, clock });
});
afterEach(async () => {
  await coordinator.close();
  await rm(root, { recursive: true, force: true });
});

async function asked(home: string, siteClock = clock): Promise<SiteEvent[]> {
  const events: SiteEvent[] = [];
  const site = await openSite(home);
  const link = linkOf(site, coordinator.service);
  const presented: string[] = [];
  const noting = { ...link, useCertificate: (pem: string) => void presented.push(pem) };
  const onEvent = (event: SiteEvent): void => void events.push(event);
  const shift = await startShift({ site, link: noting, productVersion: "test", clock: siteClock, onEvent });
  await ask(shift);
  await site.close();
  if (presented.length > 0) expect(await readFile(identityPath(home, "certificate"), "utf8")).toBe(presented[0]);
  return events;
}

test("a certificate is renewed when half of it is over, kept, used and in the log", async () => {
  const { text: invitation } = await coordinator.invite({ siteId: "upenn" });
  const cases = madeUpCases("upenn", 4);
  const home = await joinTestSite({ root, siteId: "upenn", invitation, service: coordinator.service, cases });
  const notAfterMs = async () => readCertificate(await readFile(identityPath(home, "certificate"), "utf8")).notAfterMs;
  const first = await notAfterMs();
  expect(await asked(home)).toEqual([]);
  nowMs += 8 * DAY_MS;
  expect(await asked(home)).toEqual([{ kind: "certificate-renewed", expiresMs: await notAfterMs() }]);
  expect((await notAfterMs()) - first).toBeGreaterThanOrEqual(8 * DAY_MS - 60_000);
  expect(await asked(home)).toEqual([]);
  expect((await readSiteLog(home)).map(({ what }) => what)).toContain("certificate renewal");
});

test("a clock that differs is told once, in words", async () => {
  const { text: invitation } = await coordinator.invite({ siteId: "upenn" });
  const cases = madeUpCases("upenn", 4);
  const home = await joinTestSite({ root, siteId: "upenn", invitation, service: coordinator.service, cases });
  const slow = { nowMs: () => nowMs - 1_800_000 };
  const events = await asked(home, slow);
  expect(events).toEqual([{ kind: "clock-differs", offsetMs: 1_800_000 }]);
  expect(coordinator.status().sites[0].clockOffsetMs).toBe(-1_800_000);
});
